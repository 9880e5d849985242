"""The pictures there are, and the caption that each gets from the study it is drawn of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.pictures.style import Caption
from app.schemas.pictures import PictureName
from app.services.metric_store import MetricStudy


@dataclass(frozen=True, slots=True)
class PictureKind:
    """A picture's title, what it shows in a sentence, and whether it shows single subjects."""

    title: str
    description: str
    individual: bool = False


PICTURES: Mapping[PictureName, PictureKind] = {
    PictureName.LADDER: PictureKind(
        "Escalation ladder",
        "For each dose level the places of its subjects, those evaluable with and without"
        " dose-limiting toxicity, those still observed, and how the level stands.",
    ),
    PictureName.ENROLMENT: PictureKind(
        "Enrolment over time",
        "How many subjects were screened, enrolled and first treated by the end of each month,"
        " against the planned sizes. Enrolled counts in the month in which it was entered here.",
    ),
    PictureName.ADVERSE_EVENTS: PictureKind(
        "Adverse events by term and worst grade",
        "For each term the participants who had it since their first infusion, each counted once"
        " at the worst CTCAE grade.",
    ),
    PictureName.KAPLAN_MEIER: PictureKind(
        "Time to response and duration of response",
        "Kaplan-Meier curves of the time to the first response and of the duration of response,"
        " with numbers at risk.",
    ),
    PictureName.WATERFALL: PictureKind(
        "Best change from baseline",
        "The best change of each treated subject from baseline in neutrophils, platelets and"
        " haemoglobin, the largest first.",
        individual=True,
    ),
    PictureName.LAB_TRAJECTORIES: PictureKind(
        "Blood counts since the first infusion",
        "The neutrophils, platelets and haemoglobin of each treated subject over time, against the"
        " limits of complete response, with transfusions and infusions.",
        individual=True,
    ),
    PictureName.SWIMMER: PictureKind(
        "Course of each treated subject",
        "A bar for each treated subject from the first infusion on, with infusions, transfusions,"
        " responses, severe adverse events, dose-limiting toxicities and the end of follow-up.",
        individual=True,
    ),
}


def caption(
    study: MetricStudy, name: PictureName, *lines: str, of: str = "", tells: str = ""
) -> Caption:
    """Caption a picture: `of` ends its title, `tells` says in figures what it shows."""
    kind = PICTURES[name]
    return Caption(
        name=name,
        title=f"{kind.title}: {of}" if of else kind.title,
        lines=lines,
        basis=basis(study),
        description=" ".join(part for part in (kind.description, tells, basis(study)) if part),
    )


def basis(study: MetricStudy) -> str:
    """Say what a picture rests on, in the study's own time."""
    known = f"Records as known on study day {study.today}"
    if study.past is not None:
        zone = ZoneInfo(study.rules.study.time_zone)
        moment = study.past.astimezone(zone).isoformat(sep=" ", timespec="minutes")
        known = f"Records as of {moment} (study day {study.today})"
    return f"{known}; protocol version {study.protocol.number}."
