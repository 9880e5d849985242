"""Reports sent: which clock each answers, whether it was in time, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.reports_sent import (
    Sending,
    SentReport,
    answers,
    check_sending,
    overdue_from,
    track_reports,
)
from app.domain.safety_reporting import (
    ClockStart,
    DueReport,
    Moment,
    ReportClass,
    ReportKind,
    ReportRecipient,
    ReportStatus,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def moment(at: datetime) -> Moment:
    """Place an instant in the study's calendar."""
    return Moment(at, at.astimezone(SHANGHAI).date())


AWARE = moment(datetime(2026, 6, 1, 2, tzinfo=UTC))
INITIAL = DueReport(
    kind=ReportKind.SUSAR_INITIAL,
    concerns=ReportClass.SUSAR_FATAL_OR_LIFE_THREATENING,
    jurisdiction="CN",
    recipient=ReportRecipient.AUTHORITY_AND_ETHICS_COMMITTEE,
    starts=ClockStart.AWARENESS,
    counted_from=AWARE,
    due_at=None,
    due_day=date(2026, 6, 8),
    evidence=("event-1",),
    rule="rule",
)
NEWS = replace(
    INITIAL,
    kind=ReportKind.SUSAR_NEW_INFORMATION,
    starts=ClockStart.NEW_INFORMATION,
    counted_from=moment(AWARE.at + timedelta(days=2)),
    due_day=date(2026, 6, 18),
)
TO_SPONSOR = replace(
    INITIAL,
    kind=ReportKind.SERIOUS_INITIAL,
    due_at=AWARE.at + timedelta(hours=24),
    due_day=None,
)


