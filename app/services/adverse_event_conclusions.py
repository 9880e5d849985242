"""What follows from adverse events: emergence, special interest, DLT standing, due reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.ctcae.terms import special_interest
from app.domain.dlt_standing import NOT_ENROLLED, RETRACTED, DltStanding, standings
from app.domain.protocol import ProtocolDefinition
from app.domain.safety_reporting import DueReport, Moment, due_reports, is_treatment_emergent
from app.domain.vocabulary import SpecialInterest
from app.models import AdverseEvent, Change, Disposition, Infusion
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.evidence_mapping import adverse_event, local_day
from app.services.protocols import active_protocol

# Beside the tables that are always read, what decides on dose-limiting toxicity.
DLT_TABLES = (Infusion, Disposition)
# A change of any of these is news to whoever received a report of the event.
_REPORTED = (
    "term", "grade", "onset_at", "ended_at", "seriousness", "expected", "causality",
    "causality_premedication", "causality_car_t", "causality_disease", "outcome", "narrative",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GradeSince:
    """A grade and since when it has been on record."""

    grade: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseEventWithConclusions:
    """An event's row beside what follows from the records."""

    row: AdverseEvent
    serious: bool
    treatment_emergent: bool
    special_interest: tuple[SpecialInterest, ...]
    grade_history: tuple[GradeSince, ...]
    dlt: DltStanding
    due_reports: tuple[DueReport, ...]
    protocol_version: int
    protocol_digest: str
    as_of: datetime

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the event's."""
        return getattr(self.row, name)


async def conclude(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[AdverseEvent],
    at: datetime,
    past: datetime | None,
) -> list[AdverseEventWithConclusions]:
    """Put what follows from the records beside each event."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    zone = ZoneInfo(actor.time_zone)
    courses = await _courses(session, Scope(actor.study_id, zone, past), rows, protocol.rules)
    trail = await _trail(session, actor.study_id, [row.id for row in rows], past)
    return [
        AdverseEventWithConclusions(
            row=row,
            serious=bool(row.seriousness),
            treatment_emergent=not row.retracted
            and is_treatment_emergent(
                adverse_event(row, zone), courses[row.subject_id].first_infusion_day
            ),
            special_interest=tuple(sorted(special_interest(row.term))),
            grade_history=_grade_history(trail[row.id]),
            dlt=courses[row.subject_id].standings.get(str(row.id), RETRACTED),
            due_reports=_due_reports(row, trail[row.id], protocol.rules, zone),
            **protocol.basis(at),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class DltCourse:
    """When a subject's treatment began, and how its events stand as possible DLTs, by their id."""

    first_infusion_day: date | None
    standings: Mapping[str, DltStanding]


def dlt_course(evidence: SubjectEvidence, rules: ProtocolDefinition) -> DltCourse:
    """Follow a subject's events through the treatment on the level it is enrolled on."""
    if evidence.place is None:
        ids = (event.id for event in evidence.events)
        return DltCourse(None, dict.fromkeys(ids, NOT_ENROLLED))
    facts = evidence.dlt_facts(rules.dosing.level(evidence.place.dose_level))
    attempted = facts.attempted
    return DltCourse(attempted[0].day if attempted else None, standings(facts, rules.dlt))


async def _courses(
    session: AsyncSession, scope: Scope, rows: Sequence[AdverseEvent], rules: ProtocolDefinition
) -> Mapping[UUID, DltCourse]:
    """Follow the subjects of events; one subject is loaded alone."""
    subjects = {row.subject_id for row in rows}
    if not subjects:
        return {}
    if len(subjects) == 1:
        scope = replace(scope, subject_id=subjects.pop())
    found = await load_subjects(session, scope, DLT_TABLES)
    return {evidence.subject_id: dlt_course(evidence, rules) for evidence in found}


async def _trail(
    session: AsyncSession, study_id: UUID, event_ids: Collection[UUID], past: datetime | None
) -> Mapping[UUID, list[Change]]:
    """Read the changes of events, oldest first."""
    query = select(Change).where(
        Change.study_id == study_id,
        Change.table_name == AdverseEvent.__tablename__,
        Change.record_id.in_(event_ids),
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    trail: defaultdict[UUID, list[Change]] = defaultdict(list)
    for change in await session.scalars(query.order_by(Change.id)):
        trail[change.record_id].append(change)
    return trail


def _grade_history(trail: Sequence[Change]) -> tuple[GradeSince, ...]:
    """List the grades in the order in which they were recorded."""
    history: list[GradeSince] = []
    for change in trail:
        grade = (change.new or {})["grade"]
        if not history or history[-1].grade != grade:
            history.append(GradeSince(grade, change.recorded_at))
    return tuple(history)


def _due_reports(
    row: AdverseEvent, trail: Sequence[Change], rules: ProtocolDefinition, zone: ZoneInfo
) -> tuple[DueReport, ...]:
    """List the reports due on an event; a change once it was serious is new information."""
    if row.retracted:
        return ()
    news = [
        _moment(change.recorded_at, zone)
        for change in trail
        if change.old and change.new and change.old["seriousness"]
        if any(change.old[name] != change.new[name] for name in _REPORTED)
    ]
    return due_reports(
        adverse_event(row, zone),
        row.expected,
        _moment(row.aware_at, zone),
        news,
        rules.safety_reporting,
    )


def _moment(at: datetime, zone: ZoneInfo) -> Moment:
    return Moment(at, local_day(at, zone))
