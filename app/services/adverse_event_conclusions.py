"""What follows from adverse events: emergence, special interest, DLT standing, due reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.ctcae.terms import special_interest
from app.domain.dlt_standing import NOT_ENROLLED, RETRACTED, DltStanding, standings
from app.domain.expectedness import Expectedness
from app.domain.grade_history import worst_grade
from app.domain.protocol import ProtocolDefinition
from app.domain.safety_reporting import DueReport, is_treatment_emergent
from app.domain.vocabulary import SpecialInterest
from app.models import AdverseEvent, Disposition, Infusion
from app.services.access import Actor
from app.services.event_trail import grades_of
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.evidence_mapping import adverse_event
from app.services.protocols import active_protocol
from app.services.report_clocks import report_courses

# Beside the tables that are always read, what decides on dose-limiting toxicity.
DLT_TABLES = (Infusion, Disposition)


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
    worst_grade: int
    expectedness: Expectedness
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
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    courses = await _courses(session, scope, rows, protocol.rules)
    grades = await grades_of(session, scope.study_id, [row.id for row in rows], past)
    reports = await report_courses(session, scope, rows, protocol.rules, at)
    return [
        AdverseEventWithConclusions(
            row=row,
            serious=bool(row.seriousness),
            treatment_emergent=not row.retracted
            and is_treatment_emergent(
                adverse_event(row, scope.zone, worst_grade(grades[row.id])),
                courses[row.subject_id].first_infusion_day,
            ),
            special_interest=tuple(sorted(special_interest(row.term))),
            grade_history=tuple(GradeSince(step.grade, step.since) for step in grades[row.id]),
            worst_grade=worst_grade(grades[row.id]),
            expectedness=reports[row.id].expectedness,
            dlt=courses[row.subject_id].standings.get(str(row.id), RETRACTED),
            due_reports=tuple(clock.due for clock in reports[row.id].clocks),
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
    started = facts.started
    return DltCourse(started[0].day if started else None, standings(facts, rules.dlt))


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