def sent(due: DueReport, at: datetime, **changes: object) -> SentReport:
    """Send a report for a clock."""
    report = SentReport(
        id="report-1",
        jurisdiction=due.jurisdiction,
        kind=due.kind,
        event_version=1,
        counted_from=due.counted_from.at,
        sent=moment(at),
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def after(days: int, **more: int) -> datetime:
    """Return an instant after the awareness."""
    return AWARE.at + timedelta(days=days, **more)


NOW = moment(after(40))
MIDNIGHT = datetime(2026, 6, 9, tzinfo=SHANGHAI)
INSTANT = timedelta(microseconds=1)


def test_each_clock_gets_what_answers_it() -> None:
    """A report in time, a late one, an open clock and an overdue one, side by side."""
    late = sent(NEWS, after(30))
    tracked = track_reports(
        (TO_SPONSOR, INITIAL, NEWS), (sent(INITIAL, after(6)), late), moment(after(31))
    )
    assert [each.status for each in tracked] == [
        ReportStatus.OVERDUE, ReportStatus.SENT, ReportStatus.SENT_LATE,
    ]  # fmt: skip
    assert tracked[2].sent is late
    (open_,) = track_reports((INITIAL,), (), moment(after(6)))
    assert (open_.status, open_.sent) == (ReportStatus.OPEN, None)


def test_the_first_report_counts() -> None:
    """A second report of the same kind does not make the first one late."""
    first, second = sent(INITIAL, after(3)), sent(INITIAL, after(20), id="report-0")
    (tracked,) = track_reports((INITIAL,), (second, first), moment(after(30)))
    assert (tracked.sent, tracked.status) == (first, ReportStatus.SENT)


def test_another_kind_or_jurisdiction_answers_nothing() -> None:
    """Each regulator gets its own report of each kind."""
    at = after(1)
    assert answers(sent(INITIAL, at), INITIAL)
    assert not answers(sent(INITIAL, at, jurisdiction="EU"), INITIAL)
    assert not answers(sent(INITIAL, at, kind=ReportKind.SUSAR_COMPLETE), INITIAL)


@settings(max_examples=100)
@given(moved=st.integers(-72, 72), sent_after=st.integers(0, 72))
def test_a_corrected_awareness_keeps_the_report_that_came_after_it(
    moved: int, sent_after: int
) -> None:
    """What was sent before the event became as serious as it is answers nothing; later it does."""
    report = sent(INITIAL, AWARE.at + timedelta(hours=sent_after))
    corrected = replace(INITIAL, counted_from=moment(AWARE.at + timedelta(hours=moved)))
    assert answers(report, corrected) is (sent_after >= moved)


def test_a_report_of_the_version_before_answers_nothing() -> None:
    """What was told of the event before it became this grave is no report of that."""
    graver = replace(INITIAL, event_version=3)
    assert not answers(sent(INITIAL, after(1), event_version=2), graver)
    assert answers(sent(INITIAL, after(1), event_version=3), graver)
    assert answers(sent(INITIAL, after(1), event_version=4), graver)


def test_a_correction_stops_what_is_not_late_and_nothing_else() -> None:
    """At the last instant of the deadline the clock is gone, an instant later it is overdue."""
    for corrected_at, left in ((MIDNIGHT - INSTANT, []), (MIDNIGHT, [ReportStatus.OVERDUE])):
        due = replace(INITIAL, corrected=moment(corrected_at))
        assert [each.status for each in track_reports((due,), (), NOW)] == left
    due = replace(INITIAL, corrected=moment(after(20)))
    for sent_at, left in (
        (after(3), []),
        (after(15), [ReportStatus.SENT_LATE]),
        (after(25), [ReportStatus.SENT_LATE]),
    ):
        tracked = track_reports((due,), (sent(INITIAL, sent_at),), NOW)
        assert [each.status for each in tracked] == left


def test_two_classes_have_one_clock_for_one_report() -> None:
    """The graver one's, in whatever order they are listed; from another start there are two."""
    milder = replace(INITIAL, concerns=ReportClass.SUSAR_OTHER, due_day=date(2026, 6, 16))
    for both in ((INITIAL, milder), (milder, INITIAL)):
        (tracked,) = track_reports(both, (), NOW)
        assert tracked.due is INITIAL
    taken_back = replace(INITIAL, corrected=moment(after(2)))
    (tracked,) = track_reports((milder, taken_back), (), NOW)
    assert tracked.due is milder
    later = replace(milder, counted_from=moment(after(1)))
    assert len(track_reports((INITIAL, later), (), NOW)) == 2


def test_new_information_is_answered_by_its_own_report() -> None:
    """A report on other news does not answer, however late it was sent."""
    other = after(3)
    assert answers(sent(NEWS, after(9)), NEWS)
    assert not answers(sent(NEWS, after(9), counted_from=other), NEWS)


def test_a_deadline_is_an_instant() -> None:
    """Hours end at their instant, days with the local midnight after them."""
    assert overdue_from(TO_SPONSOR, SHANGHAI) == after(1)
    assert overdue_from(INITIAL, SHANGHAI) == datetime(2026, 6, 9, tzinfo=SHANGHAI)


def wish(at: datetime, **changes: object) -> Sending:
    """Wish to record the initial report."""
    sending = Sending(
        jurisdiction="CN",
        kind=INITIAL.kind,
        event_version=1,
        counted_from=AWARE.at,
        sent=moment(at),
        late_reason=None,
    )
    return replace(sending, **changes)  # type: ignore[arg-type]


def test_a_report_in_time_is_taken_and_a_late_one_with_its_reason() -> None:
    """The last instant of the last day needs no reason, the next one does."""
    tracked = track_reports((INITIAL,), (), NOW)
    check_sending(wish(MIDNIGHT - timedelta(microseconds=1)), tracked, NOW)
    check_sending(wish(AWARE.at), tracked, NOW)
    check_sending(wish(NOW.at, late_reason="Portal was down."), tracked, NOW)


@pytest.mark.parametrize(
    ("sending", "code"),
    [
        (wish(MIDNIGHT), "late_reason_missing"),
        (wish(after(1), late_reason="None."), "late_reason_not_needed"),
        (wish(after(1), jurisdiction="EU"), "no_such_clock"),
        (wish(after(1), counted_from=after(1)), "no_such_clock"),
        (wish(after(1), kind=ReportKind.SUSAR_COMPLETE), "no_such_clock"),
        (wish(after(40, microseconds=1), late_reason="None."), "future_moment"),
        (wish(AWARE.at - timedelta(microseconds=1)), "sent_before_start"),
        (wish(after(1), event_version=0), "version_before_start"),
    ],
)
def test_what_is_refused(sending: Sending, code: str) -> None:
    """No clock, no such moment, and lateness that is not accounted for."""
    with pytest.raises(DomainError) as refused:
        check_sending(sending, track_reports((INITIAL,), (), NOW), NOW)
    assert refused.value.code == code


def test_a_clock_is_answered_once() -> None:
    """A second report for the same clock is refused until the first is taken back."""
    tracked = track_reports((INITIAL,), (sent(INITIAL, after(2)),), NOW)
    with pytest.raises(DomainError) as refused:
        check_sending(wish(after(3)), tracked, NOW)
    assert refused.value.code == "report_sent"
