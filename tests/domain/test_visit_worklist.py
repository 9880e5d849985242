"""What is to be done on a day: the boundaries of each window, and days to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.dosing import DosingRules
from app.domain.facts import Infusion
from app.domain.schedule import Course, Schedule, ScheduleRules, plan
from app.domain.visit_worklist import WorkItem, WorkKind, WorkStatus, worklist
from app.domain.visits import PerformedDay, ScheduleStatus
from app.domain.vocabulary import Sex
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

DOSING = section("dosing", DosingRules)
RULES = section("schedule", ScheduleRules)
FIRST = date(2026, 1, 5)
COUNTED = ("W4", "W8")
OPEN = (WorkStatus.UPCOMING, WorkStatus.DUE, WorkStatus.OVERDUE, WorkStatus.MISSED)


def on(days: int) -> date:
    """Return a day by its distance to the first infusion."""
    return FIRST + timedelta(days=days)


def seen(day: int, has_cbc: bool = True) -> PerformedDay:
    """See the subject on a day."""
    return PerformedDay(day=on(day), has_cbc=has_cbc, evidence=(f"seen-{day}",))


def course(
    infusions: tuple[Infusion, ...],
    today: int,
    level: str = "A",
    performed: tuple[PerformedDay, ...] = (),
    first: date | None = FIRST,
) -> Schedule:
    """Plan a course as it stands on a day."""
    facts = Course(
        sex=Sex.MALE,
        level=DOSING.level(level),
        planned_first_day=first,
        infusions=infusions,
        performed=performed,
        treatment_ended_on=None,
        left_study_on=None,
    )
    return plan(facts, RULES, on(today))


def items(
    schedule: Schedule, performed: tuple[PerformedDay, ...] = ()
) -> dict[tuple[WorkKind, str], WorkItem]:
    """List the items of a plan, by kind and name."""
    return {(each.kind, each.name): each for each in worklist(schedule, performed, COUNTED)}


@pytest.mark.parametrize(
    ("day", "status"),
    [(3, "upcoming"), (4, "due"), (7, "due"), (8, "overdue"), (10, "overdue"), (11, "missed")],
)
def test_a_visit_is_due_then_overdue_then_missed(day: int, status: str) -> None:
    """W1 is on day 7, three days more or less."""
    found = items(course((given(1, FIRST),), day))[WorkKind.VISIT, "W1"]
    assert (found.status, found.target_day) == (status, on(7))


@pytest.mark.parametrize(
    ("day", "status"),
    [(4, "upcoming"), (5, "due"), (7, "due"), (8, "overdue"), (9, "overdue"), (10, "missed")],
)
def test_the_next_infusion_has_its_week(day: int, status: str) -> None:
    """Seven days after the first one, two more or less; no visit is due while it is awaited."""
    found = items(course((given(1, FIRST),), day, "B"))
    assert found[WorkKind.INFUSION, "2"].status == status
    visit, awaited = found[WorkKind.VISIT, "W1"], status != "missed"
    assert visit.projected is awaited
    assert visit.status is (WorkStatus.UPCOMING if awaited else WorkStatus.OVERDUE)


def test_an_infusion_that_began_is_not_missed() -> None:
    """Not while its volume is unknown, nor when it gave nothing; visits count from what gave."""
    for volume, last in ((None, on(7)), (Decimal(0), FIRST)):
        second = replace(given(2, on(7)), volume_ml=volume)
        found = items(course((given(1, FIRST), second), 30, "B"))
        assert found[WorkKind.INFUSION, "2"].status is WorkStatus.DONE
        assert found[WorkKind.VISIT, "W1"].target_day == last + timedelta(days=7)


def test_an_early_day_is_known_on_a_day_to_come() -> None:
    """Seen on day 76, a day ahead of W12: that is what the list of any later day says."""
    for day, status in ((77, "due"), (85, "overdue"), (91, "overdue"), (92, "out_of_window")):
        found = items(course((given(1, FIRST),), day, performed=(seen(76),)))
        assert found[WorkKind.VISIT, "W12"].status == status


@pytest.mark.parametrize(("day", "status"), [(-1, "upcoming"), (0, "due"), (1, "overdue")])
def test_the_first_infusion_has_a_day_and_no_window(day: int, status: str) -> None:
    """It is late from the day after on, and never missed, since nothing precedes it."""
    for infusions in ((), (planned(1, FIRST),)):
        found = items(course(infusions, day))[WorkKind.INFUSION, "1"]
        assert (found.status, found.window) == (status, None)


def test_without_a_planned_day_everything_is_to_come() -> None:
    """An enrolled subject without a day for the first infusion is due for nothing."""
    found = items(course((), 90, first=None))
    assert {each.status for each in found.values()} == {WorkStatus.UPCOMING}
    assert found[WorkKind.INFUSION, "1"].target_day is None


def test_what_took_place_is_done_on_every_day() -> None:
    """In its window it is done, outside of it is out of window, cancelled stays cancelled."""
    performed = (seen(7), seen(18, has_cbc=False))
    schedule = course((given(1, FIRST), cancelled(2, on(7))), 60, "B", performed)
    found = items(schedule, performed)
    assert found[WorkKind.INFUSION, "1"].status is WorkStatus.DONE
    assert found[WorkKind.INFUSION, "1"].day == FIRST
    assert found[WorkKind.INFUSION, "2"].status is WorkStatus.CANCELLED
    assert found[WorkKind.VISIT, "W1"].status is WorkStatus.DONE
    assert (found[WorkKind.VISIT, "W1"].day, found[WorkKind.VISIT, "W1"].projected) == (
        on(7), False,
    )  # fmt: skip
    late = course((given(1, FIRST),), 60, "A", (seen(18),))
    assert items(late)[WorkKind.VISIT, "W3"].status is WorkStatus.DONE
    outside = course((given(1, FIRST),), 60, "A", (seen(60),))
    assert items(outside)[WorkKind.VISIT, "W8"].status is WorkStatus.OUT_OF_WINDOW


@pytest.mark.parametrize(
    ("performed", "has_count"),
    [
        ((), False),
        ((seen(28, has_cbc=False),), False),
        ((seen(24),), False),
        ((seen(25),), True),
        ((seen(31),), True),
        ((seen(32),), False),
    ],
)
def test_a_week_that_needs_a_blood_count_says_whether_it_has_one(
    performed: tuple[PerformedDay, ...], has_count: bool
) -> None:
    """W4 is on day 28, three days more or less; other visits need none."""
    found = items(course((given(1, FIRST),), 31, "A", performed), performed)
    assert found[WorkKind.VISIT, "W4"].has_blood_count is has_count
    assert found[WorkKind.VISIT, "W3"].has_blood_count is None
    assert found[WorkKind.INFUSION, "1"].has_blood_count is None


@property_of(
    today=st.integers(-10, 200),
    ahead=st.integers(0, 60),
    number=st.integers(0, 4),
    days=st.frozensets(st.integers(1, 200), max_size=4),
)
@settings(max_examples=150)
def test_time_only_moves_items_on(
    today: int, ahead: int, number: int, days: frozenset[int]
) -> None:
    """The list says what the plan says; later nothing goes back, and what took place stays.

    A visit may go back when a missed infusion moves the one that it counts from.
    """
    infusions = tuple(given(each + 1, on(7 * each)) for each in range(number))
    performed = tuple(seen(day) for day in sorted(days))
    schedule = course(infusions, today, "C", performed)
    now, later = items(schedule), items(course(infusions, today + ahead, "C", performed))
    planned_status = {
        **{(WorkKind.INFUSION, str(each.number)): each.status for each in schedule.infusions},
        **{(WorkKind.VISIT, each.name): each.status for each in schedule.visits},
    }
    for key, item in now.items():
        same = WorkStatus.DUE if item.status is WorkStatus.OVERDUE else item.status
        assert same.value == ScheduleStatus(planned_status[key]).value
        if item.projected:
            assert item.status is WorkStatus.UPCOMING
        elif later[key].status is WorkStatus.OUT_OF_WINDOW:
            assert later[key].day is not None
        elif item.status in OPEN:
            assert OPEN.index(later[key].status) >= OPEN.index(item.status)
        else:
            assert later[key] == item
