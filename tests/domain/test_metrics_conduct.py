"""How the trial is worked: what is expected and on record, what is overdue, at each boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.deviations import DeviationRules
from app.domain.dosing import DosingRules
from app.domain.facts import AdverseEvent, Infusion
from app.domain.metrics_conduct import (
    ExpectedItem,
    Held,
    SubjectConduct,
    completeness,
    draw_conduct,
    overdue,
    work_standings,
)
from app.domain.query_rules import HeldResult, QueryFacts, QueryRule
from app.domain.schedule import Course, ScheduleRules, plan, visits_without_count
from app.domain.visit_worklist import WorkKind, WorkStatus
from app.domain.visits import PerformedDay
from app.domain.vocabulary import Causality, Sex
from tests.domain import eligible_subject as eligible
from tests.domain.eligible_subject import ELIGIBLE, FIRST_INFUSION
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

DOSING = section("dosing", DosingRules)
SCHEDULE = section("schedule", ScheduleRules)
VISITS = section("deviations", DeviationRules).blood_count_visits
LEVELS = ("A", "B", "C")


def day(number: int) -> date:
    """Count a day from the first infusion."""
    return FIRST_INFUSION + timedelta(days=number)


def seen(number: int, *, whole: bool = True) -> PerformedDay:
    """See the subject on a day, with a complete blood count or without."""
    return PerformedDay(day=day(number), has_cbc=whole, evidence=(f"seen-{number}",))


def event(number: int, causality: Causality | None = None) -> AdverseEvent:
    """Make an event that began on a day."""
    return AdverseEvent(
        id=f"event-{number}",
        term="Fever",
        soc="General",
        grade=1,
        onset_at=datetime.combine(day(number), datetime.min.time(), eligible.ZONE),
        onset_day=day(number),
        causality=causality,
    )


def known(
    *infusions: Infusion,
    performed: tuple[PerformedDay, ...] = (),
    events: tuple[AdverseEvent, ...] = (),
    today: int = 0,
    left: int | None = None,
    level: str | None = "A",
    held: tuple[HeldResult, ...] = (),
) -> QueryFacts:
    """Collect what is known of a subject by `today`, in days from the first infusion."""
    left_on = None if left is None else day(left)
    course = Course(
        sex=Sex.FEMALE,
        level=DOSING.level(level) if level else None,
        planned_first_day=FIRST_INFUSION,
        infusions=infusions,
        performed=performed,
        treatment_ended_on=left_on,
        left_study_on=left_on,
    )
    return QueryFacts(
        subject=ELIGIBLE.subject,
        schedule=plan(course, SCHEDULE, day(today)),
        performed=performed,
        infusions=infusions,
        events=events,
        dispositions=(),
        eligibility=eligible.judged(ELIGIBLE, day(today)),
        held=held,
    )


def drawn(*infusions: Infusion, level: str | None = "A", **more: object) -> SubjectConduct:
    """Draw what a subject adds."""
    facts = known(*infusions, level=level, **more)
    return draw_conduct(level, facts, VISITS, eligible.rules())


FIRST = given(1, FIRST_INFUSION)


@pytest.mark.parametrize(
    ("today", "held"),
    [(3, Held(0, 0)), (4, Held(0, 0)), (10, Held(0, 0)), (11, Held(0, 1)), (18, Held(0, 2))],
)
def test_a_visit_is_missing_once_its_window_is_over(today: int, held: Held) -> None:
    """W1 is on day 7 and can be made up to day 10; W2 up to day 17."""
    assert drawn(FIRST, today=today).held[ExpectedItem.VISIT] == held


@pytest.mark.parametrize(
    ("on_day", "held"), [(2, Held(0, 1)), (4, Held(1, 0)), (10, Held(1, 0)), (11, Held(1, 1))]
)
def test_a_visit_that_took_place_is_on_record(on_day: int, held: Held) -> None:
    """W1 from day 4 to day 10; day 2 belongs to the infusion, and day 11 to W2."""
    found = drawn(FIRST, performed=(seen(on_day),), today=11)
    assert found.held[ExpectedItem.VISIT] == held


def test_a_visit_beside_its_window_is_on_record() -> None:
    """Day 62 is nearest to week 8, three days after its window: late, and not missing."""
    weeks = [seen(7 * number) for number in range(1, 8)]
    found = drawn(FIRST, performed=(*weeks, seen(62)), today=63)
    assert found.held[ExpectedItem.VISIT] == Held(8, 0)
    assert found.held[ExpectedItem.BLOOD_COUNT] == Held(1, 1)


@pytest.mark.parametrize(
    ("today", "held"), [(27, Held(0, 0)), (31, Held(0, 0)), (32, Held(0, 1)), (60, Held(0, 2))]
)
def test_a_blood_count_is_missing_once_its_window_is_over(today: int, held: Held) -> None:
    """Response rests on the counts of weeks 4 and 8: until days 31 and 59 (C7)."""
    assert drawn(FIRST, today=today).held[ExpectedItem.BLOOD_COUNT] == held


def test_only_a_complete_blood_count_counts() -> None:
    """A visit without a complete count was made, and its count is missing."""
    for whole, held in ((True, Held(1, 0)), (False, Held(0, 1))):
        found = drawn(FIRST, performed=(seen(28, whole=whole),), today=32)
        assert found.held[ExpectedItem.BLOOD_COUNT] == held
        assert found.held[ExpectedItem.VISIT] == Held(1, 3)


def test_a_count_beside_the_window_is_not_that_of_the_visit() -> None:
    """Day 32 is one too late for the count of week 4."""
    found = drawn(FIRST, performed=(seen(32),), today=33)
    assert found.held[ExpectedItem.BLOOD_COUNT] == Held(0, 1)


def test_who_left_is_not_expected() -> None:
    """Whoever left on the last day of a window owes that visit no more; a day later it counts."""
    assert drawn(FIRST, today=40, left=10).held[ExpectedItem.VISIT] == Held(0, 0)
    assert drawn(FIRST, today=40, left=11).held[ExpectedItem.VISIT] == Held(0, 1)
    assert drawn(FIRST, today=40, left=31).held[ExpectedItem.BLOOD_COUNT] == Held(0, 0)
    assert drawn(FIRST, today=40, left=32).held[ExpectedItem.BLOOD_COUNT] == Held(0, 1)


def test_a_count_before_an_infusion_to_come_is_not_expected() -> None:
    """While the last infusion is only projected no visit is, whatever was counted meanwhile."""
    found = drawn(FIRST, level="B", performed=(seen(7),), today=7)
    assert found.held[ExpectedItem.VISIT] == found.held[ExpectedItem.BLOOD_COUNT] == Held(0, 0)
    # A first infusion that never was moves no visit: a count 28 days after its plan is no week 4.
    waiting = drawn(planned(1, day(0)), performed=(seen(28),), today=40)
    assert waiting.held[ExpectedItem.VISIT] == waiting.held[ExpectedItem.BLOOD_COUNT] == Held(0, 0)


@pytest.mark.parametrize(("today", "held"), [(7, Held(1, 0)), (9, Held(1, 0)), (10, Held(1, 1))])
def test_an_infusion_is_missing_once_its_window_is_over(today: int, held: Held) -> None:
    """The second of level B is on day 7, two days more or less (C8)."""
    infusions = (FIRST, planned(2, day(7)))
    assert drawn(*infusions, level="B", today=today).held[ExpectedItem.INFUSION] == held


def test_a_cancelled_infusion_is_not_expected() -> None:
    """Level B with its second infusion cancelled has what it should have."""
    called_off = replace(cancelled(2, day(7)), cancelled_day=day(7))
    found = drawn(FIRST, called_off, level="B", today=10)
    assert found.held[ExpectedItem.INFUSION] == Held(1, 0)
    assert found.held[ExpectedItem.INFUSION_VOLUME] == Held(1, 0)


@pytest.mark.parametrize(("today", "held"), [(0, Held(0, 0)), (1, Held(0, 1))])
def test_a_volume_is_missing_the_day_after(today: int, held: Held) -> None:
    """On the day itself it may still come."""
    unknown = replace(FIRST, volume_ml=None)
    assert drawn(unknown, today=today).held[ExpectedItem.INFUSION_VOLUME] == held
    assert drawn(FIRST, today=today).held[ExpectedItem.INFUSION_VOLUME] == Held(1, 0)


def test_a_start_that_gave_nothing_owes_no_volume() -> None:
    """It was cancelled after it began."""
    voided = replace(FIRST, volume_ml=Decimal(0), cancelled=True)
    assert drawn(voided, today=3).held[ExpectedItem.INFUSION_VOLUME] == Held(0, 0)


def test_a_relation_is_expected_of_events_since_the_first_infusion() -> None:
    """The day of the infusion counts; the day before does not, attributed or not."""
    events = (event(-1), event(0), event(1, Causality.UNRELATED))
    found = drawn(FIRST, events=events, today=3)
    assert found.held[ExpectedItem.CAUSALITY] == Held(1, 1)
    before = drawn(events=events, today=3)
    assert before.held[ExpectedItem.CAUSALITY] == Held(0, 0)


def test_the_findings_are_those_of_the_rules() -> None:
    """Every rule but the inbox's: what it holds is read with the inbox."""
    found = drawn(FIRST, events=(event(1),), today=32)
    assert {each.rule for each in found.findings} == {
        QueryRule.CAUSALITY_MISSING,
        QueryRule.BLOOD_COUNT_MISSING,
    }
    assert (found.on, found.level) == (day(32), "A")


