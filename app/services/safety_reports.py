"""Safety reports: what is due on adverse events, and what the site recorded as sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, invalid, not_found
from app.domain.expectedness import Expectedness
from app.domain.reports_sent import Sending, TrackedReport, check_sending, overdue_from
from app.domain.safety_reporting import (
    ClockStart,
    ReportClass,
    ReportKind,
    ReportRecipient,
    ReportStatus,
)
from app.models import AdverseEvent, SafetyReport, SafetyRetraction, Subject
from app.schemas.safety_reports import SafetyReportCreate
from app.services.access import Actor
from app.services.evidence import Scope
from app.services.evidence_mapping import moment_of
from app.services.history import as_of, fetch, lock, rows
from app.services.locks import share_study
from app.services.protocols import active_protocol
from app.services.report_clocks import report_courses, retracted_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedReport:
    """A report's row, and whether it was taken back."""

    row: SafetyReport
    retracted: bool
    retraction_reason: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the report's."""
        return getattr(self.row, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One clock with what became of it."""

    kind: ReportKind
    concerns: ReportClass
    jurisdiction: str
    recipient: ReportRecipient
    starts: ClockStart
    counted_from: datetime
    counted_from_day: date
    due_at: datetime | None
    due_day: date | None
    status: ReportStatus
    report_id: str | None
    sent_at: datetime | None
    rule: str
    event_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReports:
    """How one event is classified, its clocks, and every report on record."""

    adverse_event_id: UUID
    event_version: int
    subject_id: UUID
    term: str
    worst_grade: int
    retracted: bool
    serious: bool
    classes: tuple[ReportClass, ...]
    expectedness: Expectedness
    clocks: tuple[Clock, ...]
    reports: tuple[RecordedReport, ...]
    protocol_version: int
    protocol_digest: str
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOfSubject(Clock):
    """One clock of one subject's event."""

    subject_id: UUID
    subject_number: str
    adverse_event_id: UUID
    term: str
    worst_grade: int
    protocol_version: int
    protocol_digest: str
    as_of: datetime


async def list_safety_reports(
    session: AsyncSession,
    actor: Actor,
    only: tuple[UUID | None, ReportStatus | None],
    at: datetime,
    past: datetime | None,
) -> list[DueOfSubject]:
    """List the clocks of all events, of one subject or status, what is due first first."""
    subject_id, status = only
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    if subject_id is not None:
        await fetch(session, Subject, actor.study_id, subject_id, past)
    events = {row.id: row for row in await events_with_clocks(session, scope)}
    numbers = await _numbers(session, scope)
    courses = await report_courses(session, scope, list(events.values()), protocol.rules, at)
    found = [
        (overdue_from(clock.due, scope.zone), events[event_id], course, clock)
        for event_id, course in courses.items()
        for clock in course.clocks
        if status in (None, clock.status)
    ]
    return [
        DueOfSubject(
            **_clock(clock),
            subject_id=row.subject_id,
            subject_number=numbers[row.subject_id],
            adverse_event_id=row.id,
            term=row.term,
            worst_grade=course.worst_grade,
            **protocol.basis(at),
        )
        for _, row, course, clock in sorted(found, key=lambda each: (each[0], each[1].id))
    ]


async def read_event_reports(
    session: AsyncSession, actor: Actor, event_id: UUID, at: datetime, past: datetime | None
) -> EventReports:
    """Read what is due on one event and what was sent; raise not_found."""
    row = await fetch(session, AdverseEvent, actor.study_id, event_id, past)
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, row.subject_id)
    course = (await report_courses(session, scope, [row], protocol.rules, at))[row.id]
    return EventReports(
        adverse_event_id=row.id,
        event_version=row.version,
        subject_id=row.subject_id,
        term=row.term,
        worst_grade=course.worst_grade,
        retracted=row.retracted,
        serious=bool(row.seriousness),
        classes=tuple(sorted(course.classes)),
        expectedness=course.expectedness,
        clocks=tuple(Clock(**_clock(clock)) for clock in course.clocks),
        reports=await _recorded(session, scope, row.id),
        **protocol.basis(at),
    )


