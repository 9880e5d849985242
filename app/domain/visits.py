"""Which visits follow the last infusion, and which days on which a subject was seen meet them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import partial

from app.domain.facts import Assessment, LabResult
from app.domain.rules import rule_set
from app.domain.vocabulary import USABLE_LAB_STATUSES, AssessmentKind


class ScheduleStatus(StrEnum):
    """What became of a planned infusion or visit at the moment of the plan."""

    DONE = "done"
    DUE = "due"
    UPCOMING = "upcoming"
    MISSED = "missed"
    OUT_OF_WINDOW = "out_of_window"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Window:
    """A range of days, both ends included."""

    start: date
    end: date

    def contains(self, day: date) -> bool:
        """Tell whether the day lies in the window."""
        return self.start <= day <= self.end


@rule_set
class VisitOffset:
    """One visit: its day after the last infusion and the days allowed on either side (C11)."""

    name: str
    target_day: int
    window_days: int


@rule_set
class VisitRules:
    """The table of visits, and what shows that a subject was seen on a day."""

    offsets: tuple[VisitOffset, ...]
    cbc_analytes: tuple[str, ...]
    assessments: tuple[AssessmentKind, ...]

    def __post_init__(self) -> None:
        """Refuse visits out of order, repeated names and a blood count of nothing."""
        days = [offset.target_day for offset in self.offsets]
        if not days or days != sorted(set(days)) or days[0] < 1:
            raise ValueError("visits must be listed in the order of their target days")
        if len({offset.name for offset in self.offsets}) != len(days):
            raise ValueError("visits must have different names")
        if not self.cbc_analytes:
            raise ValueError("a blood count needs analytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedDay:
    """A day on which the subject was seen; `has_cbc` means a complete blood count."""

    day: date
    has_cbc: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastInfusion:
    """The infusion that visits count from; `projected` while infusions are outstanding (C10)."""

    day: date
    projected: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit; `day` is when it took place, in its window or not."""

    name: str
    target_day: date
    window: Window
    status: ScheduleStatus
    day: date | None
    evidence: tuple[str, ...]
    rule: str


def plan_visits(
    last: LastInfusion,
    performed: Iterable[PerformedDay],
    left_study_on: date | None,
    rules: VisitRules,
    today: date,
) -> tuple[Visit, ...]:
    """Plan every visit after the last infusion and say what became of it by `today`.

    Nothing can be due or missed while the last infusion is only projected.
    """
    matches = {} if last.projected else _match(last.day, performed, rules.offsets)
    visits = []
    for offset in rules.offsets:
        target = last.day + timedelta(days=offset.target_day)
        window = around(target, offset.window_days)
        match = matches.get(offset.name)
        status = ScheduleStatus.UPCOMING
        if not last.projected:
            status = _visit_status(window, match, left_study_on, today)
        seen = match if status in (ScheduleStatus.DONE, ScheduleStatus.OUT_OF_WINDOW) else None
        visits.append(
            Visit(
                name=offset.name,
                target_day=target,
                window=window,
                status=status,
                day=seen.day if seen else None,
                evidence=last.evidence + (seen.evidence if seen else ()),
                rule=f"schedule.visits.offsets.{offset.name}",
            )
        )
    return tuple(visits)


def performed_days(
    labs: Iterable[LabResult], assessments: Iterable[Assessment], rules: VisitRules
) -> tuple[PerformedDay, ...]:
    """Collect the days on which a blood count or an assessment was performed, in order.

    Only usable results count; a count is complete when every one of its analytes has a value.
    """
    evidence: dict[date, list[str]] = {}
    counted: dict[date, set[str]] = {}
    for lab in labs:
        usable = lab.status in USABLE_LAB_STATUSES and lab.measurement is not None
        if usable and lab.analyte in rules.cbc_analytes:
            evidence.setdefault(lab.day, []).append(lab.id)
            counted.setdefault(lab.day, set()).add(lab.analyte)
    for assessment in assessments:
        if assessment.kind in rules.assessments:
            evidence.setdefault(assessment.day, []).append(assessment.id)
    complete = set(rules.cbc_analytes)
    return tuple(
        PerformedDay(
            day=day, has_cbc=counted.get(day, set()) == complete, evidence=tuple(evidence[day])
        )
        for day in sorted(evidence)
    )


def around(target: date, days: int) -> Window:
    """Open a window of so many days on either side of the target."""
    return Window(target - timedelta(days=days), target + timedelta(days=days))


def _match(
    last: date, performed: Iterable[PerformedDay], offsets: Sequence[VisitOffset]
) -> dict[str, PerformedDay]:
    """Give each performed day to one visit and each visit its nearest day; ties go earlier.

    A visit whose window holds the day comes before a nearer one whose window does not. The last
    infusion is a contact like the visits, so a check in the days after it makes up for none; and
    the last visit reaches no further forwards than backwards, half way to its neighbour.
    """
    contacts = (_contact(0), *offsets)
    last_day, before = contacts[-1].target_day, contacts[-2].target_day
    contacts += (_contact(2 * last_day - before),)
    best: dict[str, tuple[int, date, PerformedDay]] = {}
    for seen in performed:
        days = (seen.day - last).days
        if days < 1:
            continue
        visit = min(contacts, key=partial(_distance, days))
        if visit not in offsets:
            continue
        candidate = (abs(days - visit.target_day), seen.day, seen)
        if visit.name not in best or candidate[:2] < best[visit.name][:2]:
            best[visit.name] = candidate
    return {name: candidate[2] for name, candidate in best.items()}


def _contact(target_day: int) -> VisitOffset:
    """Name a day that bounds the visits beside it and is none itself."""
    return VisitOffset(name="", target_day=target_day, window_days=0)


def _distance(days: int, offset: VisitOffset) -> tuple[bool, int, int]:
    away = abs(days - offset.target_day)
    return away > offset.window_days, away, offset.target_day


def _visit_status(
    window: Window, match: PerformedDay | None, left_study_on: date | None, today: date
) -> ScheduleStatus:
    if match is not None and window.contains(match.day):
        return ScheduleStatus.DONE
    if left_study_on is not None and left_study_on <= window.end:
        return ScheduleStatus.CANCELLED
    if today < window.start:
        return ScheduleStatus.UPCOMING
    if today <= window.end:
        return ScheduleStatus.DUE
    return ScheduleStatus.OUT_OF_WINDOW if match is not None else ScheduleStatus.MISSED
