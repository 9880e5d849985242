"""What goes under the seal: which tables and columns, and the canonical text of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Change, Fact, Operation, Study
from app.models.base import Base

# Table by table, the columns that are sealed: a shape.
Columns = Mapping[str, Sequence[str]]

# The text of a row is what PostgreSQL writes under these settings. The planner may not know yet how
# long a table has grown, so it is kept from reading one to its end.
_SETTINGS = (
    "SELECT set_config('timezone', 'UTC', true), set_config('bytea_output', 'hex', true),"
    " set_config('extra_float_digits', '1', true), set_config('enable_seqscan', 'off', true)"
)


class RowText(NamedTuple):
    """One row under the seal: which operation wrote it, which row it is, and its text."""

    operation_id: UUID
    table: str
    record_id: UUID
    number: int
    text: str


def current_shape() -> dict[str, list[str]]:
    """Return what this release seals: facts, the trail, operations and studies, whole.

    Records that change are sealed by their images in the trail. What lies in a schema of its own
    is not sealed: the sealer cannot read it.
    """
    models: list[type[Base]] = [*_below(Fact), Change, Operation, Study]
    tables = [model.__table__ for model in models]
    return {
        table.name: sorted(column.name for column in table.columns)
        for table in tables
        if isinstance(table, Table) and table.schema is None
    }


def _below(model: type[Base]) -> Iterator[type[Base]]:
    """Name every mapped class below one."""
    for each in model.__subclasses__():
        if hasattr(each, "__table__"):
            yield each
        yield from _below(each)


async def read_rows(
    session: AsyncSession,
    columns: Columns,
    operation_ids: Sequence[UUID],
    study_ids: Sequence[UUID],
) -> list[RowText]:
    """Return the canonical text of every row that these operations of these studies wrote.

    The row of `study` itself is under the operation that created it. Changes the session's
    settings until its transaction ends.
    """
    await session.execute(text(_SETTINGS))
    found = await session.execute(
        _statement(columns), {"operations": list(operation_ids), "studies": list(study_ids)}
    )
    return [RowText(*row) for row in found]


def _statement(columns: Columns) -> TextClause:
    """Return one statement over all tables of a shape."""
    queries = [_query(table, names) for table, names in sorted(columns.items())]
    ids = ARRAY(Uuid)
    return text(" UNION ALL ".join(queries)).bindparams(
        bindparam("operations", type_=ids), bindparam("studies", type_=ids)
    )


def _query(table: str, names: Sequence[str]) -> str:
    """Return the query of one table: the operation, the row's own key, its text."""
    operation, record, number, wanted = _KEYS.get(table, _OF_FACTS)
    listed = ", ".join(f't."{name}"' for name in names)
    return (
        f"SELECT {operation}, '{table}', {record}, {number},"  # noqa: S608 - names of our own
        f' (SELECT to_jsonb(r) FROM (SELECT {listed}) r)::text FROM "{table}" t WHERE {wanted}'
    )


_WANTED = "t.study_id = ANY (:studies) AND t.operation_id = ANY (:operations)"
# Without the study: its index would lead through all rows of a study that has just grown.
_OF_FACTS = ("t.operation_id", "t.id", "0::bigint", "t.operation_id = ANY (:operations)")
_FOUNDED = (
    "SELECT o.id FROM operation o WHERE o.study_id = t.study_id AND o.command = 'create_study'"
    " AND o.id = ANY (:operations)"
)
_KEYS = {
    "change": ("t.operation_id", "t.record_id", "t.id", _WANTED),
    "operation": (
        "t.id", "t.id", "0::bigint", "t.study_id = ANY (:studies) AND t.id = ANY (:operations)",
    ),
    "study": (
        # The first is the true one: a forged other looks like an operation that lost a row.
        f"({_FOUNDED} ORDER BY o.id LIMIT 1)", "t.study_id", "0::bigint",
        f"t.study_id = ANY (:studies) AND EXISTS ({_FOUNDED})",
    ),
}  # fmt: skip
