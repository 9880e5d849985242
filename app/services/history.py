"""The records as they were: any table at any past moment, from the rows and their changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.errors import DomainError, ErrorKind, not_found
from app.models import Fact, Record, StudyRecord

Row = TypeVar("Row", bound=StudyRecord)
Changing = TypeVar("Changing", bound=Record)


@dataclass(frozen=True, slots=True)
class When:
    """A moment that is looked at, and as of when it was known: None for what is known now."""

    at: datetime
    past: datetime | None = None


# Each record's last image at or before the moment, read back with the table's own column types.
_PAST_ROWS = """
SELECT past.* FROM (
    SELECT DISTINCT ON (record_id) new FROM change
    WHERE study_id = :past_study AND table_name = '{name}' AND recorded_at <= :past_moment
    ORDER BY record_id, id DESC
) last, LATERAL jsonb_populate_record(NULL::{table}, last.new) past
"""


def as_of(model: type[StudyRecord], study_id: UUID, moment: datetime | None) -> Any:
    """Return the entity to select from: the table itself, or the table as it was at `moment`."""
    if moment is None:
        return model
    if issubclass(model, Fact):
        rows = select(model).where(model.study_id == study_id, model.recorded_at <= moment)
        return aliased(model, rows.subquery(), name=model.__tablename__)
    statement = text(_PAST_ROWS.format(name=model.__tablename__, table=model.__table__)).bindparams(
        past_study=study_id, past_moment=moment
    )
    past = statement.columns(*model.__table__.c).subquery()
    # No row is ever deleted, so the table itself says whose past may be seen.
    seen = select(model.id).where(model.study_id == study_id)
    kept = select(past).where(past.c.id.in_(seen)).subquery()
    return aliased(model, kept, name=model.__tablename__)


def rows(model: type[StudyRecord], study_id: UUID, moment: datetime | None) -> Select[Any]:
    """Select all rows of one study, now or at a past moment, oldest first."""
    entity = as_of(model, study_id, moment)
    return select(entity).where(entity.study_id == study_id).order_by(entity.id)


async def fetch(
    session: AsyncSession,
    model: type[Row],
    study_id: UUID,
    record_id: UUID,
    moment: datetime | None = None,
) -> Row:
    """Read one row; raise not_found for foreign and absent ids alike."""
    entity = as_of(model, study_id, moment)
    query = select(entity).where(entity.study_id == study_id, entity.id == record_id)
    row: Row | None = await session.scalar(query)
    if row is None:
        raise not_found(model.__tablename__.replace("_", " "))
    return row


@asynccontextmanager
async def apart(session: AsyncSession) -> AsyncIterator[AsyncSession]:
    """Open a second session on the same transaction, to read the past beside loaded rows.

    A session shows one state of a row only: a row that it holds already would hide its past.
    """
    connection = await session.connection()
    async with AsyncSession(connection, autoflush=False, info=session.info) as reader:
        yield reader


async def lock(
    session: AsyncSession,
    model: type[Changing],
    study_id: UUID,
    record_id: UUID,
    version: int | None,
) -> Changing:
    """Read one row for changing it; `version` is what the caller saw, None skips the check.

    Raises not_found, or version_stale when somebody else changed the row meanwhile.
    """
    query = (
        select(model)
        .where(model.study_id == study_id, model.id == record_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    row = await session.scalar(query)
    if row is None:
        raise not_found(model.__tablename__.replace("_", " "))
    if version is not None and row.version != version:
        raise DomainError(
            ErrorKind.VERSION_STALE,
            "stale_version",
            "Somebody changed this record after you read it; read it again and repeat the change.",
        )
    return row
