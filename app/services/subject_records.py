"""Records of subjects by type and id: the row, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.models import (
    OF_CASEBOOK,
    AdverseEvent,
    DltAdjudication,
    Infusion,
    ProductBag,
    StudyRecord,
    Subject,
)
from app.services.access import Actor
from app.services.history import fetch

RECORD_MODELS: Mapping[str, type[StudyRecord]] = {
    model.__tablename__: model for model in OF_CASEBOOK
}


async def fetch_of_subject(
    session: AsyncSession, actor: Actor, model: type[StudyRecord], record_id: UUID
) -> tuple[StudyRecord, UUID]:
    """Read a record and find its subject; raise not_found for what is no subject's, alike."""
    row = await fetch(session, model, actor.study_id, record_id)
    subject_id = await _subject_of(session, actor, row)
    if subject_id is None:
        raise not_found(model.__tablename__.replace("_", " "))
    return row, subject_id


async def _subject_of(session: AsyncSession, actor: Actor, row: Any) -> UUID | None:
    if isinstance(row, Subject):
        return row.id
    if isinstance(row, DltAdjudication):
        event = await fetch(session, AdverseEvent, actor.study_id, row.adverse_event_id)
        return event.subject_id
    if isinstance(row, ProductBag):
        if row.infusion_id is None:
            return None
        return (await fetch(session, Infusion, actor.study_id, row.infusion_id)).subject_id
    subject_id: UUID = row.subject_id
    return subject_id
