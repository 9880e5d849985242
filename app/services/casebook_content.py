"""What a casebook holds: every record of one subject, as it is signed.

Conclusions are left out: they follow from these records, and a new protocol version draws some of
them anew while not one record has changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.canonical import canonical_digest
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
from app.services.history import When, as_of, fetch
from app.services.signatures import document_text

RECORD_TYPE = "casebook"
Content = dict[str, Any]


async def casebook_content(
    session: AsyncSession, actor: Actor, subject_id: UUID, past: datetime | None
) -> Content:
    """Return the records by table, each table's oldest first; raise not_found.

    Rows are whole, their versions and when they were recorded among it, so that any change shows.
    """
    subject = await fetch(session, Subject, actor.study_id, subject_id, past)
    records = {
        model.__tablename__: await _rows(session, model, actor.study_id, subject_id, past)
        for model in OF_CASEBOOK
        if model is not Subject
    }
    return {"subject_id": subject_id, "subject": _columns(subject), "records": records}


async def signed_casebook(
    session: AsyncSession, actor: Actor, subject_id: UUID, when: When
) -> tuple[Content, None]:
    """Return what a signature on a casebook is put on; its id is the subject's."""
    return await casebook_content(session, actor, subject_id, when.past), None


async def casebook_digest(
    session: AsyncSession, actor: Actor, subject_id: UUID, past: datetime | None
) -> str:
    """Return the SHA-256 by which a signature names the casebook's content."""
    content = await casebook_content(session, actor, subject_id, past)
    return canonical_digest(document_text(actor, RECORD_TYPE, subject_id, content))


async def _rows(
    session: AsyncSession,
    model: type[StudyRecord],
    study_id: UUID,
    subject_id: UUID,
    past: datetime | None,
) -> list[Content]:
    entity = as_of(model, study_id, past)
    query = select(entity).where(
        entity.study_id == study_id, _is_of(model, entity, study_id, subject_id)
    )
    return [_columns(row) for row in await session.scalars(query.order_by(entity.id))]


def _is_of(
    model: type[StudyRecord], entity: Any, study_id: UUID, subject_id: UUID
) -> ColumnElement[bool]:
    """Select the rows of one subject; no record ever moves to another one."""
    if model is DltAdjudication:
        return _within(entity.adverse_event_id, AdverseEvent, study_id, subject_id)
    if model is ProductBag:
        return _within(entity.infusion_id, Infusion, study_id, subject_id)
    own: ColumnElement[bool] = entity.subject_id == subject_id
    return own


def _within(reference: Any, model: Any, study_id: UUID, subject_id: UUID) -> ColumnElement[bool]:
    owned = select(model.id).where(model.study_id == study_id, model.subject_id == subject_id)
    within: ColumnElement[bool] = reference.in_(owned)
    return within


def _columns(row: StudyRecord) -> Content:
    """Return a row as it is on record; the study is named by the document."""
    names = (column.key for column in row.__table__.columns)
    return {name: getattr(row, name) for name in names if name != "study_id"}
