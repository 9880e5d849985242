"""Which version of a laboratory result counts: of those known at a moment, the one stated last.

The order is that of `app/domain/result_versions.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import LabResult

# Made once: every alias costs more than the query that it is for.
_LATER = aliased(LabResult)


def _order(entity: Any) -> Any:
    return tuple_(entity.weight, entity.stated_at, entity.standing, entity.result_version)


def is_current(entity: Any, past: datetime | None) -> ColumnElement[bool]:
    """Keep the versions above which none stood at `past` (None is now)."""
    conditions = [
        _LATER.study_id == entity.study_id,
        _LATER.result_id == entity.result_id,
        _order(_LATER) > _order(entity),
    ]
    if past is not None:
        conditions.append(_LATER.recorded_at <= past)
    return ~exists().where(and_(*conditions))


async def lock_results(session: AsyncSession, study_id: UUID, result_ids: Collection[UUID]) -> None:
    """Let nobody else add a version to these results until the transaction ends."""
    await session.execute(
        select(LabResult.id)
        .where(LabResult.study_id == study_id, LabResult.id.in_(result_ids))
        .order_by(LabResult.id)
        .with_for_update(key_share=True)
    )


async def current_versions(
    session: AsyncSession, study_id: UUID, result_ids: Collection[UUID], past: datetime | None
) -> dict[UUID, int]:
    """Find the number of the version of each result that counts."""
    query = select(LabResult.result_id, LabResult.result_version).where(
        LabResult.study_id == study_id,
        LabResult.result_id.in_(result_ids),
        is_current(LabResult, past),
    )
    if past is not None:
        query = query.where(LabResult.recorded_at <= past)
    return {row.result_id: row.result_version for row in await session.execute(query)}
