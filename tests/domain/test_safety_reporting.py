"""Reporting clocks: worked examples, then the last moment of every deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.facts import AdverseEvent
from app.domain.report_course import Reached, due_reports
from app.domain.safety_reporting import (
    ClockStart,
    DueReport,
    Moment,
    ReportClass,
    ReportClock,
    ReportKind,
    ReportRecipient,
    ReportStatus,
    SafetyReportingRules,
    report_classes,
    report_status,
)
from app.domain.vocabulary import Causality, SeriousnessCriterion
from tests.protocol_data import section

RULES = section("safety_reporting", SafetyReportingRules)
SHANGHAI = ZoneInfo("Asia/Shanghai")
ONSET = datetime(2026, 2, 10, 12, tzinfo=SHANGHAI)
EVENT = AdverseEvent(
    id="event-1",
    term="Sepsis",
    soc="Infections and infestations",
    grade=4,
    onset_at=ONSET,
    onset_day=ONSET.date(),
    causality=Causality.POSSIBLE,
    seriousness=frozenset({SeriousnessCriterion.HOSPITALIZATION}),
)
DEATH = frozenset({SeriousnessCriterion.DEATH})


def moment(at: datetime) -> Moment:
    """Place an instant in the study's calendar."""
    return Moment(at, at.astimezone(SHANGHAI).date())


AWARE = moment(datetime(2026, 2, 27, 15, tzinfo=SHANGHAI))


def due_on(
    event: AdverseEvent,
    expected: bool | None,
    aware: Moment = AWARE,
    *news: Moment,
    rules: SafetyReportingRules = RULES,
) -> tuple[DueReport, ...]:
    """List what is due on an event that is at once what it is."""
    reached = [
        Reached(concerns=concerns, version=1, aware=aware, news=news)
        for concerns in report_classes(event, expected, rules)
    ]
    return due_reports(event.id, reached, rules)


def deadlines(event: AdverseEvent, expected: bool | None) -> list[tuple[str, object]]:
    """List the reports due after awareness with their deadlines."""
    return [
        (report.kind.value, report.due_at or report.due_day) for report in due_on(event, expected)
    ]


DAY_LATER = ("serious_initial", AWARE.at + timedelta(hours=24))


def test_fatal_susar() -> None:
    """Seven calendar days for the first report, eight more for the complete one."""
    fatal = replace(EVENT, grade=5, seriousness=DEATH)
    assert deadlines(fatal, False) == [
        DAY_LATER,
        ("susar_initial", date(2026, 3, 6)),
        ("susar_complete", date(2026, 3, 14)),
    ]


def test_life_threatening_susar_counts_as_fatal() -> None:
    """One fast criterion among several is enough."""
    seriousness = frozenset(
        {SeriousnessCriterion.LIFE_THREATENING, SeriousnessCriterion.HOSPITALIZATION}
    )
    assert len(deadlines(replace(EVENT, seriousness=seriousness), False)) == 3


def test_other_susar() -> None:
    """Fifteen calendar days, across the end of February."""
    assert deadlines(EVENT, False) == [DAY_LATER, ("susar_initial", date(2026, 3, 14))]


def test_leap_day_counts() -> None:
    """In a leap year the fifteenth day comes one date earlier."""
    aware = moment(datetime(2028, 2, 27, 15, tzinfo=SHANGHAI))
    assert due_on(EVENT, False, aware)[1].due_day == date(2028, 3, 13)


def test_the_awareness_day_is_local() -> None:
    """Half past midnight in Shanghai is a new day although it is not one in UTC."""
    aware = moment(datetime(2026, 3, 1, 16, 30, tzinfo=UTC))
    assert aware.day == date(2026, 3, 2)
    assert due_on(EVENT, False, aware)[1].due_day == date(2026, 3, 17)


def test_expected_or_unrelated_serious_event_goes_to_the_sponsor_only() -> None:
    """Without suspicion or surprise there is no SUSAR."""
    assert deadlines(EVENT, True) == [DAY_LATER]
    assert deadlines(replace(EVENT, causality=Causality.UNLIKELY), False) == [DAY_LATER]


def test_an_event_that_is_not_serious_is_not_reported() -> None:
    """A severe grade alone starts no clock: serious is not severe."""
    assert deadlines(replace(EVENT, grade=4, seriousness=frozenset()), False) == []


def test_unknown_judgements_are_taken_for_the_worse() -> None:
    """A missing causality is related and an undecided expectedness is unexpected."""
    assert deadlines(replace(EVENT, causality=None), None) == deadlines(EVENT, False)
    trusting = replace(
        RULES,
        undecided_is_unexpected=False,
        relatedness=replace(RULES.relatedness, missing_counts=False),
    )
    serious_only = frozenset({ReportClass.SERIOUS})
    assert report_classes(EVENT, None, trusting) == serious_only
    assert report_classes(replace(EVENT, causality=None), False, trusting) == serious_only