def test_completeness_worked_by_hand() -> None:
    """Two of A and one in screening: 1 of 2 visits, no volume missing, nothing else expected."""
    subjects = [
        drawn(FIRST, performed=(seen(7),), today=11),
        drawn(FIRST, today=11),
        drawn(level=None, today=11),
    ]
    whole, a, b, c = completeness(subjects, LEVELS)
    assert [(x.level, x.subjects) for x in (whole, a, b, c)] == [
        (None, 3), ("A", 2), ("B", 0), ("C", 0),
    ]  # fmt: skip
    found = {x.item: (x.expected, x.on_record, x.rate) for x in whole.items}
    assert found == {
        ExpectedItem.INFUSION: (2, 2, 1),
        ExpectedItem.INFUSION_VOLUME: (2, 2, 1),
        ExpectedItem.VISIT: (2, 1, Decimal("0.5")),
        ExpectedItem.BLOOD_COUNT: (0, 0, None),
        ExpectedItem.CAUSALITY: (0, 0, None),
    }
    assert a.items == whole.items
    assert {x.rate for x in b.items} == {None}


def test_a_rate_is_rounded_to_eight_decimals() -> None:
    """One of three is not a finite decimal."""
    subjects = [drawn(FIRST, performed=(seen(7),), today=25)]
    (rate,) = (x.rate for x in completeness(subjects, ())[0].items if x.item is ExpectedItem.VISIT)
    assert rate == Decimal("0.33333333")