async def record_safety_report(
    session: AsyncSession, actor: Actor, event_id: UUID, wanted: SafetyReportCreate, now: datetime
) -> SafetyReport:
    """Record a report as sent.

    Raises conflict when no open clock asks for it, invalid for a moment that cannot be, a version
    that the event does not have, and lateness without a reason.
    """
    await share_study(session, actor.study_id)
    event = await lock(session, AdverseEvent, actor.study_id, event_id, None)
    if wanted.event_version is not None and wanted.event_version > event.version:
        raise invalid(
            "no_such_version",
            "The event does not have this version yet; name the one that was reported.",
            "/body/event_version",
        )
    await _check(session, actor, event, wanted, now)
    row = SafetyReport(
        study_id=actor.study_id,
        id=new_id(),
        adverse_event_id=event.id,
        **wanted.model_dump(exclude={"event_version"}),
        event_version=wanted.event_version or event.version,
    )
    session.add(row)
    await session.flush()
    return row


async def retract_safety_report(
    session: AsyncSession, actor: Actor, event_id: UUID, report_id: UUID, reason: str
) -> SafetyRetraction:
    """Take a mistaken report back, so that its clock is open again; raise conflict the second time.

    Raises not_found for a report of another event.
    """
    await lock(session, AdverseEvent, actor.study_id, event_id, None)
    report = await fetch(session, SafetyReport, actor.study_id, report_id)
    if report.adverse_event_id != event_id:
        raise not_found("safety report")
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone))
    if report_id in await retracted_ids(session, scope, [event_id]):
        raise conflict(
            "retracted_already", "This report was taken back already; leave it as it is."
        )
    row = SafetyRetraction(
        study_id=actor.study_id,
        id=new_id(),
        adverse_event_id=event_id,
        safety_report_id=report_id,
        reason=reason,
    )
    session.add(row)
    await session.flush()
    return row


async def _check(
    session: AsyncSession,
    actor: Actor,
    event: AdverseEvent,
    wanted: SafetyReportCreate,
    now: datetime,
) -> None:
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, event.subject_id)
    courses = await report_courses(session, scope, [event], protocol.rules, now)
    sending = Sending(
        jurisdiction=wanted.jurisdiction,
        kind=wanted.kind,
        event_version=wanted.event_version or event.version,
        counted_from=wanted.counted_from,
        sent=moment_of(wanted.sent_at, scope.zone),
        late_reason=wanted.late_reason,
    )
    check_sending(sending, courses[event.id].clocks, moment_of(now, scope.zone))


async def events_with_clocks(session: AsyncSession, scope: Scope) -> Sequence[AdverseEvent]:
    """Read the events that may have clocks: serious by now or before, and not retracted."""
    query = rows(AdverseEvent, scope.study_id, scope.past)
    entity = query.column_descriptions[0]["entity"]
    ever_serious = or_(func.cardinality(entity.seriousness) > 0, entity.version > 1)
    query = query.where(ever_serious, entity.retracted.is_(False))
    if scope.subject_id is not None:
        query = query.where(entity.subject_id == scope.subject_id)
    return (await session.scalars(query)).all()


async def _numbers(session: AsyncSession, scope: Scope) -> dict[UUID, str]:
    entity = as_of(Subject, scope.study_id, scope.past)
    query = select(entity.id, entity.number).where(entity.study_id == scope.study_id)
    return {row.id: row.number for row in await session.execute(query)}


async def _recorded(
    session: AsyncSession, scope: Scope, event_id: UUID
) -> tuple[RecordedReport, ...]:
    """List every report on an event, the first recorded first."""
    taken_back = await retracted_ids(session, scope, [event_id])
    query = rows(SafetyReport, scope.study_id, scope.past)
    entity = query.column_descriptions[0]["entity"]
    found = await session.scalars(query.where(entity.adverse_event_id == event_id))
    return tuple(
        RecordedReport(
            row=row,
            retracted=row.id in taken_back,
            retraction_reason=taken_back[row.id].reason if row.id in taken_back else None,
        )
        for row in found
    )


def _clock(clock: TrackedReport) -> dict[str, Any]:
    due, sent = clock.due, clock.sent
    return {
        "kind": due.kind,
        "concerns": due.concerns,
        "jurisdiction": due.jurisdiction,
        "recipient": due.recipient,
        "starts": due.starts,
        "counted_from": due.counted_from.at,
        "counted_from_day": due.counted_from.day,
        "due_at": due.due_at,
        "due_day": due.due_day,
        "status": clock.status,
        "report_id": sent.id if sent else None,
        "sent_at": sent.sent.at if sent else None,
        "rule": due.rule,
        "event_version": due.event_version,
    }
