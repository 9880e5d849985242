"""The ladder a second time: from the exported records, by the published table of the 3 + 3 design.

Nothing of the service's own rules is imported here. The numbers are those of the shipped protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
Records = Mapping[str, list[dict[str, Any]]]

LEVELS = ("A", "B", "C")
PLANNED = {"A": 1, "B": 2, "C": 4}  # record: once, once a week for 2 and for 4 times
WINDOW, COHORT, FULL, TOXIC, CAP = timedelta(days=28), 3, 6, 2, 18
RELATED = {"definite", "probable", "possible", None}
DUE_TO_DISEASE = {"definite", "probable"}
OBSERVATION_ENDS = {"withdrew_consent", "lost_to_follow_up", "died", "investigator_decision"}
HOLDS = (  # what the committee has to review: which grade, of which terms
    (5, None), (4, {"Anaphylaxis"}), (4, {"Thromboembolic event", "Stroke"}),
)  # fmt: skip


def day_of(text: str) -> date:
    """Return the day in Shanghai, which never changes its clocks."""
    return (datetime.fromisoformat(text).astimezone(UTC) + timedelta(hours=8)).date()


@dataclass
class Standing:
    """How an enrolled subject counts; `window_end` is None until the last infusion is settled."""

    subject_id: str
    level: str
    state: str
    has_dlt: bool
    open_items: int
    window_end: date | None

    @property
    def holds_a_slot(self) -> bool:
        """Tell whether the subject was not replaced."""
        return self.state != "not_evaluable"


@dataclass
class Course:
    """What is on record of one subject, retracted records left out."""

    level: str
    infusions: list[Row]
    events: list[dict[str, Any]]
    exits: list[Row]
    rulings: Mapping[str, Row]

    @property
    def begun(self) -> list[Row]:
        """List the infusions that were begun, by day."""
        begun = [each for each in self.infusions if each["started_at"]]
        return sorted(begun, key=lambda each: day_of(each["started_at"]))

    @property
    def inside(self) -> list[Row]:
        """List those of which product may be in the subject."""
        return [each for each in self.begun if each["volume_ml"] is None or each["volume_ml"] > 0]

    @property
    def to_come(self) -> int:
        """Count the infusions still to be given."""
        given_up = sum(each["cancelled"] and not each["started_at"] for each in self.infusions)
        left = self.exits or self.deaths
        return 0 if left else max(0, PLANNED[self.level] - len(self.inside) - given_up)

    @property
    def deaths(self) -> list[date]:
        """List the days of death, as an exit or else as a fatal event tells them."""
        told = [date.fromisoformat(x["event_date"]) for x in self.exits if x["event"] == "died"]
        fatal = [x for x in self.events if x["grade"] == 5]
        return told or sorted(day_of(x["ended_at"] or x["onset_at"]) for x in fatal)[:1]


def worst_grade(event: Row, records: Records) -> int:
    """Return the worst grade an event ever had that no later version called a mistake."""
    trail = [x for x in records["change"] if x["record_id"] == event["id"]]
    mistakes = {
        x["event_version"]
        for x in records["grade_correction"]
        if x["adverse_event_id"] == event["id"]
    }
    worst = 0
    for place, version in enumerate(trail):
        later = [x for x in trail[place + 1 :] if x["new"]["grade"] != version["new"]["grade"]]
        if not (later and later[0]["new"]["version"] in mistakes):
            worst = max(worst, version["new"]["grade"])
    return worst


def courses(records: Records) -> dict[str, Course]:
    """Put together what is on record of each enrolled subject, in the order of enrolment."""
    levels = {row["id"]: row["dose_level"] for row in records["cohort"]}

    def own(table: str, subject_id: str) -> list[dict[str, Any]]:
        rows = (row for row in records[table] if row["subject_id"] == subject_id)
        return [row for row in rows if not row.get("retracted")]

    rulings = {row["adverse_event_id"]: row for row in records["dlt_adjudication"]}
    return {
        place["subject_id"]: Course(
            level=levels[place["cohort_id"]],
            infusions=own("infusion", place["subject_id"]),
            events=[
                event | {"grade": worst_grade(event, records)}
                for event in own("adverse_event", place["subject_id"])
            ],
            exits=own("disposition", place["subject_id"]),
            rulings=rulings,
        )
        for place in records["enrolment"]
    }


def in_window(event: Row, begun: list[Row], end: date | None) -> bool:
    """Tell whether an event began in the window, or went on into it and may have got worse."""
    onset, start = day_of(event["onset_at"]), day_of(begun[0]["started_at"])
    if onset >= start:
        return end is None or onset <= end
    over = event["ended_at"] and datetime.fromisoformat(event["ended_at"]) < datetime.fromisoformat(
        begun[0]["started_at"]
    )
    return not over and (
        event["baseline_grade"] is None or event["grade"] > event["baseline_grade"]
    )


def is_candidate(event: Row, begun: list[Row], end: date | None) -> bool:
    """Tell whether somebody has to say if the event is dose-limiting."""
    if event["investigator_declared_dlt"]:
        return True
    if not in_window(event, begun, end):
        return False
    fatal = event["grade"] == 5 and event["causality_disease"] not in DUE_TO_DISEASE
    return fatal or (event["grade"] >= 3 and event["causality"] in RELATED)


def judge(subject_id: str, course: Course, today: date) -> Standing:
    """Say how a subject counts on a day."""
    begun, inside = course.begun, course.inside
    if not begun:
        gone = not course.to_come
        state = "not_evaluable" if gone else "not_dosed"
        return Standing(subject_id, course.level, state, False, 0, None)
    last = day_of((inside or begun)[-1]["started_at"])
    end = None if course.to_come else last + WINDOW
    verdicts = Counter(_verdict(event, course, begun, end) for event in course.events)
    dlt = verdicts["dlt"] > 0
    unexplained = any(end is None or day <= end for day in course.deaths) and not any(
        event["grade"] == 5 for event in course.events
    )
    items = verdicts["open"] + unexplained
    state = "evaluable" if dlt else _state(course, end, today)
    if state in {"evaluable", "not_evaluable"} and items and not dlt:
        state = "unresolved"
    return Standing(subject_id, course.level, state, dlt, items, end)


def _verdict(event: Row, course: Course, begun: list[Row], end: date | None) -> str:
    ruling = course.rulings.get(event["id"])
    if not is_candidate(event, begun, end) and not (ruling and ruling["is_dlt"]):
        return "none"
    if ruling is None or ruling["adverse_event_version"] != event["version"]:
        return "open"
    return "dlt" if ruling["is_dlt"] else "no dlt"


def _state(course: Course, end: date | None, today: date) -> str:
    """Say how a subject without DLT counts: the whole dose, and the whole window."""
    inside = course.inside
    if not inside:
        return "not_dosed" if course.to_come else "not_evaluable"
    exits = [
        date.fromisoformat(x["event_date"]) for x in course.exits if x["event"] in OBSERVATION_ENDS
    ]
    if any(end is None or day <= end for day in (*exits, *course.deaths)):
        return "not_evaluable"
    if end is None or today <= end:
        return "in_window"
    if len(inside) < PLANNED[course.level]:
        return "not_evaluable"
    if any(each["volume_ml"] is None or each["cells"] is None for each in inside):
        return "unresolved"
    given = sum(each["cells"] for each in inside)
    enough = 10 * given >= 9 * sum(each["planned_cells"] for each in inside)
    return "evaluable" if enough else "not_evaluable"


def held_by(records: Records) -> set[str]:
    """Name the related events since the first infusion that the committee has to review."""
    return {
        f"{event['id']}:{event['version']}"
        for course in courses(records).values()
        if course.begun
        for event in course.events
        for grade, terms in HOLDS
        if in_window(event, course.begun, None)
        and event["grade"] >= grade
        and (terms is None or event["term"] in terms)
        and event["causality"] in RELATED
    }


def standings(records: Records, today: date) -> dict[str, Standing]:
    """Say how every enrolled subject counts on a day."""
    return {key: judge(key, course, today) for key, course in courses(records).items()}


def tally(level: str, subjects: Iterable[Standing]) -> dict[str, int]:
    """Count the subjects of a level as the ladder shows them."""
    own = [each for each in subjects if each.level == level]
    states = Counter(each.state for each in own)
    return {
        "evaluable": states["evaluable"],
        "dlts": sum(each.has_dlt for each in own),
        "in_window": states["in_window"],
        "unresolved": states["unresolved"],
        "enrolled_not_dosed": states["not_dosed"],
        "not_evaluable": states["not_evaluable"],
        "open_items": sum(each.open_items for each in own),
        "may_have_dlt": sum(bool(each.open_items) and not each.has_dlt for each in own),
    }