def test_new_information_starts_its_own_clock() -> None:
    """Each piece of new information on a SUSAR is due fifteen days after it came."""
    first, second = (moment(AWARE.at + timedelta(days=days)) for days in (10, 40))
    reports = due_on(EVENT, False, AWARE, first, second)
    follow_ups = [report for report in reports if report.kind is ReportKind.SUSAR_NEW_INFORMATION]
    assert [(report.counted_from, report.due_day) for report in follow_ups] == [
        (first, first.day + timedelta(days=15)),
        (second, second.day + timedelta(days=15)),
    ]
    expected = due_on(EVENT, True, AWARE, first, second)
    assert [report.kind for report in expected] == [ReportKind.SERIOUS_INITIAL]


def test_a_due_report_says_what_it_rests_on() -> None:
    """Jurisdiction, recipient, event and rule are named."""
    first = due_on(EVENT, False)[0]
    assert first == DueReport(
        kind=ReportKind.SERIOUS_INITIAL,
        concerns=ReportClass.SERIOUS,
        jurisdiction="CN",
        recipient=ReportRecipient.SPONSOR,
        starts=ClockStart.AWARENESS,
        counted_from=AWARE,
        due_at=AWARE.at + timedelta(hours=24),
        due_day=None,
        evidence=("event-1",),
        rule="safety_reporting.jurisdictions.CN.serious_initial.serious",
    )


@pytest.mark.parametrize("causality", [None, *Causality])
def test_causality_from_possible_on_makes_a_susar(causality: Causality | None) -> None:
    """Possible or more, or not judged yet, is a suspicion."""
    classes = report_classes(replace(EVENT, causality=causality), False, RULES)
    innocent = causality in {Causality.UNLIKELY, Causality.UNRELATED}
    assert (ReportClass.SUSAR_OTHER in classes) is not innocent


def test_deadline_in_hours_to_the_second() -> None:
    """A report at the deadline is in time and one second later is not."""
    due = due_on(EVENT, True)[0]
    deadline = AWARE.at + timedelta(hours=24)
    late = moment(deadline + timedelta(seconds=1))
    assert report_status(due, moment(deadline), late) is ReportStatus.SENT
    assert report_status(due, late, late) is ReportStatus.SENT_LATE
    assert report_status(due, None, moment(deadline)) is ReportStatus.OPEN
    assert report_status(due, None, late) is ReportStatus.OVERDUE


@settings(max_examples=100, deadline=None)
@given(
    day=st.dates(min_value=date(2026, 1, 1), max_value=date(2029, 12, 31)),
    hour=st.integers(min_value=0, max_value=23),
)
def test_deadline_in_days_holds_until_local_midnight(day: date, hour: int) -> None:
    """Whatever the hour of awareness, the last minute of the last local day is in time."""
    aware = moment(datetime.combine(day, time(hour), SHANGHAI))
    due = due_on(EVENT, False, aware)[1]
    last_day = day + timedelta(days=15)
    in_time = moment(datetime.combine(last_day, time(23, 59), SHANGHAI))
    too_late = moment(datetime.combine(last_day + timedelta(days=1), time(0), SHANGHAI))
    assert report_status(due, None, in_time) is ReportStatus.OPEN
    assert report_status(due, None, too_late) is ReportStatus.OVERDUE
    assert report_status(due, in_time, too_late) is ReportStatus.SENT
    assert report_status(due, too_late, too_late) is ReportStatus.SENT_LATE


@pytest.mark.parametrize(("hours", "days"), [(None, None), (24, 1), (0, None), (None, 0)])
def test_a_clock_has_one_unit(hours: int | None, days: int | None) -> None:
    """A clock runs for hours or for days, and for some time."""
    with pytest.raises(ValueError, match="must run"):
        ReportClock(
            kind=ReportKind.SUSAR_INITIAL,
            concerns=ReportClass.SUSAR_OTHER,
            recipient=ReportRecipient.SPONSOR,
            starts=ClockStart.AWARENESS,
            hours=hours,
            days=days,
        )


def test_rules_list_each_clock_once() -> None:
    """A repeated jurisdiction or clock is refused; a second jurisdiction adds its clocks."""
    (china,) = RULES.jurisdictions
    with pytest.raises(ValueError, match="listed once"):
        replace(RULES, jurisdictions=(china, china))
    with pytest.raises(ValueError, match="listed once"):
        replace(RULES, jurisdictions=(replace(china, clocks=china.clocks * 2),))
    both = replace(RULES, jurisdictions=(china, replace(china, name="EU")))
    reports = due_on(EVENT, True, rules=both)
    assert [report.jurisdiction for report in reports] == ["CN", "EU"]
