"""Days across changing clocks, the date line, the leap day and the year's end, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import DltFacts, dlt_candidates, window
from app.domain.dosing import DosingRules
from app.domain.eligibility_treatment import Period, PeriodUnit
from app.domain.evaluability import EvaluabilityState, evaluability
from app.domain.facts import AdverseEvent
from app.domain.safety_reporting import is_treatment_emergent
from app.domain.schedule import Course, ScheduleRules, add_months, plan
from app.domain.visit_worklist import WorkKind, WorkStatus, worklist
from app.domain.vocabulary import Sex
from tests.domain import dlt_cases, infusion_facts
from tests.domain.zone_cases import (
    BERLIN,
    KIRITIMATI,
    MICROSECOND,
    NEW_YORK,
    PAGO_PAGO,
    day_in,
    edge_days,
    instants,
    midnight_after,
    on_clock,
    zones,
)
from tests.protocol_data import section

DOSING = section("dosing", DosingRules)
SCHEDULE = section("schedule", ScheduleRules)
DAY = timedelta(days=1)


def dosed(zone: ZoneInfo, level: str, first: datetime) -> DltFacts:
    """Give the infusions of a level seven local days apart, at the same time of the day."""
    starts = [
        (first.astimezone(zone) + 7 * number * DAY).astimezone(first.tzinfo)
        for number in range(dlt_cases.LEVELS[level].planned_infusions)
    ]
    return replace(
        dlt_cases.course(level),
        infusions=tuple(
            dlt_cases.given_infusion(
                number, 0, started_at=at, day=day_in(zone, at), planned_day=day_in(zone, at)
            )
            for number, at in enumerate(starts, start=1)
        ),
    )


def suffering(facts: DltFacts, at: datetime, zone: ZoneInfo) -> tuple[DltFacts, AdverseEvent]:
    """Let a severe related event begin at an instant."""
    event = dlt_cases.event(onset_at=at, onset_day=day_in(zone, at))
    return replace(facts, events=(event,)), event


@settings(max_examples=150, deadline=None)
@given(first=instants, zone=zones, level=st.sampled_from("ABC"))
def test_the_window_closes_at_local_midnight(first: datetime, zone: ZoneInfo, level: str) -> None:
    """28 local days after the last infusion: the last instant of that day counts, not the next."""
    facts = dosed(zone, level, first)
    observed = window(facts, dlt_cases.RULES)
    assert observed is not None
    days = {"A": 28, "B": 35, "C": 49}[level]
    assert observed.end_day == day_in(zone, first) + days * DAY
    over = midnight_after(observed.end_day, zone)
    for at, found in ((over - MICROSECOND, 1), (over, 0)):
        late, _ = suffering(facts, at, zone)
        assert len(dlt_candidates(late, observed, dlt_cases.RULES)) == found
        today = day_in(zone, at)
        state = evaluability(facts, today, dlt_cases.RULES, 2).state
        assert observed.is_over(today) is not bool(found)
        assert (state is EvaluabilityState.IN_WINDOW) is bool(found)


@settings(max_examples=150, deadline=None)
@given(first=instants, zone=zones)
def test_an_event_is_of_the_first_infusion_from_its_local_day_on(
    first: datetime, zone: ZoneInfo
) -> None:
    """From that day's first instant it is treatment-emergent and in the window."""
    facts = dosed(zone, "A", first)
    day = day_in(zone, first)
    begins = midnight_after(day - DAY, zone)
    observed = window(facts, dlt_cases.RULES)
    assert observed is not None
    for at, holds in ((begins, True), (begins - MICROSECOND, False)):
        _, event = suffering(facts, at, zone)
        ended = replace(event, end_at=at, end_day=event.onset_day, baseline_grade=3)
        assert observed.holds(event.onset_day) is holds
        assert is_treatment_emergent(event, day) is holds
        assert not is_treatment_emergent(ended, day)


def treated(zone: ZoneInfo, first: datetime, sex: Sex = Sex.FEMALE, level: str = "A") -> Course:
    """Give the first infusion of a level at an instant."""
    day = day_in(zone, first)
    return Course(
        sex=sex,
        level=DOSING.level(level),
        planned_first_day=day,
        infusions=(replace(infusion_facts.given(1, day), started_at=first),),
        performed=(),
        treatment_ended_on=None,
        left_study_on=None,
    )


