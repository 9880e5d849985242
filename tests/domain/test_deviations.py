"""Departures from the protocol: none where it was followed, each one where it was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.deviations import (
    Deviation,
    DeviationCode,
    DeviationFacts,
    DeviationRules,
    DeviationSeverity,
    ReportState,
    UnmetCriterion,
    derive_deviations,
)
from app.domain.dosing import DosingRules
from app.domain.facts import Infusion
from app.domain.safety_reporting import (
    ClockStart,
    DueReport,
    Moment,
    ReportClass,
    ReportKind,
    ReportRecipient,
    ReportStatus,
)
from app.domain.schedule import Course, ScheduleRules, plan
from app.domain.visits import PerformedDay
from app.domain.vocabulary import Sex
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

RULES = section("deviations", DeviationRules)
DOSING = section("dosing", DosingRules)
SCHEDULE = section("schedule", ScheduleRules)
FIRST = date(2026, 1, 5)
WEEK = timedelta(days=7)
ON_TARGET = tuple(offset.target_day for offset in SCHEDULE.visits.offsets)


def counts(*days: int) -> tuple[PerformedDay, ...]:
    """Count blood on these days after the first infusion."""
    return tuple(
        PerformedDay(day=FIRST + timedelta(days=day), has_cbc=True, evidence=(f"count-{day}",))
        for day in days
    )


def derive(
    *infusions: Infusion,
    level: str = "A",
    performed: tuple[PerformedDay, ...] = (),
    today: int = 0,
    left: int | None = None,
    unmet: tuple[UnmetCriterion, ...] = (),
    reports: tuple[ReportState, ...] = (),
) -> tuple[Deviation, ...]:
    """Derive the deviations of a subject by `today`, in days after the first infusion."""
    left_on = None if left is None else FIRST + timedelta(days=left)
    course = Course(
        sex=Sex.MALE,
        level=DOSING.level(level),
        planned_first_day=FIRST,
        infusions=infusions,
        performed=performed,
        treatment_ended_on=left_on,
        left_study_on=left_on,
    )
    facts = DeviationFacts(
        schedule=plan(course, SCHEDULE, FIRST + timedelta(days=today)),
        performed=performed,
        unmet_criteria=unmet,
        reports=reports,
    )
    return derive_deviations(facts, RULES)


def keys(deviations: tuple[Deviation, ...]) -> list[str]:
    """List what was found."""
    return [deviation.key for deviation in deviations]


def test_a_protocol_followed_has_no_deviation() -> None:
    """One infusion as planned and all visits on target leave nothing to report."""
    assert derive(given(1, FIRST), performed=counts(*ON_TARGET), today=400) == ()


def test_nothing_is_missed_before_its_time() -> None:
    """A subject who has only been planned, or is in an open window, deviates from nothing."""
    assert derive(planned(1, FIRST), today=30) == ()
    assert derive(given(1, FIRST), today=10) == ()


@pytest.mark.parametrize(("days", "found"), [(4, True), (5, False), (9, False), (10, True)])
def test_infusion_interval(days: int, found: bool) -> None:
    """Seven days, two more or less."""
    second = FIRST + timedelta(days=days)
    deviations = derive(given(1, FIRST), given(2, second), level="B", today=12)
    assert keys(deviations) == (["infusion_interval:2"] if found else [])
    if found:
        assert deviations[0] == Deviation(
            key="infusion_interval:2",
            code=DeviationCode.INFUSION_INTERVAL,
            severity=DeviationSeverity.MINOR,
            day=second,
            sentence=f"Infusion 2 took place on {second}; allowed was 2026-01-10 to 2026-01-14.",
            evidence=("infusion-2",),
            rule="schedule.infusion_window_days",
        )


def test_infusion_missed_and_infusion_cancelled() -> None:
    """An infusion that passed in silence deviates; a cancelled one was decided."""
    silent = derive(given(1, FIRST), level="B", today=10)
    assert keys(silent) == ["infusion_missed:2"]
    assert silent[0].day == FIRST + timedelta(days=10)
    assert derive(given(1, FIRST), cancelled(2, FIRST + WEEK), level="B", today=10) == ()


@pytest.mark.parametrize(("recorded", "found"), [(9, []), (10, ["infusion_missed:2"])])
def test_a_cancellation_after_the_window_decides_nothing(recorded: int, found: list[str]) -> None:
    """The infusion was missed by then, and stays so; on the window's last day it was decided."""
    late = replace(cancelled(2, FIRST + WEEK), cancelled_day=FIRST + timedelta(days=recorded))
    assert keys(derive(given(1, FIRST), late, level="B", today=10)) == found


@pytest.mark.parametrize("volume", [None, Decimal(0)])
@pytest.mark.parametrize(
    ("days", "found"), [(4, ["infusion_interval:2"]), (9, []), (10, ["infusion_interval:2"])]
)
def test_an_infusion_that_began_was_not_missed(
    volume: Decimal | None, days: int, found: list[str]
) -> None:
    """Its interval is that of its start, whatever is known of the volume."""
    second = replace(given(2, FIRST + timedelta(days=days)), volume_ml=volume)
    assert keys(derive(given(1, FIRST), second, level="B", today=10)) == found


