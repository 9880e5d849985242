"""What was infused, whether the subject can count for its level, and who had a DLT."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tests.recomputation.records import Row, Study, Subject, as_date, number


@dataclass(frozen=True)
class Course:
    """The infusions of a subject: begun, possibly entered, and certainly given; by time.

    `to_come` may still be given; `not_given` also counts those whose volume is not on record.
    """

    begun: list[Row]
    entered: list[Row]
    given: list[Row]
    to_come: int
    not_given: int


def course(subject: Subject, study: Study) -> Course:
    """Sort a subject's infusions.

    One that began may have entered the subject until its volume is recorded as zero. Every exit
    ends the treatment; a start that gave nothing uses up no planned infusion.
    """
    begun = [each for each in subject.infusions if each["started_at"] is not None]
    begun.sort(key=lambda each: each["started_at"])
    entered = [each for each in begun if each["volume_ml"] is None or number(each["volume_ml"]) > 0]
    given = [each for each in entered if each["volume_ml"] is not None]
    if subject.level is None or subject.departures:
        return Course(begun, entered, given, 0, 0)
    planned = study.level(subject.level)["planned_infusions"]
    dropped = [x for x in subject.infusions if x["cancelled"] and x["started_at"] is None]
    left = planned - len(dropped)
    return Course(begun, entered, given, max(0, left - len(entered)), max(0, left - len(given)))


@dataclass(frozen=True)
class Standing:
    """How an enrolled subject counts for its level."""

    state: str
    has_dlt: bool
    open_items: int


def standing(subject: Subject, study: Study) -> Standing:
    """Decide whether the subject is evaluable, waits, or is to be replaced."""
    doses = course(subject, study)
    window = _window(subject, study, doses)
    dlts, pending = 0, 0
    if window is not None:
        rulings = [_ruling(event, window, study) for event in subject.events]
        dlts, pending = rulings.count("dlt"), rulings.count("pending")
        pending += _unexplained_death(subject, window)
    return Standing(_state(subject, study, doses, window, (dlts, pending)), dlts > 0, pending)


def _state(
    subject: Subject,
    study: Study,
    doses: Course,
    window: tuple[date, date | None] | None,
    found: tuple[int, int],
) -> str:
    dlts, pending = found
    if dlts:
        return "evaluable"
    closed = "unresolved" if pending else "not_evaluable"
    if not doses.entered or window is None:
        return "not_dosed" if doses.to_come else closed
    end = window[1]
    ends = study.rules["dlt"]["evaluability"]["ends_observation"]
    if any(event in ends and (end is None or day <= end) for day, event in subject.departures):
        return closed
    if doses.to_come or end is None or study.clock.today <= end:
        return "in_window"
    if pending:
        return "unresolved"
    counts = {True: "evaluable", False: "not_evaluable", None: "unresolved"}
    return counts[_received_enough(subject, study, doses)]


def _window(subject: Subject, study: Study, doses: Course) -> tuple[date, date | None] | None:
    """Give the days in which a toxicity limits the dose; open while infusions are to come."""
    if not doses.begun:
        return None
    rules, clock = study.rules["dlt"], study.clock
    anchors = doses.entered or doses.begun
    anchor = anchors[-1] if rules["window_anchor"] == "last" else anchors[0]
    end = clock.sure_day(anchor["started_at"]) + timedelta(days=rules["window_days"])
    is_open = rules["window_anchor"] == "last" and doses.to_come > 0
    return clock.sure_day(doses.begun[0]["started_at"]), None if is_open else end


def _received_enough(subject: Subject, study: Study, doses: Course) -> bool | None:
    """Tell whether enough infusions and, over all of them, enough cells were given."""
    rules = study.rules["dlt"]["evaluability"]
    planned = study.level(str(subject.level))["planned_infusions"]
    if len(doses.entered) < number(rules["min_infusion_fraction"]) * planned:
        return False
    amounts = [each["cells"] for each in doses.entered]
    if any(amount is None for amount in amounts):
        return None
    wanted = sum((number(x["planned_cells"]) for x in doses.entered), Decimal())
    return sum(map(number, amounts), Decimal()) >= number(rules["min_cells_fraction"]) * wanted


def _unexplained_death(subject: Subject, window: tuple[date, date | None]) -> int:
    """Count a death in the window that no fatal event tells of."""
    if any(event["grade"] == 5 for event in subject.events):
        return 0
    start, end = window
    return int(
        any(
            each["event"] == "died"
            and start <= as_date(each["event_date"])
            and (end is None or as_date(each["event_date"]) <= end)
            for each in subject.exits
        )
    )


def _ruling(event: Row, window: tuple[date, date | None], study: Study) -> str | None:
    """Tell whether an event is a DLT, waits for a signature, or neither.

    A signature on an earlier version decides nothing; only a person may take a yes back.
    """
    signed = sorted(event["adjudications"], key=lambda each: (each["recorded_at"], each["id"]))
    latest = signed[-1] if signed else None
    if latest and latest["adverse_event_version"] == event["version"]:
        return "dlt" if latest["is_dlt"] else None
    if (latest and latest["is_dlt"]) or _is_candidate(event, window, study):
        return "pending"
    return None


def _is_candidate(event: Row, window: tuple[date, date | None], study: Study) -> bool:
    """Tell whether somebody has to judge the event; what is declared counts on any day."""
    if event["investigator_declared_dlt"]:
        return True
    rules = study.rules["dlt"]
    return _in_window(event, window, study) and (
        _fatal_of_another_cause(event, rules) or _severe_and_related(event, rules)
    )


def _in_window(event: Row, window: tuple[date, date | None], study: Study) -> bool:
    start, end = window
    onset = study.clock.sure_day(event["onset_at"])
    if onset >= start:
        return end is None or onset <= end
    ended = study.clock.day(event["ended_at"])
    went_on = ended is None or ended >= start
    return went_on and not _no_worse_than_before(event)


def _no_worse_than_before(event: Row) -> bool:
    before = event["baseline_grade"]
    return before is not None and event["worst_grade"] <= before


def _fatal_of_another_cause(event: Row, rules: Row) -> bool:
    return (
        event["worst_grade"] >= rules["fatal_grade"]
        and event["causality_disease"] not in rules["disease_related"]
    )


def _severe_and_related(event: Row, rules: Row) -> bool:
    related = rules["relatedness"]
    cytopenias = [*rules["cytopenia"]["terms"], *rules["cytopenia"]["sequelae"]]
    return (
        event["worst_grade"] >= rules["min_grade"]
        and (
            event["causality"] in related["causalities"]
            or (event["causality"] is None and related["missing_counts"])
        )
        and not (event["term"] in cytopenias and _no_worse_than_before(event))
    )
