"""Instants across changing clocks and the date line: reporting clocks, hours, and times as sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import dlt_candidates, window
from app.domain.dosing import DosingRules
from app.domain.eligibility_answers import latest_answers
from app.domain.facts import AdverseEvent, Attestation, Infusion
from app.domain.hindsight import At
from app.domain.infusion_reactions import infusion_reactions
from app.domain.report_course import Reached, due_reports
from app.domain.reports_sent import overdue_from
from app.domain.response_flags import Confounder, Exposures, flag_result
from app.domain.response_rules import ResponseRules
from app.domain.safety_reporting import (
    DueReport,
    Moment,
    ReportKind,
    ReportStatus,
    SafetyReportingRules,
    report_classes,
    report_status,
)
from app.domain.sent_times import read_time
from app.domain.vocabulary import Causality, Lineage, MedicationClass, SeriousnessCriterion
from tests.domain import dlt_cases, response_cases
from tests.domain.zone_cases import (
    BERLIN,
    HAVANA,
    KIRITIMATI,
    MICROSECOND,
    NEW_YORK,
    PAGO_PAGO,
    SANTIAGO,
    SHANGHAI,
    day_in,
    edge_days,
    instants,
    on_clock,
    zones,
)
from tests.protocol_data import section

REPORTING = section("safety_reporting", SafetyReportingRules)
DOSING = section("dosing", DosingRules)
RESPONSE = section("response", ResponseRules)
HOUR = timedelta(hours=1)
offsets = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(quarters * HOUR / 4))


def moment(at: datetime, zone: ZoneInfo) -> Moment:
    """Place an instant in a zone's calendar."""
    return Moment(at, day_in(zone, at))


def fatal_event(at: datetime, zone: ZoneInfo) -> AdverseEvent:
    """Let a subject die of something that nobody expected."""
    return AdverseEvent(
        id="event-1",
        term="Sepsis",
        soc="Infections and infestations",
        grade=5,
        onset_at=at,
        onset_day=day_in(zone, at),
        causality=Causality.POSSIBLE,
        seriousness=frozenset({SeriousnessCriterion.DEATH}),
    )


def due(at: datetime, zone: ZoneInfo) -> dict[ReportKind, DueReport]:
    """List what is due on a death of which the site learned at an instant."""
    classes = report_classes(fatal_event(at, zone), False, REPORTING)
    reached = [
        Reached(concerns=concerns, version=1, aware=moment(at, zone)) for concerns in classes
    ]
    reports = due_reports("event-1", reached, REPORTING)
    return {report.kind: report for report in reports}


@pytest.mark.parametrize(
    ("zone", "aware", "by"),
    [
        (BERLIN, "2026-03-28T12:00", "2026-03-29T13:00"),
        (BERLIN, "2026-10-24T12:00", "2026-10-25T11:00"),
        (NEW_YORK, "2026-03-07T12:00", "2026-03-08T13:00"),
        (NEW_YORK, "2026-10-31T12:00", "2026-11-01T11:00"),
        (SHANGHAI, "2026-10-24T12:00", "2026-10-25T12:00"),
        (KIRITIMATI, "2028-02-28T23:30", "2028-02-29T23:30"),
        (PAGO_PAGO, "2026-12-31T23:30", "2027-01-01T23:30"),
    ],
)
def test_a_day_in_hours_is_24_of_them(zone: ZoneInfo, aware: str, by: str) -> None:
    """When clocks change, the same time of the next day is an hour too late or too early."""
    report = due(on_clock(zone, aware), zone)[ReportKind.SERIOUS_INITIAL]
    assert report.due_at == on_clock(zone, by)


@settings(max_examples=150, deadline=None)
@given(at=instants, zone=zones)
def test_the_last_instant_of_a_clock_in_hours(at: datetime, zone: ZoneInfo) -> None:
    """The 24th hour is in time and the next microsecond late, wherever clocks change."""
    report = due(at, zone)[ReportKind.SERIOUS_INITIAL]
    last = at + 24 * HOUR
    assert overdue_from(report, zone) == last
    assert report_status(report, moment(last, zone), moment(last, zone)) is ReportStatus.SENT
    assert report_status(report, None, moment(last + MICROSECOND, zone)) is ReportStatus.OVERDUE


