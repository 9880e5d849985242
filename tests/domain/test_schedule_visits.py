"""What became of each visit: every boundary of the windows and of leaving the study."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.dosing import DosingRules
from app.domain.schedule import Course, ScheduleRules, plan
from app.domain.visits import PerformedDay, ScheduleStatus
from app.domain.vocabulary import Sex
from tests.domain.infusion_facts import given
from tests.protocol_data import section

RULES = section("schedule", ScheduleRules)
FIRST = date(2026, 1, 5)
TREATED = Course(
    sex=Sex.FEMALE,
    level=section("dosing", DosingRules).level("A"),
    planned_first_day=FIRST,
    infusions=(given(1, FIRST),),
    performed=(),
    treatment_ended_on=None,
    left_study_on=None,
)

DONE, DUE = ScheduleStatus.DONE, ScheduleStatus.DUE
UPCOMING, MISSED = ScheduleStatus.UPCOMING, ScheduleStatus.MISSED
OUT, CANCELLED = ScheduleStatus.OUT_OF_WINDOW, ScheduleStatus.CANCELLED


def after(days: int) -> date:
    """Count days from the infusion."""
    return FIRST + timedelta(days=days)


def seen(days: int) -> PerformedDay:
    """See the subject so many days after the first infusion."""
    return PerformedDay(day=after(days), has_cbc=True, evidence=(f"seen-{days}",))


def visit_status(course: Course, name: str, today: date) -> ScheduleStatus:
    """Say what became of one visit."""
    return next(v.status for v in plan(course, RULES, today).visits if v.name == name)


@pytest.mark.parametrize(
    ("name", "first", "last"), [("W1", 4, 10), ("W8", 53, 59), ("W12", 77, 91), ("W24", 161, 175)]
)
def test_visit_window_includes_both_ends(name: str, first: int, last: int) -> None:
    """Weekly visits may move by three days, monthly visits by seven."""
    today = after(400)
    for day, status in ((first - 1, OUT), (first, DONE), (last, DONE), (last + 1, OUT)):
        course = replace(TREATED, performed=(seen(day),))
        found = {visit.day: visit.status for visit in plan(course, RULES, today).visits}
        if day < 4:
            assert after(day) not in found  # nearer to the infusion than to any visit
        else:
            assert found[after(day)] is (status if _alone(day) else DONE)
    unseen = TREATED
    assert visit_status(unseen, name, after(first - 1)) is UPCOMING
    assert visit_status(unseen, name, after(first)) is DUE
    assert visit_status(unseen, name, after(last)) is DUE
    assert visit_status(unseen, name, after(last + 1)) is MISSED


def _alone(day: int) -> bool:
    """Tell whether no other visit's window holds a day just outside a window."""
    return not any(
        abs(day - offset.target_day) <= offset.window_days for offset in RULES.visits.offsets
    )


def test_a_day_serves_one_visit_and_a_visit_takes_its_nearest_day() -> None:
    """Of two days in one window the nearer one is the visit, the earlier one on a tie."""
    course = replace(TREATED, performed=(seen(12), seen(15), seen(13)))
    visits = {visit.name: visit for visit in plan(course, RULES, after(30)).visits}
    assert visits["W2"].day == after(13)
    assert visits["W2"].evidence == ("infusion-1", "seen-13")
    assert (visits["W1"].status, visits["W1"].day) == (MISSED, None)
    assert visits["W3"].status is MISSED


def test_a_day_between_windows_belongs_to_the_nearest_visit() -> None:
    """Day 70 lies as far from week 8 as from week 12 and goes to the earlier one."""
    course = replace(TREATED, performed=(seen(70), seen(76)))
    visits = {visit.name: visit for visit in plan(course, RULES, after(100)).visits}
    assert (visits["W8"].status, visits["W8"].day) == (OUT, after(70))
    assert (visits["W12"].status, visits["W12"].day) == (OUT, after(76))


def test_a_day_outside_leaves_an_open_window_due() -> None:
    """An early day does not close a visit that can still be made in time."""
    course = replace(TREATED, performed=(seen(76),))
    assert visit_status(course, "W12", after(77)) is DUE
    assert visit_status(course, "W12", after(92)) is OUT


@pytest.mark.parametrize("days", [(-3, 0), (1,), (3,)])
def test_days_nearer_to_the_last_infusion_are_no_visits(days: tuple[int, ...]) -> None:
    """The counts of its day, and the checks in the days after it, make up for no missed visit."""
    course = replace(TREATED, performed=tuple(seen(day) for day in days))
    assert visit_status(course, "W1", after(11)) is MISSED


@pytest.mark.parametrize(("day", "status"), [(176, OUT), (182, OUT), (183, MISSED), (300, MISSED)])
def test_the_last_visit_reaches_as_far_forwards_as_backwards(
    day: int, status: ScheduleStatus
) -> None:
    """Day 154 is half way from week 20 to week 24; as far after week 24 nothing stands for it."""
    course = replace(TREATED, performed=(seen(day),))
    assert visit_status(course, "W24", after(400)) is status
    assert visit_status(replace(TREATED, performed=(seen(154),)), "W24", after(400)) is MISSED
    assert visit_status(replace(TREATED, performed=(seen(155),)), "W24", after(400)) is OUT


def test_leaving_the_study_cancels_open_visits_only() -> None:
    """A visit whose window had closed stays missed and one that took place stays done."""
    course = replace(TREATED, performed=(seen(7),), left_study_on=after(24))
    found = {visit.name: visit.status for visit in plan(course, RULES, after(300)).visits}
    assert [found[name] for name in ("W1", "W2", "W3", "W4", "W24")] == [
        DONE,
        MISSED,
        CANCELLED,
        CANCELLED,
        CANCELLED,
    ]
    later = replace(course, left_study_on=after(25))
    assert visit_status(later, "W3", after(300)) is MISSED


@settings(max_examples=100, deadline=None)
@property_of(
    days=st.lists(st.integers(min_value=1, max_value=180), max_size=14, unique=True),
    today=st.integers(min_value=0, max_value=200),
)
def test_no_day_serves_two_visits(days: list[int], today: int) -> None:
    """Visits done lie in their windows, on different days, and open visits are in the future."""
    course = replace(TREATED, performed=tuple(seen(day) for day in days))
    schedule = plan(course, RULES, after(today))
    used = [visit.day for visit in schedule.visits if visit.day]
    assert len(used) == len(set(used))
    for visit in schedule.visits:
        inside = any(visit.window.contains(after(day)) for day in days)
        assert (visit.status is DONE) == inside
        assert (visit.status is DUE) == (not inside and visit.window.contains(after(today)))
        assert (visit.status in {OUT, MISSED}) == (not inside and after(today) > visit.window.end)
