"""The records behind the laboratory's and the operations' numbers, and that these add up too."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.facts import Arrival
from app.domain.metrics_conduct import (
    ExpectedItem,
    Held,
    SubjectConduct,
    completeness,
    overdue,
    work_standings,
)
from app.domain.metrics_explained import Counted, explain_numbers
from app.domain.metrics_explained_answer import explain_answer
from app.domain.metrics_laboratory import DayValue, SubjectLaboratory, VisitValue
from app.domain.metrics_numbers import numbers
from app.domain.metrics_queries import AgeClass, AskedQuery, queries_summary
from app.domain.metrics_shifts import GradeShift, ShiftGrade, shift_tables
from app.domain.metrics_support import MetricFamily
from app.domain.metrics_support_conduct import CountedRecords
from app.domain.metrics_trajectories import trajectories
from app.domain.metrics_turnaround import Route, Span, count_turnaround, turnaround_summaries
from app.domain.queries import QueryOrigin, QueryStatus
from app.domain.query_rules import Finding, QueryRule
from app.domain.response_rules import Anchor
from app.domain.schedule import ScheduleRules
from app.domain.visit_worklist import WorkItem, WorkKind, WorkStatus
from tests.domain.dlt_cases import course
from tests.domain.explained_cases import NAMES, TODAY, participant
from tests.domain.response_cases import RULES, day, panel
from tests.protocol_data import section

VISITS = section("schedule", ScheduleRules).visits
W4 = "anchor=last;visit=W4"
FIRST = DayValue(-1, Decimal("0.3"), None)
FOURTH = DayValue(28, Decimal("0.9"), None)
LABS = (*panel(-1, "0.3", "12", "62"), *panel(28, "0.9", "20", "70"), *panel(40, "1", "30", "80"))
SPAN = Span.COLLECTED_TO_RECORDED


def shift(baseline, worst, term="Neutrophil count decreased", analyte="ANC"):
    """Make a shift of a term."""
    grades = {"baseline": ShiftGrade(baseline), "worst": ShiftGrade(worst)}
    return GradeShift(soc="Investigations", term=term, analyte=analyte, **grades)


NO_COURSE = SubjectLaboratory(
    level=None,
    first_infusion_day=None,
    baselines={},
    series={},
    visits={},
    shifts=(),
    turnaround={},
)
COURSE = replace(
    NO_COURSE,
    level="A",
    first_infusion_day=day(0),
    baselines={"ANC": FIRST},
    series={"ANC": (FIRST, FOURTH, DayValue(40, Decimal(1), None))},
    visits={"ANC": (VisitValue(Anchor.LAST, "W4", FOURTH), VisitValue(Anchor.FIRST, "W4", FOURTH))},
    shifts=(shift("3", "4"),),
    turnaround={(Route.ENTRY, SPAN): Counter({10: 2, None: 1})},
)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
COURSES = (
    NO_COURSE,
    COURSE,
    replace(COURSE, level="B", baselines={}, shifts=(shift("0", "missing", "Anemia", "HGB"),)),
    replace(COURSE, level="B", series={}, baselines={}, visits={}, shifts=(), turnaround={}),
)


def item(name, status, kind=WorkKind.VISIT, *evidence):
    """Make an item that was to be done five days before the study day."""
    return WorkItem(
        kind=kind,
        name=name,
        target_day=TODAY - timedelta(days=5),
        window=None,
        status=WorkStatus(status),
        day=None,
        projected=False,
        has_blood_count=None,
        evidence=evidence,
        rule="schedule",
    )


ITEMS = (
    item("1", "done", WorkKind.INFUSION, "inf-1"),
    item("2", "overdue", WorkKind.INFUSION, "planned-2"),
    item("W1", "done", WorkKind.VISIT, "ANC7"),
    item("W2", "overdue"),
    item("W4", "missed"),
)
ASKED = Finding(
    key="causality_missing:ae-1",
    rule=QueryRule.CAUSALITY_MISSING,
    record_type="adverse_event",
    record_id="ae-1",
    field="causality",
    day=None,
    text="Is it related?",
)
IDLE = SubjectConduct(
    level=None,
    on=TODAY,
    items=(),
    held=dict.fromkeys(ExpectedItem, Held(0, 0)),
    findings=(),
)
BUSY = replace(
    IDLE,
    level="A",
    items=ITEMS,
    held=dict.fromkeys(ExpectedItem, Held(1, 1)),
    findings=(ASKED,),
)


def asked(record_id, origin="rule", status="open", age=AgeClass.UNDATED):
    """Make a query, of a rule about a missing causality."""
    return AskedQuery(
        subject_id="subject-01",
        record_id=record_id,
        origin=QueryOrigin(origin),
        status=QueryStatus(status),
        rule=QueryRule.CAUSALITY_MISSING if origin == "rule" else None,
        age=age,
    )


QUERIES = (
    asked("ae-1"),
    asked("query-1", status="answered", age=AgeClass.MORE_DAYS),
    asked("query-2", "person"),
    asked("query-3", "person", "closed"),
)


def arrival(record_id, collected=None, *, in_message=True):
    """Record a result at noon, so many minutes after it was collected; no report is told."""
    at = None if collected is None else NOON - timedelta(minutes=collected)
    return Arrival(
        id=record_id, collected_at=at, reported_at=None, recorded_at=NOON, in_message=in_message
    )


ARRIVALS = (arrival("sent", 20), arrival("typed", 10, in_message=False), arrival("untold"))
TIMED = replace(COURSE, turnaround=count_turnaround(ARRIVALS))
CONDUCTS = (IDLE, BUSY, replace(BUSY, level="B", items=ITEMS[2:], findings=()))


@dataclass(frozen=True)
class Laboratory:
    """The numbers of the laboratory."""

    treated: int
    lineages: Any
    shifts: Any


@dataclass(frozen=True)
class Operations:
    """The numbers of operations."""

    completeness: Any
    worklist: Any
    overdue: Any
    queries: Any
    turnaround: Any


def count_laboratory(subjects):
    """Count the laboratory courses of the treated."""
    treated = [x.laboratory for x in subjects if x.laboratory.first_infusion_day]
    return Laboratory(
        treated=len(treated),
        lineages=trajectories(treated, NAMES, RULES, VISITS),
        shifts=shift_tables([(x.level, x.shifts) for x in treated], NAMES),
    )


def count_operations(subjects):
    """Count how the trial is worked."""
    conduct = [subject.conduct for subject in subjects]
    return Operations(
        completeness=completeness(conduct, NAMES),
        worklist=work_standings(conduct),
        overdue=overdue(conduct),
        queries=queries_summary(QUERIES * len(subjects)),
        turnaround=turnaround_summaries(x.laboratory.turnaround for x in subjects),
    )


COUNTS = {MetricFamily.LABORATORY: count_laboratory, MetricFamily.OPERATIONS: count_operations}


def someone(number, laboratory=COURSE, conduct=BUSY):
    """Make a participant on level A with a course and a conduct."""
    return participant(number, course("A"), laboratory=laboratory, conduct=conduct)


PEOPLE = st.builds(someone, st.just("01"), st.sampled_from(COURSES), st.sampled_from(CONDUCTS))


@settings(max_examples=60, deadline=None)
@given(st.lists(PEOPLE, max_size=4), st.sampled_from(list(COUNTS)))
def test_what_participants_add_is_the_number(subjects, family):
    """Whole numbers are the sums; of the longest delay each has the own."""
    added = defaultdict(list)
    for number in explain_numbers(Counted(family=family, count=COUNTS[family]), subjects):
        added[number.leaf.pointer] += [x.adds for x in number.contributions]
    for pointer, leaf in numbers(COUNTS[family](tuple(subjects))).items():
        if not leaf.is_value:
            assert leaf.value == sum(added[pointer]), pointer
        elif pointer.endswith("longest_days"):
            assert leaf.value == max(added[pointer])


def records(family, subject=None):
    """Show the records of one participant, by pointer."""
    subject = subject or someone("01")
    own = CountedRecords(labs=LABS, arrivals=ARRIVALS, queries=QUERIES)
    counted = Counted(family=family, count=COUNTS[family], records={subject.subject_id: own})
    return {
        number.leaf.pointer: number.contributions[0].records
        for number in explain_numbers(counted, [subject])
    }


def test_values_rest_on_the_results_of_their_days():
    """The value of week 4, the change from the baseline, the baseline, and the whole series."""
    found = records(MetricFamily.LABORATORY)
    group = "/lineages/analyte=ANC/groups/level=A"
    assert found[f"{group}/visits/{W4}/value/median"] == ("ANC28",)
    assert found[f"{group}/visits/{W4}/change/n"] == ("ANC-1", "ANC28")
    assert found[f"{group}/baseline/n"] == ("ANC-1",)
    assert found[f"{group}/subjects"] == ("ANC-1", "ANC28", "ANC40")
    assert found["/treated"] == ("inf-1",)


def test_shifts_rest_on_all_results_of_the_analyte():
    """Any of them may have been the worst."""
    found = records(MetricFamily.LABORATORY)
    cell = "analyte=ANC/groups/level=A/cells/baseline=3;worst=4/subjects"
    shown = next(ids for pointer, ids in found.items() if pointer.endswith(cell))
    assert shown == ("ANC-1", "ANC28", "ANC40")


def test_values_without_a_visit_or_baseline_of_the_one_name_nothing():
    """A participant of another family's number, or without a place, has no record of it."""
    subject = replace(someone("01"), enrolled=None)
    assert records(MetricFamily.LABORATORY, subject)["/treated"] == ()


