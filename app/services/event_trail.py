"""The trail of adverse events: their changes, and the grades that they had on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.grade_history import GradeStated, GradeStep, grade_steps, worst_grade
from app.models import AdverseEvent, Change, GradeCorrection
from app.services.history import as_of


async def grades_of(
    session: AsyncSession, study_id: UUID, event_ids: Collection[UUID], past: datetime | None
) -> dict[UUID, tuple[GradeStep, ...]]:
    """Read the grades of events; each step's source is the id of its operation."""
    stated = await _stated(session, study_id, event_ids, past)
    entity = as_of(GradeCorrection, study_id, past)
    query = select(entity.adverse_event_id, entity.event_version).where(
        entity.study_id == study_id, entity.adverse_event_id.in_(event_ids)
    )
    corrections: defaultdict[UUID, set[int]] = defaultdict(set)
    for event_id, version in await session.execute(query):
        corrections[event_id].add(version)
    return {
        event_id: grade_steps(found, corrections[event_id]) for event_id, found in stated.items()
    }


async def worst_grades(
    session: AsyncSession, study_id: UUID, rows: Sequence[AdverseEvent], past: datetime | None
) -> dict[UUID, int]:
    """Tell the worst grade of each event; the trail is asked of those that were changed only."""
    changed = [row.id for row in rows if row.version > 1]
    found = {row.id: row.grade for row in rows}
    if changed:
        steps = await grades_of(session, study_id, changed, past)
        found |= {event_id: worst_grade(each) for event_id, each in steps.items()}
    return found


async def _stated(
    session: AsyncSession, study_id: UUID, event_ids: Collection[UUID], past: datetime | None
) -> Mapping[UUID, list[GradeStated]]:
    """Read the grade of each version, the first first."""
    query = select(
        Change.record_id,
        Change.new["version"].astext.cast(Integer),
        Change.new["grade"].astext.cast(Integer),
        Change.recorded_at,
        Change.operation_id,
    ).where(
        Change.study_id == study_id,
        Change.table_name == AdverseEvent.__tablename__,
        Change.record_id.in_(event_ids),
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    stated: defaultdict[UUID, list[GradeStated]] = defaultdict(list)
    for event_id, version, grade, at, operation_id in await session.execute(
        query.order_by(Change.id)
    ):
        stated[event_id].append(
            GradeStated(version=version, grade=grade, at=at, source=str(operation_id))
        )
    return stated
