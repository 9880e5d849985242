"""Which of the reports that are due were sent, by what, and whether in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from app.domain.errors import DomainError, conflict, invalid
from app.domain.safety_reporting import (
    ClockStart,
    DueReport,
    Moment,
    ReportClass,
    ReportKind,
    ReportStatus,
    report_status,
)

_gravity = (
    ReportClass.SERIOUS,
    ReportClass.SUSAR_OTHER,
    ReportClass.SUSAR_FATAL_OR_LIFE_THREATENING,
).index


@dataclass(frozen=True, slots=True, kw_only=True)
class SentReport:
    """A report that was sent and not taken back; `counted_from` names the clock it was for.

    `event_version` is the version of the event that it told of.
    """

    id: str
    jurisdiction: str
    kind: ReportKind
    event_version: int
    counted_from: datetime
    sent: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedReport:
    """A report that is due, what became of it by now, and what was sent, None for nothing."""

    due: DueReport
    status: ReportStatus
    sent: SentReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What somebody wants to record as sent."""

    jurisdiction: str
    kind: ReportKind
    event_version: int
    counted_from: datetime
    sent: Moment
    late_reason: str | None


def track_reports(
    due: Iterable[DueReport], sent: Sequence[SentReport], now: Moment
) -> tuple[TrackedReport, ...]:
    """Put beside each due report the first that answers it, with the status that follows.

    Of a class that was corrected only those are left that were late by then. Two classes that ask
    for one kind of report from one moment have one clock, that of the graver.
    """
    found: dict[tuple[str, ReportKind, datetime], TrackedReport] = {}
    for each in due:
        key = (each.jurisdiction, each.kind, each.counted_from.at)
        other = found.get(key)
        graver = other is None or _gravity(each.concerns) > _gravity(other.due.concerns)
        tracked = _tracked(each, sent, now)
        if graver and _stays(tracked):
            found[key] = tracked
    return tuple(found.values())


def answers(sent: SentReport, due: DueReport) -> bool:
    """Tell whether a report answers a clock.

    New information is answered by the report that names it. A report on the event itself answers
    the clock when it was sent after the site's awareness, even if that instant was corrected
    since, and tells of the version that became what is reported, or of a later one.
    """
    if (sent.jurisdiction, sent.kind) != (due.jurisdiction, due.kind):
        return False
    if due.starts is ClockStart.NEW_INFORMATION:
        return sent.counted_from == due.counted_from.at
    return sent.event_version >= due.event_version and sent.sent.at >= due.counted_from.at


def check_sending(sending: Sending, tracked: Iterable[TrackedReport], now: Moment) -> None:
    """Refuse a report that no clock asks for, or one that is out of time without a reason.

    Raises conflict for no such clock and for one that is answered, invalid for a sending before
    the clock began or in the future, and for a late one without its reason.
    """
    clock = next((each for each in tracked if _names(sending, each.due)), None)
    if clock is None:
        raise conflict(
            "no_such_clock",
            "No clock of this event has this jurisdiction, kind and start; read its safety"
            " reports and name one of the clocks there.",
        )
    if clock.sent is not None:
        raise conflict(
            "report_sent",
            "A report for this clock is on record; take it back first if it is mistaken.",
        )
    _check_moment(sending, now)
    if sending.event_version < clock.due.event_version:
        raise invalid(
            "version_before_start",
            "That version of the event was not yet what this clock is about; report a later one.",
            "/body/event_version",
        )
    late = report_status(clock.due, sending.sent, now) is ReportStatus.SENT_LATE
    if late and sending.late_reason is None:
        raise invalid(
            "late_reason_missing",
            "This report was sent after it was due; say why.",
            "/body/late_reason",
        )
    if not late and sending.late_reason is not None:
        raise invalid(
            "late_reason_not_needed",
            "This report was sent in time; leave the reason for lateness out.",
            "/body/late_reason",
        )


def overdue_from(due: DueReport, zone: tzinfo) -> datetime:
    """Return the instant up to which a report is in time; of a day, the end of it in the zone."""
    if due.due_at is not None:
        return due.due_at
    assert due.due_day is not None  # a clock runs for hours or for days
    return datetime.combine(due.due_day + timedelta(days=1), time(), zone).astimezone(UTC)


def _check_moment(sending: Sending, now: Moment) -> None:
    if sending.sent.at > now.at:
        raise _at_fault(
            "future_moment", "sent_at lies in the future; give when the report was sent."
        )
    if sending.sent.at < sending.counted_from:
        raise _at_fault(
            "sent_before_start",
            "Nothing is reported before its clock began; correct sent_at or name another clock.",
        )


def _at_fault(code: str, sentence: str) -> DomainError:
    return invalid(code, sentence, "/body/sent_at")


def _names(sending: Sending, due: DueReport) -> bool:
    return (sending.jurisdiction, sending.kind, sending.counted_from) == (
        due.jurisdiction,
        due.kind,
        due.counted_from.at,
    )


def _stays(tracked: TrackedReport) -> bool:
    """Tell whether a clock runs on; a correction stops it, but undoes no lateness."""
    until = tracked.due.corrected
    if until is None:
        return True
    sent = tracked.sent.sent if tracked.sent and tracked.sent.sent.at <= until.at else None
    return report_status(tracked.due, sent, until) in (
        ReportStatus.OVERDUE,
        ReportStatus.SENT_LATE,
    )


def _tracked(due: DueReport, sent: Sequence[SentReport], now: Moment) -> TrackedReport:
    fitting = [each for each in sent if answers(each, due)]
    first = min(fitting, key=lambda each: (each.sent.at, each.id), default=None)
    status = report_status(due, first.sent if first else None, now)
    return TrackedReport(due=due, status=status, sent=first)