def test_visit_out_of_window() -> None:
    """A count between the windows of week 8 and week 12 came too late."""
    days = [day for day in ON_TARGET if day != 56]
    deviations = derive(given(1, FIRST), performed=counts(*days, 60), today=400)
    assert keys(deviations) == ["blood_count_missing:W8", "visit_out_of_window:W8"]
    outside = deviations[1]
    assert (outside.day, outside.severity) == (FIRST + timedelta(days=60), "minor")
    assert outside.evidence == ("infusion-1", "count-60")
    assert outside.rule == "schedule.visits.offsets.W8"


def test_visit_missed() -> None:
    """A visit is missed the day after its window closed, not before."""
    assert derive(given(1, FIRST), today=10) == ()
    deviations = derive(given(1, FIRST), today=11)
    assert keys(deviations) == ["visit_missed:W1"]
    assert deviations[0].day == FIRST + timedelta(days=11)


@pytest.mark.parametrize("week", [4, 8])
def test_blood_count_missing(week: int) -> None:
    """A visit without a complete count deviates once its window has closed."""
    target = FIRST + timedelta(days=7 * week)
    uncounted = tuple(replace(seen, has_cbc=seen.day != target) for seen in counts(*ON_TARGET[:8]))
    key = f"blood_count_missing:W{week}"
    end = 7 * week + 3
    assert derive(given(1, FIRST), performed=uncounted, today=end) == ()
    late = derive(given(1, FIRST), performed=uncounted, today=end + 1)
    assert keys(late) == [key]
    assert late[0].severity is DeviationSeverity.MAJOR
    for day in (7 * week - 3, end):
        elsewhere = (*uncounted, *counts(day))
        assert derive(given(1, FIRST), performed=elsewhere, today=end + 1) == ()


def test_other_visits_need_no_complete_count() -> None:
    """Only the visits of the response endpoints insist on a count."""
    seen = tuple(
        replace(day, has_cbc=day.day in {FIRST + 4 * WEEK, FIRST + 8 * WEEK})
        for day in counts(*ON_TARGET)
    )
    assert derive(given(1, FIRST), performed=seen, today=400) == ()


def test_leaving_the_study_ends_what_is_expected() -> None:
    """Who left before a window closed missed nothing, counted or not."""
    seen = (*counts(7, 14, 21), replace(counts(26)[0], has_cbc=False))
    assert derive(given(1, FIRST), performed=seen, today=400, left=31) == ()
    stayed = derive(given(1, FIRST), performed=seen, today=400, left=32)
    assert keys(stayed) == ["blood_count_missing:W4"]


@pytest.mark.parametrize(
    ("unsettled", "words"),
    [(False, "without meeting criterion E4."), (True, "day of the first infusion settles")],
)
def test_eligibility_violation(unsettled: bool, words: str) -> None:
    """There are no waivers: a criterion unmet, or not settled when infused, is major."""
    unmet = UnmetCriterion(criterion="E4", day=FIRST, evidence=("lab-1",), open=unsettled)
    (deviation,) = derive(unmet=(unmet,))
    assert deviation.key == "eligibility_violation:E4"
    assert (deviation.day, deviation.evidence) == (FIRST, ("lab-1",))
    assert deviation.severity is DeviationSeverity.MAJOR
    assert words in deviation.sentence


@pytest.mark.parametrize("status", list(ReportStatus))
def test_late_safety_report(status: ReportStatus) -> None:
    """A report that is overdue or was sent late deviates, one that is open or in time does not."""
    aware = Moment(datetime(2026, 2, 1, 8, tzinfo=UTC), date(2026, 2, 1))
    due = DueReport(
        kind=ReportKind.SUSAR_INITIAL,
        concerns=ReportClass.SUSAR_OTHER,
        jurisdiction="CN",
        recipient=ReportRecipient.SPONSOR,
        starts=ClockStart.AWARENESS,
        counted_from=aware,
        due_at=None,
        due_day=date(2026, 2, 16),
        evidence=("event-1",),
        rule="safety_reporting.jurisdictions.CN.susar_initial.susar_other",
    )
    found = derive(reports=(ReportState(due=due, status=status, day=date(2026, 2, 17)),))
    if status in {ReportStatus.OPEN, ReportStatus.SENT}:
        assert found == ()
        return
    (deviation,) = found
    assert deviation.code is DeviationCode.SAFETY_REPORT_LATE
    assert deviation.key.startswith("safety_report_late:event-1:CN:susar_initial:")
    assert deviation.rule == due.rule
    state = "overdue" if status is ReportStatus.OVERDUE else "sent late"
    assert state in deviation.sentence


def test_deviations_are_ordered_and_distinct() -> None:
    """Many deviations come by day with different keys."""
    found = derive(given(1, FIRST), given(2, FIRST + timedelta(days=12)), level="C", today=300)
    assert [deviation.day for deviation in found] == sorted(deviation.day for deviation in found)
    assert len(set(keys(found))) == len(found) > 10


def test_a_departure_without_a_weight_is_major() -> None:
    """A definition that was written before a departure was looked for still weighs it."""
    older = replace(RULES, severity={DeviationCode.VISIT_MISSED: DeviationSeverity.MINOR})
    assert older.weigh(DeviationCode.VISIT_MISSED) is DeviationSeverity.MINOR
    assert older.weigh(DeviationCode.INFUSION_INTERVAL) is DeviationSeverity.MAJOR
