"""Which version of a laboratory result counts: the last one known at a moment."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import LabResult


def is_current(entity: Any, past: datetime | None) -> ColumnElement[bool]:
    """Keep the versions that none had followed at `past` (None is now)."""
    later = aliased(LabResult)
    conditions = [
        later.study_id == entity.study_id,
        later.result_id == entity.result_id,
        later.result_version > entity.result_version,
    ]
    if past is not None:
        conditions.append(later.recorded_at <= past)
    return ~exists().where(and_(*conditions))


async def last_versions(
    session: AsyncSession, study_id: UUID, result_ids: Collection[UUID], past: datetime | None
) -> dict[UUID, int]:
    """Find the number of the last version of each result."""
    query = (
        select(LabResult.result_id, func.max(LabResult.result_version).label("last"))
        .where(LabResult.study_id == study_id, LabResult.result_id.in_(result_ids))
        .group_by(LabResult.result_id)
    )
    if past is not None:
        query = query.where(LabResult.recorded_at <= past)
    return {row.result_id: row.last for row in await session.execute(query)}