def test_operations_name_what_is_on_record_or_asked():
    """What was done names its records, what was not only whose it is."""
    found = records(MetricFamily.OPERATIONS)
    assert found["/worklist/kind=visit;name=W1/statuses/done"] == ("ANC7",)
    assert found["/worklist/kind=visit;name=W4/statuses/missed"] == ("subject-01",)
    assert found["/overdue/kind=infusion/items"] == ("planned-2",)
    assert found["/overdue/kind=visit/longest_days"] == ("subject-01",)
    group = "/completeness/level=null"
    assert found[f"{group}/items/item=infusion/on_record"] == ("inf-1", "planned-2")
    assert found[f"{group}/items/item=visit/expected"] == ("ANC7",)
    assert found[f"{group}/items/item=causality/expected"] == ("ae-1",)
    assert found[f"{group}/items/item=blood_count/expected"] == ("subject-01",)
    assert found[f"{group}/subjects"] == ("subject-01",)


def test_queries_name_themselves_or_what_a_rule_asks_about():
    """Of an origin, a standing, an age or a rule; what is closed is not counted and not named."""
    found = records(MetricFamily.OPERATIONS)
    assert found["/queries/pending"] == ("ae-1", "query-1", "query-2")
    assert found["/queries/origins/origin=rule/open"] == ("ae-1",)
    assert found["/queries/origins/origin=rule/answered"] == ("query-1",)
    assert found["/queries/origins/origin=person/open"] == ("query-2",)
    assert found["/queries/origins/origin=rule/ages/more_days"] == ("query-1",)
    assert found["/queries/by_rule/causality_missing"] == ("ae-1", "query-1")


def test_turnaround_names_the_results_that_were_timed():
    """By any route or by one; what has no beginning is named where it is counted."""
    found = records(MetricFamily.OPERATIONS, someone("01", laboratory=TIMED))
    place = "span=collected_to_recorded"
    assert found[f"/turnaround/route=null;{place}/results"] == ("sent", "typed")
    assert found[f"/turnaround/route=null;{place}/median_minutes"] == ("sent", "typed")
    assert found[f"/turnaround/route=null;{place}/untimed"] == ("untold",)
    assert found[f"/turnaround/route=message;{place}/results"] == ("sent",)
    assert found[f"/turnaround/route=entry;{place}/results"] == ("typed",)
    assert found["/turnaround/route=entry;span=reported_to_recorded/untimed"] == ("typed",)


def test_the_longest_delay_is_each_one_s_own():
    """Five days, of whoever is late."""
    late = someone("01", conduct=BUSY)
    counted = Counted(family=MetricFamily.OPERATIONS, count=count_operations)
    answer = explain_answer(counted, [late, someone("02", conduct=IDLE)])
    (number,) = answer.beginning("/overdue/kind=visit/l")
    assert [(x.subject.number, x.adds) for x in number.contributions] == [("01", 5)]