@pytest.mark.parametrize(
    ("zone", "aware", "days", "over"),
    [
        (BERLIN, "2026-03-22T23:59", (date(2026, 3, 29), date(2026, 4, 6)), "2026-03-30T00:00"),
        (BERLIN, "2026-10-18T00:00", (date(2026, 10, 25), date(2026, 11, 2)), "2026-10-26T00:00"),
        (NEW_YORK, "2026-03-01T23:59", (date(2026, 3, 8), date(2026, 3, 16)), "2026-03-09T00:00"),
        (NEW_YORK, "2026-10-25T00:00", (date(2026, 11, 1), date(2026, 11, 9)), "2026-11-02T00:00"),
        (KIRITIMATI, "2026-12-24T23:59", (date(2026, 12, 31), date(2027, 1, 8)), "2027-01-01"),
        (PAGO_PAGO, "2028-02-22T00:00", (date(2028, 2, 29), date(2028, 3, 8)), "2028-03-01"),
        # The clocks skip midnight: the due day is over when they jump from it to one o'clock.
        (HAVANA, "2026-02-28T12:00", (date(2026, 3, 7), date(2026, 3, 15)), "2026-03-08T01:00"),
        (SANTIAGO, "2026-08-29T12:00", (date(2026, 9, 5), date(2026, 9, 13)), "2026-09-06T01:00"),
        # They show midnight twice: the due day is over the first time.
        (HAVANA, "2026-10-24T12:00", (date(2026, 10, 31), date(2026, 11, 8)), "2026-11-01T00:00"),
    ],
)
def test_calendar_days_end_at_local_midnight(
    zone: ZoneInfo, aware: str, days: tuple[date, date], over: str
) -> None:
    """Seven days and eight more, from the local day of awareness to the end of a local day."""
    reports = due(on_clock(zone, aware), zone)
    initial = reports[ReportKind.SUSAR_INITIAL]
    assert (initial.due_day, reports[ReportKind.SUSAR_COMPLETE].due_day) == days
    assert overdue_from(initial, zone) == on_clock(zone, over)


@settings(max_examples=150, deadline=None)
@given(at=instants, zone=zones, early=st.integers(0, 100))
def test_the_last_instant_of_a_clock_in_days(at: datetime, zone: ZoneInfo, early: int) -> None:
    """Up to midnight after the last local day a report is in time, from then on it is late."""
    report = due(at, zone)[ReportKind.SUSAR_INITIAL]
    assert report.due_day == day_in(zone, at) + timedelta(days=7)
    over = overdue_from(report, zone)
    last = moment(over - MICROSECOND - early * HOUR, zone)
    assert report_status(report, last, last) is ReportStatus.SENT
    late = moment(over, zone)
    assert late.day == report.due_day + timedelta(days=1)
    assert report_status(report, late, late) is ReportStatus.SENT_LATE
    assert report_status(report, None, late) is ReportStatus.OVERDUE


@settings(max_examples=100, deadline=None)
@given(at=instants, offset=offsets, late=st.sampled_from([timedelta(0), MICROSECOND]))
def test_hours_after_an_infusion_are_elapsed(
    at: datetime, offset: timezone, late: timedelta
) -> None:
    """Reactions and early premedication are told by 24 elapsed hours, in whatever offset."""
    given_at = Infusion(
        id="infusion-1",
        number=1,
        planned_day=at.date(),
        planned_cells=Decimal(1),
        started_at=at,
        day=at.date(),
        volume_ml=Decimal(120),
    )
    far = (at + 24 * HOUR + late).astimezone(offset)
    reaction = replace(fatal_event(at, SHANGHAI), term="Chills", grade=2, onset_at=far)
    assert bool(infusion_reactions(given_at, [reaction], DOSING)) is not bool(late)
    assert DOSING.premedication.is_too_early(at.astimezone(offset), far) is bool(late)