def test_work_is_listed_by_infusion_and_visit() -> None:
    """Infusions by number, then visits in the order of the schedule; nobody is lost."""
    subjects = [
        drawn(FIRST, performed=(seen(7),), today=11),
        drawn(FIRST, level="B", today=8),
        drawn(level=None),
    ]
    found = work_standings(subjects)
    assert [(x.kind.value, x.name) for x in found] == [
        ("infusion", "1"),
        ("infusion", "2"),
        *(("visit", offset.name) for offset in SCHEDULE.visits.offsets),
    ]
    first, second, week, *_ = found
    assert {k: v for k, v in first.statuses.items() if v} == {WorkStatus.DONE: 2}
    assert {k: v for k, v in second.statuses.items() if v} == {WorkStatus.OVERDUE: 1}
    assert {k: v for k, v in week.statuses.items() if v} == {
        WorkStatus.DONE: 1,
        WorkStatus.UPCOMING: 1,
    }
    assert set(first.statuses) == set(WorkStatus)


def test_ten_infusions_come_after_nine() -> None:
    """Infusions are sorted as numbers."""
    many = [given(number, day(7 * number - 7)) for number in range(1, 11)]
    found = work_standings([drawn(*many, level="C", today=80)])
    assert [x.name for x in found if x.kind is WorkKind.INFUSION] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("today", "items", "longest"), [(7, 0, None), (8, 1, 1), (10, 1, 3), (11, 0, None)]
)
def test_a_visit_is_overdue_until_its_window_closes(
    today: int, items: int, longest: int | None
) -> None:
    """W1 is overdue from day 8 to day 10, counted from its target day 7."""
    infusion, visit = overdue([drawn(FIRST, today=today)])
    assert (visit.kind, visit.items, visit.subjects, visit.longest_days) == (
        WorkKind.VISIT, items, items, longest,
    )  # fmt: skip
    assert (infusion.kind, infusion.items, infusion.longest_days) == (WorkKind.INFUSION, 0, None)


def test_overdue_infusions_are_summed_up_apart() -> None:
    """A first infusion has no window, so it stays overdue; that of B is overdue for two days."""
    subjects = [drawn(planned(1, day(0)), today=9), drawn(FIRST, level="B", today=9)]
    infusion, visit = overdue(subjects)
    assert (infusion.items, infusion.subjects, infusion.longest_days) == (2, 2, 9)
    assert (visit.items, visit.subjects) == (0, 0)


DAYS = st.lists(st.tuples(st.integers(1, 180), st.booleans()), max_size=6, unique_by=lambda x: x[0])


@property_of(DAYS, st.integers(0, 200), st.none() | st.integers(1, 180))
@settings(max_examples=100, deadline=None)
def test_what_is_missing_is_what_the_rules_ask(
    days: list[tuple[int, bool]], today: int, left: int | None
) -> None:
    """Missing counts and visits are those of the schedule, and nothing is counted twice."""
    performed = tuple(seen(number, whole=whole) for number, whole in sorted(days))
    performed = tuple(each for each in performed if each.day <= day(today))
    left = None if left is None or left > today else left
    facts = known(FIRST, performed=performed, today=today, left=left)
    found = draw_conduct("A", facts, VISITS, eligible.rules())
    counts = found.held[ExpectedItem.BLOOD_COUNT]
    asked = list(visits_without_count(facts.schedule, performed, VISITS))
    assert counts.missing == len(asked)
    assert counts.on_record + counts.missing <= len(VISITS)
    visits = found.held[ExpectedItem.VISIT]
    by_status = [x.status.value for x in facts.schedule.visits]
    assert visits.missing == by_status.count("missed")
    assert visits.on_record == by_status.count("done") + by_status.count("out_of_window")
    assert sum(sum(x.statuses.values()) for x in work_standings([found])) == len(found.items)
