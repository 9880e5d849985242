"""The reporting clocks of adverse events: what starts them, what is due, and what was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.deviations import ReportState
from app.domain.expectedness import Expectedness, ReferenceVersion
from app.domain.facts import AdverseEvent as EventFact
from app.domain.protocol import ProtocolDefinition
from app.domain.report_course import due_reports, follow
from app.domain.reports_sent import SentReport, TrackedReport, track_reports
from app.domain.safety_reporting import Moment, ReportClass
from app.models import AdverseEvent, FollowUp, SafetyReport, SafetyRetraction
from app.services.event_versions import EventCourse, event_courses
from app.services.evidence import Scope
from app.services.evidence_mapping import local_day, moment_of
from app.services.history import as_of
from app.services.reference_safety import reference_versions

Recorded = TypeVar("Recorded", FollowUp, SafetyReport)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCourse:
    """How an event is classified for reporting, and each of its clocks; none when retracted."""

    worst_grade: int
    expectedness: Expectedness
    classes: frozenset[ReportClass]
    clocks: tuple[TrackedReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """What the clocks of some events rest on, by the event's id."""

    courses: Mapping[UUID, EventCourse]
    follow_ups: Mapping[UUID, list[FollowUp]]
    sent: Mapping[UUID, list[SafetyReport]]
    references: tuple[ReferenceVersion, ...]


async def report_courses(
    session: AsyncSession,
    scope: Scope,
    rows: Sequence[AdverseEvent],
    rules: ProtocolDefinition,
    at: datetime,
) -> dict[UUID, ReportCourse]:
    """Follow the reporting of events up to a moment, with what was known at the scope's."""
    if not rows:
        return {}
    ids = [row.id for row in rows]
    retracted = await retracted_ids(session, scope, ids)
    records = _Records(
        courses=await event_courses(session, scope, ids),
        follow_ups=await _standing(session, FollowUp, scope, ids, retracted),
        sent=await _standing(session, SafetyReport, scope, ids, retracted),
        references=await reference_versions(session, scope.study_id, scope.zone, scope.past),
    )
    return {row.id: _course(row, records, rules, moment_of(at, scope.zone)) for row in rows}


async def retracted_ids(
    session: AsyncSession, scope: Scope, event_ids: Collection[UUID]
) -> Mapping[UUID, SafetyRetraction]:
    """Find which reports and follow-ups of events were taken back, by their own ids."""
    entity = as_of(SafetyRetraction, scope.study_id, scope.past)
    query = select(entity).where(
        entity.study_id == scope.study_id, entity.adverse_event_id.in_(event_ids)
    )
    return {row.safety_report_id or row.follow_up_id: row for row in await session.scalars(query)}


async def _standing(
    session: AsyncSession,
    model: type[Recorded],
    scope: Scope,
    event_ids: Collection[UUID],
    retracted: Collection[UUID],
) -> Mapping[UUID, list[Recorded]]:
    """Read what was recorded of events and not taken back, the first first."""
    entity = as_of(model, scope.study_id, scope.past)
    query = select(entity).where(
        entity.study_id == scope.study_id, entity.adverse_event_id.in_(event_ids)
    )
    found: defaultdict[UUID, list[Recorded]] = defaultdict(list)
    for row in await session.scalars(query.order_by(entity.id)):
        if row.id not in retracted:
            found[row.adverse_event_id].append(row)
    return found


def _course(
    row: AdverseEvent, records: _Records, rules: ProtocolDefinition, now: Moment
) -> ReportCourse:
    zone = ZoneInfo(rules.study.time_zone)
    course = records.courses[row.id]
    received = [moment_of(each.received_at, zone) for each in records.follow_ups[row.id]]
    reporting = rules.safety_reporting
    found = follow(course.versions, received, records.references, reporting)
    due = () if row.retracted else due_reports(str(row.id), found.reached, reporting)
    sent = [_sent(each, zone) for each in records.sent[row.id]]
    return ReportCourse(
        worst_grade=course.worst_grade,
        expectedness=found.expectedness,
        classes=frozenset() if row.retracted else found.classes,
        clocks=track_reports(due, sent, now),
    )


def _sent(row: SafetyReport, zone: ZoneInfo) -> SentReport:
    return SentReport(
        id=str(row.id),
        jurisdiction=row.jurisdiction,
        kind=row.kind,
        event_version=row.event_version,
        counted_from=row.counted_from,
        sent=moment_of(row.sent_at, zone),
    )


async def report_states(
    session: AsyncSession,
    scope: Scope,
    events: Sequence[EventFact],
    rules: ProtocolDefinition,
    at: datetime,
) -> tuple[ReportState, ...]:
    """Tell what became of each report that is due on a subject's events, for its deviations."""
    # One that was changed may have been serious before.
    serious = {UUID(event.id) for event in events if event.seriousness or event.version > 1}
    entity = as_of(AdverseEvent, scope.study_id, scope.past)
    query = select(entity).where(entity.study_id == scope.study_id, entity.id.in_(serious))
    found = (await session.scalars(query.order_by(entity.id))).all() if serious else ()
    courses = await report_courses(session, scope, found, rules, at)
    today = local_day(at, scope.zone)
    return tuple(
        ReportState(
            due=clock.due,
            status=clock.status,
            day=clock.sent.sent.day if clock.sent else today,
        )
        for course in courses.values()
        for clock in course.clocks
    )
