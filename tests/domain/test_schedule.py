"""The plan of infusions and the days that follow from the last one, at every boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.dosing import DosingRules
from app.domain.schedule import Course, Schedule, ScheduleRules, add_months, plan
from app.domain.visits import ScheduleStatus, Window
from app.domain.vocabulary import Sex
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

RULES = section("schedule", ScheduleRules)
LEVELS = {level.name: level for level in section("dosing", DosingRules).levels}
FIRST = date(2026, 1, 5)
NEVER = Course(
    sex=Sex.FEMALE,
    level=LEVELS["A"],
    planned_first_day=FIRST,
    infusions=(),
    performed=(),
    treatment_ended_on=None,
    left_study_on=None,
)

DONE, DUE = ScheduleStatus.DONE, ScheduleStatus.DUE
UPCOMING, MISSED = ScheduleStatus.UPCOMING, ScheduleStatus.MISSED
OUT, CANCELLED = ScheduleStatus.OUT_OF_WINDOW, ScheduleStatus.CANCELLED


def after(days: int) -> date:
    """Count days from the first infusion."""
    return FIRST + timedelta(days=days)


def treated(level: str, *days: int) -> Course:
    """Give the infusions of a level on these days."""
    infusions = tuple(given(number, after(day)) for number, day in enumerate(days, start=1))
    return replace(NEVER, level=LEVELS[level], infusions=infusions)


def statuses(schedule: Schedule) -> list[ScheduleStatus]:
    """List what became of the infusions."""
    return [infusion.status for infusion in schedule.infusions]


def targets(schedule: Schedule) -> dict[str, str]:
    """List the visits' target days as month-day."""
    return {visit.name: visit.target_day.strftime("%m-%d") for visit in schedule.visits}


def test_visits_of_level_a() -> None:
    """One infusion on 5 January 2026 gives twelve visits until 22 June."""
    expected = targets(plan(treated("A", 0), RULES, FIRST))
    assert list(expected) == [f"W{week}" for week in (*range(1, 9), 12, 16, 20, 24)]
    assert expected["W1"] == "01-12"
    assert expected["W8"] == "03-02"
    assert [expected[f"W{week}"] for week in (12, 16, 20, 24)] == [
        "03-30",
        "04-27",
        "05-25",
        "06-22",
    ]


def test_visits_of_level_c() -> None:
    """Four weekly infusions move all visits by three weeks."""
    schedule = plan(treated("C", 0, 7, 14, 21), RULES, after(21))
    expected = targets(schedule)
    assert [expected[f"W{week}"] for week in (1, 8, 12, 16, 20, 24)] == [
        "02-02",
        "03-23",
        "04-20",
        "05-18",
        "06-15",
        "07-13",
    ]
    assert schedule.end_of_safety_follow_up == date(2026, 7, 13)
    assert schedule.completion_from == date(2026, 7, 6)
    assert schedule.last_infusion is not None
    assert schedule.last_infusion.day == date(2026, 1, 26)
    assert schedule.last_infusion.evidence == ("infusion-4",)


@pytest.mark.parametrize(
    ("sex", "end"), [(Sex.FEMALE, date(2026, 5, 26)), (Sex.MALE, date(2026, 7, 26))]
)
def test_contraception_of_level_c(sex: Sex, end: date) -> None:
    """Women for four, men for six calendar months after the last infusion."""
    course = replace(treated("C", 0, 7, 14, 21), sex=sex)
    assert plan(course, RULES, after(21)).contraception_end == end


def test_plan_before_any_infusion() -> None:
    """Before treatment all is projected from the planned first day."""
    course = replace(NEVER, level=LEVELS["C"])
    schedule = plan(course, RULES, after(-1))
    assert [infusion.target_day for infusion in schedule.infusions] == [
        after(day) for day in (0, 7, 14, 21)
    ]
    assert statuses(schedule) == [UPCOMING] * 4
    assert schedule.infusions[0].window is None
    assert schedule.infusions[1].window == Window(after(5), after(9))
    assert schedule.last_infusion is not None
    assert (schedule.last_infusion.day, schedule.last_infusion.projected) == (after(21), True)
    assert {visit.status for visit in schedule.visits} == {UPCOMING}


def test_a_prescription_moves_the_first_day() -> None:
    """The prescribed day outweighs the day planned at screening; an overdue start stays due."""
    course = replace(NEVER, infusions=(planned(1, after(3)),))
    schedule = plan(course, RULES, after(60))
    assert schedule.infusions[0].target_day == after(3)
    assert statuses(schedule) == [DUE]
    assert {visit.status for visit in schedule.visits} == {UPCOMING}


def test_without_level_or_day_there_is_nothing_to_plan() -> None:
    """A subject in screening has no infusions; one without a first day has no visits."""
    screening = plan(replace(NEVER, level=None), RULES, FIRST)
    assert (screening.infusions, screening.visits, screening.last_infusion) == ((), (), None)
    undated = plan(replace(NEVER, planned_first_day=None, level=LEVELS["B"]), RULES, FIRST)
    assert statuses(undated) == [UPCOMING, UPCOMING]
    assert (undated.visits, undated.contraception_end) == ((), None)


