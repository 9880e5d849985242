"""Where the records behind a number come from: of which kind, written by what, on which way."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, null, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AdverseEvent,
    Assessment,
    Change,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Enrolment,
    Fact,
    InboxItem,
    Infusion,
    LabResult,
    Query,
    Subject,
    Transfusion,
)
from app.schemas.metrics_explanation import RecordOrigin, RecordView
from app.services.history import as_of

_CHANGING = (
    Subject,
    Infusion,
    AdverseEvent,
    Disposition,
    Transfusion,
    ConcomitantMedication,
    Assessment,
    Query,
)
_FACTS: tuple[type[Fact], ...] = (LabResult, Enrolment, DltAdjudication)


async def read_provenance(
    session: AsyncSession, study_id: UUID, ids: Collection[UUID], past: datetime | None
) -> dict[UUID, RecordView]:
    """Tell where records come from, as they stood at `past` (None is now).

    Sees the whole study, so it is asked across the sites, and whoever shows it asks for whom.
    """
    wanted = any_(literal(sorted(ids), ARRAY(Uuid)))
    found = await _changing(session, study_id, wanted, past)
    for model in _FACTS:
        found |= await _facts(session, model, study_id, wanted, past)
    return found | await _inbox_items(session, study_id, wanted, past)


async def _changing(
    session: AsyncSession, study_id: UUID, wanted: Any, past: datetime | None
) -> dict[UUID, RecordView]:
    """Read the last change of each record: its image is the version that counts."""
    query = (
        select(Change.record_id, Change.table_name, Change.operation_id, Change.recorded_at)
        .ext(distinct_on(Change.record_id))
        .where(
            Change.study_id == study_id,
            Change.table_name.in_([model.__tablename__ for model in _CHANGING]),
            Change.record_id == wanted,
        )
        .order_by(Change.record_id, Change.id.desc())
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    return {
        row.record_id: RecordView(
            id=row.record_id,
            kind=row.table_name,
            operation_id=row.operation_id,
            recorded_at=row.recorded_at,
            origin=RecordOrigin.FORM,
            source=None,
            message_id=None,
        )
        for row in await session.execute(query)
    }


async def _facts(
    session: AsyncSession, model: type[Fact], study_id: UUID, wanted: Any, past: datetime | None
) -> dict[UUID, RecordView]:
    entity = as_of(model, study_id, past)
    sent = (entity.source, entity.message_id) if model is LabResult else (null(), null())
    columns = (entity.id, entity.operation_id, entity.recorded_at, *sent)
    query = select(*columns).where(entity.study_id == study_id, entity.id == wanted)
    return {
        record_id: RecordView(
            id=record_id,
            kind=model.__tablename__,
            operation_id=operation_id,
            recorded_at=recorded_at,
            origin=RecordOrigin.FORM if message_id is None else RecordOrigin.MESSAGE,
            source=source,
            message_id=message_id,
        )
        for record_id, operation_id, recorded_at, source, message_id in await session.execute(query)
    }


async def _inbox_items(
    session: AsyncSession, study_id: UUID, wanted: Any, past: datetime | None
) -> dict[UUID, RecordView]:
    item = as_of(InboxItem, study_id, past)
    columns = (item.id, item.operation_id, item.recorded_at, item.message_id)
    query = select(*columns).where(item.study_id == study_id, item.id == wanted)
    return {
        row.id: RecordView(
            id=row.id,
            kind=InboxItem.__tablename__,
            operation_id=row.operation_id,
            recorded_at=row.recorded_at,
            origin=RecordOrigin.MESSAGE,
            source=None,
            message_id=row.message_id,
        )
        for row in await session.execute(query)
    }