@settings(max_examples=100, deadline=None)
@given(first=instants, zone=zones)
def test_visits_and_the_follow_up_count_local_days(first: datetime, zone: ZoneInfo) -> None:
    """Week 8 is day 56, and the follow-up ends on day 168, of the infusion's local day."""
    day = day_in(zone, first)
    found = plan(treated(zone, first), SCHEDULE, day)
    targets = {visit.name: visit.target_day for visit in found.visits}
    assert (targets["W1"], targets["W8"], targets["W24"]) == (
        day + 7 * DAY,
        day + 56 * DAY,
        day + 168 * DAY,
    )
    assert found.end_of_safety_follow_up == day + 168 * DAY


@settings(max_examples=100, deadline=None)
@given(first=instants, zone=zones, ahead=st.integers(-3, 3))
def test_a_week_between_infusions_is_seven_local_days(
    first: datetime, zone: ZoneInfo, ahead: int
) -> None:
    """Two days either way are in the window, however many hours that makes."""
    course = treated(zone, first, level="B")
    second = day_in(zone, first) + (7 + ahead) * DAY
    (visit,) = [
        infusion
        for infusion in plan(
            replace(course, infusions=(*course.infusions, infusion_facts.given(2, second))),
            SCHEDULE,
            second,
        ).infusions
        if infusion.number == 2
    ]
    assert visit.window is not None
    assert visit.window.contains(second) is (abs(ahead) <= 2)


@settings(max_examples=100, deadline=None)
@given(first=instants, zone=zones)
def test_a_visit_is_missed_at_local_midnight(first: datetime, zone: ZoneInfo) -> None:
    """On the last day of its window it is overdue until midnight, then missed."""
    day = day_in(zone, first)
    course = treated(zone, first)
    over = midnight_after(day + 59 * DAY, zone)  # week 8 and its three days

    def status(at: datetime) -> WorkStatus:
        items = worklist(plan(course, SCHEDULE, day_in(zone, at)), (), ("W4", "W8"))
        return next(item.status for item in items if item.name == "W8")

    assert status(over - MICROSECOND) is WorkStatus.OVERDUE
    assert status(over) is WorkStatus.MISSED


def test_the_worklist_of_a_day_is_the_zones() -> None:
    """At one instant the infusion is due beyond the date line and not yet before it."""
    at = on_clock(KIRITIMATI, "2026-12-31T00:00")
    planned = replace(
        treated(KIRITIMATI, at),
        planned_first_day=date(2026, 12, 31),
        infusions=(),
    )
    for zone, status in ((KIRITIMATI, WorkStatus.DUE), (PAGO_PAGO, WorkStatus.UPCOMING)):
        today = day_in(zone, at)
        items = worklist(plan(planned, SCHEDULE, today), (), ())
        assert [x.status for x in items if x.kind is WorkKind.INFUSION] == [status]


@pytest.mark.parametrize(
    ("zone", "infused", "sex", "end"),
    [
        (BERLIN, "2027-10-31T00:30", Sex.FEMALE, date(2028, 2, 29)),
        (BERLIN, "2026-10-31T00:30", Sex.FEMALE, date(2027, 2, 28)),
        (NEW_YORK, "2027-08-31T23:30", Sex.MALE, date(2028, 2, 29)),
        (NEW_YORK, "2028-02-29T23:30", Sex.MALE, date(2028, 8, 29)),
        (KIRITIMATI, "2026-12-31T00:30", Sex.MALE, date(2027, 6, 30)),
        (PAGO_PAGO, "2026-12-31T23:30", Sex.FEMALE, date(2027, 4, 30)),
    ],
)
def test_contraception_ends_after_calendar_months(
    zone: ZoneInfo, infused: str, sex: Sex, end: date
) -> None:
    """Four or six months of the local day; a day that the month lacks becomes its last."""
    first = on_clock(zone, infused)
    drawn = plan(treated(zone, first, sex), SCHEDULE, day_in(zone, first))
    assert drawn.contraception_end == end


@settings(max_examples=100, deadline=None)
@given(day=edge_days, months=st.integers(1, 30))
def test_months_there_and_back_lose_at_most_the_days_a_month_lacks(day: date, months: int) -> None:
    """Going back never lands later, and only a month's missing days are lost."""
    period = Period(amount=months, unit=PeriodUnit.MONTHS)
    there = period.after(day)
    assert there == add_months(day, months)
    assert timedelta(0) <= day - period.before(there) <= 3 * DAY
    assert (there.year * 12 + there.month) - (day.year * 12 + day.month) == months