@pytest.mark.parametrize(
    ("day", "status"), [(4, OUT), (5, DONE), (7, DONE), (9, DONE), (10, OUT), (0, OUT)]
)
def test_infusion_window_includes_both_ends(day: int, status: ScheduleStatus) -> None:
    """A weekly infusion may come two days early or late."""
    assert statuses(plan(treated("B", 0, day), RULES, after(20))) == [DONE, status]


@pytest.mark.parametrize(
    ("today", "status"), [(4, UPCOMING), (5, DUE), (9, DUE), (10, MISSED), (40, MISSED)]
)
def test_outstanding_infusion_through_time(today: int, status: ScheduleStatus) -> None:
    """An infusion is due while its window is open and missed afterwards."""
    assert statuses(plan(treated("B", 0), RULES, after(today))) == [DONE, status]


def test_each_window_follows_the_infusion_before_it() -> None:
    """Lateness is not made up: the next week starts at the infusion really given."""
    schedule = plan(treated("C", 0, 9, 18), RULES, after(18))
    assert schedule.infusions[3].target_day == after(25)
    assert statuses(schedule) == [DONE, DONE, DONE, UPCOMING]


def test_a_cancelled_infusion_takes_no_week() -> None:
    """The next infusion is counted from the last one that was not cancelled."""
    course = treated("C", 0)
    course = replace(
        course, infusions=(*course.infusions, cancelled(2, after(7)), given(3, after(14)))
    )
    schedule = plan(course, RULES, after(14))
    assert statuses(schedule) == [DONE, CANCELLED, OUT, UPCOMING]
    assert schedule.infusions[2].window == Window(after(5), after(9))


def test_visits_count_from_the_last_infusion_given() -> None:
    """Cancelled and missed infusions move the last infusion back to the one before."""
    stopped = treated("B", 0)
    stopped = replace(stopped, infusions=(*stopped.infusions, cancelled(2, after(7))))
    for course in (stopped, treated("B", 0)):
        schedule = plan(course, RULES, after(12))
        assert schedule.last_infusion is not None
        assert (schedule.last_infusion.day, schedule.last_infusion.projected) == (FIRST, False)


def test_an_infusion_beyond_the_level_still_counts() -> None:
    """What was given moves the follow-up even if it should not have been."""
    schedule = plan(treated("A", 0, 7), RULES, after(8))
    assert statuses(schedule) == [DONE, DONE]
    assert schedule.end_of_safety_follow_up == after(175)


@pytest.mark.parametrize(("ended", "status"), [(5, CANCELLED), (9, CANCELLED), (10, MISSED)])
def test_the_end_of_treatment_cancels_what_was_still_possible(
    ended: int, status: ScheduleStatus
) -> None:
    """An infusion whose window had closed before treatment ended stays missed."""
    course = replace(treated("B", 0), treatment_ended_on=after(ended))
    assert statuses(plan(course, RULES, after(30)))[1] is status


def test_the_end_of_treatment_before_the_first_infusion() -> None:
    """Nothing remains to be planned."""
    schedule = plan(replace(NEVER, treatment_ended_on=FIRST), RULES, FIRST)
    assert statuses(schedule) == [CANCELLED]
    assert (schedule.visits, schedule.last_infusion) == ((), None)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 10, 31), 4, date(2027, 2, 28)),
        (date(2027, 10, 31), 4, date(2028, 2, 29)),
        (date(2028, 2, 29), 6, date(2028, 8, 29)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2026, 5, 31), 4, date(2026, 9, 30)),
        (date(2026, 8, 15), 4, date(2026, 12, 15)),
        (date(2026, 9, 1), 4, date(2027, 1, 1)),
    ],
)
def test_calendar_months(day: date, months: int, expected: date) -> None:
    """A month without the day ends on its last day, in leap years too."""
    assert add_months(day, months) == expected


@settings(max_examples=200, deadline=None)
@property_of(
    day=st.dates(min_value=date(2024, 1, 1), max_value=date(2033, 12, 31)),
    months=st.integers(min_value=0, max_value=30),
)
def test_calendar_months_keep_the_day_or_the_month_end(day: date, months: int) -> None:
    """The month is always the wanted one and the day is never later than before."""
    result = add_months(day, months)
    assert (result.year * 12 + result.month) - (day.year * 12 + day.month) == months
    assert result.day == day.day or (result + timedelta(days=1)).day == 1
    assert result.day <= day.day


def test_rules_that_contradict_themselves_are_refused() -> None:
    """Completion lies within the follow-up, windows are not negative, both sexes are named."""
    for change in (
        {"completion_from_day": 169},
        {"infusion_window_days": -1},
        {"contraception_months": {Sex.FEMALE: 4}},
    ):
        with pytest.raises(ValueError, match=r"must|cannot|needs"):
            replace(RULES, **change)


def test_moment_of_an_infusion_is_its_local_day() -> None:
    """The plan counts the recorded local day, whatever the instant says elsewhere."""
    evening = replace(given(1, FIRST), started_at=datetime(2026, 1, 4, 20, tzinfo=UTC))
    schedule = plan(replace(NEVER, infusions=(evening,)), RULES, FIRST)
    assert schedule.visits[0].target_day == after(7)
