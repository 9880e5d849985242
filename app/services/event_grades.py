"""The grades of one adverse event, from the trail: who stated which one when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.grade_history import worst_grade
from app.models import AdverseEvent, Operation
from app.services.access import Actor
from app.services.event_trail import grades_of
from app.services.history import fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeOnRecord:
    """A grade, how long it was on record, and by whom; `mistaken` if it was corrected."""

    grade: int
    version: int
    since: datetime
    until: datetime | None
    mistaken: bool
    recorded_by: str
    role: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeCourse:
    """The grades of one event, the first first."""

    adverse_event_id: UUID
    grade: int
    worst_grade: int
    items: tuple[GradeOnRecord, ...]


async def read_grades(
    session: AsyncSession, actor: Actor, event_id: UUID, past: datetime | None
) -> GradeCourse:
    """Read the grades of an event, now or as they were known; raise not_found."""
    row = await fetch(session, AdverseEvent, actor.study_id, event_id, past)
    steps = (await grades_of(session, actor.study_id, [event_id], past))[event_id]
    query = select(Operation).where(
        Operation.study_id == actor.study_id,
        Operation.id.in_([UUID(each.source) for each in steps]),
    )
    written = {str(operation.id): operation for operation in await session.scalars(query)}
    return GradeCourse(
        adverse_event_id=row.id,
        grade=row.grade,
        worst_grade=worst_grade(steps),
        items=tuple(
            GradeOnRecord(
                grade=step.grade,
                version=step.version,
                since=step.since,
                until=step.until,
                mistaken=step.mistaken,
                recorded_by=written[step.source].actor_name,
                role=written[step.source].role,
                reason=written[step.source].reason,
            )
            for step in steps
        ),
    )