@settings(max_examples=100, deadline=None)
@given(at=instants, offset=offsets, late=st.sampled_from([timedelta(0), MICROSECOND]))
def test_a_transient_event_lasts_elapsed_hours(
    at: datetime, offset: timezone, late: timedelta
) -> None:
    """A fever that resolved within 24 hours is transient, also over a day of 23 or 25."""
    fever = dlt_cases.event(
        term="Fever", onset_at=at, end_at=(at + 24 * HOUR + late).astimezone(offset)
    )
    facts = replace(dlt_cases.course("A"), events=(fever,))
    (candidate,) = dlt_candidates(facts, window(facts, dlt_cases.RULES), dlt_cases.RULES)
    assert candidate.transient is not bool(late)


@settings(max_examples=100, deadline=None)
@given(at=instants, zone=zones, late=st.sampled_from([timedelta(0), MICROSECOND]))
def test_dexamethasone_is_flagged_for_elapsed_hours(
    at: datetime, zone: ZoneInfo, late: timedelta
) -> None:
    """Neutrophils are flagged through the 72nd hour after the premedication."""
    counted = at + 72 * HOUR + late
    premedicated = replace(
        response_cases.infusion(1, 0), premedication_given_at=at, started_at=at + HOUR
    )
    count = replace(response_cases.lab("ANC", 0, "2.0"), at=counted, day=day_in(zone, counted))
    flags = flag_result(
        Lineage.NEUTROPHIL, count, Exposures((), (), (premedicated,)), RESPONSE.confounders
    )
    assert bool(flags) is not bool(late)
    assert all(flag.code is MedicationClass.DEXAMETHASONE for flag in flags)
    assert Confounder.GRANULOCYTE_TRANSFUSION not in flags


def test_the_later_of_two_answers_in_an_hour_that_came_twice() -> None:
    """Clocks set back show the later answer as the earlier one; it counts all the same."""
    answers = [
        Attestation(
            id=f"answer-{fold}",
            criterion="E1",
            met=bool(fold),
            at=datetime(2026, 10, 25, 2, minute, tzinfo=BERLIN, fold=fold),
        )
        for fold, minute in ((1, 10), (0, 50))
    ]
    assert latest_answers(answers)["E1"].id == "answer-1"


@settings(max_examples=150, deadline=None)
@given(day=edge_days, zone=zones)
def test_a_day_as_sent_covers_the_local_day(day: date, zone: ZoneInfo) -> None:
    """From its first to its last instant, be it 23, 24 or 25 hours, and nothing beyond."""
    told = read_time(day.isoformat(), zone)
    assert told is not None
    assert day_in(zone, told.instant) == day_in(zone, told.end - MICROSECOND) == day
    assert day_in(zone, told.instant - MICROSECOND) == day - timedelta(days=1)
    assert day_in(zone, told.end) == day + timedelta(days=1)


@pytest.mark.parametrize(("text", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_the_length_of_a_day_as_sent(text: str, hours: int) -> None:
    """A day on which clocks change is shorter or longer; one told with an offset is not."""
    told, fixed = read_time(text, BERLIN), read_time(f"{text.replace('-', '')}+0100", BERLIN)
    assert told is not None
    assert fixed is not None
    assert told.end - told.instant == hours * HOUR
    assert fixed.end - fixed.instant == 24 * HOUR


@settings(max_examples=100, deadline=None)
@given(at=instants, zone=zones, ahead=st.timedeltas(-36 * HOUR, 36 * HOUR))
def test_a_moment_has_seen_what_its_day_and_instant_have(
    at: datetime, zone: ZoneInfo, ahead: timedelta
) -> None:
    """What has a day was seen from that local day on, what has an instant from the instant on."""
    then = At(at, day_in(zone, at))
    assert then.has_seen(at + ahead) is (ahead <= timedelta(0))
    assert then.has_seen(day_in(zone, at + ahead)) is (day_in(zone, at + ahead) <= day_in(zone, at))
