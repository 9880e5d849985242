"""Writing versions of results: any number by one statement, which is put together only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import LabResult

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
# Of each column, as the driver knows it: words of a vocabulary travel as text.
TYPES: Mapping[str, str] = {
    column.name: "text" if isinstance(column.type, Enum) else column.type.compile(_DIALECT)
    for column in LabResult.__table__.c
}
_BY_DATABASE = {"study_id", "operation_id", "recorded_at"}
WRITTEN = tuple(name for name in TYPES if name not in _BY_DATABASE)


def unnest(arrays: Iterable[tuple[str, str]]) -> str:
    """Write a table of one array for each column, given as parameters and types.

    So a statement takes any number of rows.
    """
    return f"unnest({', '.join(f'CAST({name} AS {kind}[])' for name, kind in arrays)})"


def _insertion(on_conflict: str) -> TextClause:
    columns = ", ".join(WRITTEN)
    given = unnest((f":{name}", TYPES[name]) for name in WRITTEN)
    return text(
        f"INSERT INTO lab_result (study_id, {columns})"  # noqa: S608 - names of our own columns
        f" SELECT CAST(:study_id AS uuid), given.* FROM {given} AS given {on_conflict} RETURNING id"
    )


_ALL = _insertion("")
_NEW = _insertion("ON CONFLICT ON CONSTRAINT uq_lab_result_natural_key DO NOTHING")


async def insert_all(
    session: AsyncSession, study_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Store versions; a natural key that is taken fails."""
    await _insert(session, _ALL, study_id, rows)


async def insert_new(
    session: AsyncSession, study_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> set[UUID]:
    """Store those versions whose natural key is free; return their ids.

    Give the rows in the order of their keys, so that two deliveries never wait for each other.
    """
    return await _insert(session, _NEW, study_id, rows)


async def _insert(
    session: AsyncSession,
    statement: TextClause,
    study_id: UUID,
    rows: Sequence[Mapping[str, Any]],
) -> set[UUID]:
    if not rows:
        return set()
    columns = {name: [row[name] for row in rows] for name in WRITTEN}
    return set((await session.scalars(statement, {"study_id": study_id, **columns})).all())
