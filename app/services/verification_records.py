"""Whether the records are what the trail says, and nothing is outside trail and seal."""

from __future__ import annotations

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, Record
from app.services.seal_rows import current_shape
from app.services.verification_report import Check

# Below the horizon everything is sealed, so what is not came in behind the sealer's back.
_UNSEALED = """
SELECT {} FROM operation o, seal_state state
WHERE o.transaction {} state.horizon
  AND NOT EXISTS (SELECT FROM seal_entry e WHERE e.operation_id = o.id)
"""
# What waits is running beside others, or was sealed by now. A transaction that the database has
# not begun yet cannot have written anything: the sealer would not come to it for years. Before the
# first seal everything waits.
_NEVER = """
SELECT o.id,
       o.transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS is_future
FROM operation o, seal_state state
WHERE o.transaction >= state.horizon
  AND NOT EXISTS (SELECT FROM seal_entry e WHERE e.operation_id = o.id)
  AND o.transaction IS DISTINCT FROM pg_current_xact_id_if_assigned()::text::bigint
  AND (o.transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
       OR state.horizon > 0
          AND o.transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
          AND o.recorded_at < clock_timestamp() - interval '60 seconds')
ORDER BY o.transaction, o.id
"""
# A row that gained a column since its last image has there what the column began with.
_LIVE = """
WITH last AS (
    SELECT DISTINCT ON (study_id, record_id) study_id, record_id, new FROM change
    WHERE table_name = :table ORDER BY study_id, record_id, id DESC
), began AS (
    SELECT attname::text AS name,
           CASE (attmissingval::text::text[])[1]
               WHEN 't' THEN 'true' WHEN 'f' THEN 'false' ELSE (attmissingval::text::text[])[1]
           END AS value
    FROM pg_attribute WHERE attrelid = to_regclass(:qualified) AND attnum > 0 AND NOT attisdropped
)
SELECT coalesce(t.id, last.record_id) AS id,
       CASE WHEN t.id IS NULL THEN 'gone' WHEN last.record_id IS NULL THEN 'unrecorded'
            ELSE 'differs' END AS what
FROM {table} t FULL JOIN last ON last.study_id = t.study_id AND last.record_id = t.id
WHERE t.id IS NULL OR last.record_id IS NULL OR to_jsonb(t) <> last.new AND EXISTS (
    SELECT FROM jsonb_each(to_jsonb(t)) live
    LEFT JOIN began ON began.name = live.key
    WHERE live.value IS DISTINCT FROM CASE
        WHEN last.new ? live.key THEN last.new -> live.key
        WHEN live.value #>> '{{}}' = began.value THEN live.value
        ELSE 'null' END)
ORDER BY 1
"""
_TOLD = {
    "gone": "{name} is in the trail, but not among the records any more.",
    "unrecorded": "{name} is among the records, but the trail never saw it.",
    "differs": "{name} is not what the trail says it is: it was changed past the trail.",
}
_WITHOUT_OPERATION = """
SELECT t.{key} FROM {table} t
WHERE NOT EXISTS (
    SELECT FROM operation o WHERE o.study_id = t.study_id AND o.id = t.operation_id)
"""


async def check_sealed(session: AsyncSession, check: Check) -> int:
    """See that nothing below the horizon waits for its seal; return how many wait above it."""
    for operation_id in await session.scalars(text(_UNSEALED.format("o.id", "<"))):
        check.fail(f"Operation {operation_id} came in where the log was sealed already.")
    for operation_id, is_future in await session.execute(text(_NEVER)):
        check.fail(
            f"Operation {operation_id} names a transaction that has not begun: it is forged."
            if is_future
            else f"Operation {operation_id} waits for its seal though nothing holds it up."
        )
    check.looked_at += await _count(session, "operation")
    return int(await session.scalar(text(_UNSEALED.format("count(*)", ">="))) or 0)


async def check_records(session: AsyncSession, check: Check) -> None:
    """Hold every record that may change against its last image in the trail."""
    for table in _tables_of_records():
        values = {"table": table.name, "qualified": table.fullname}
        check.looked_at += await _count(session, table.fullname)
        found = await session.execute(text(_LIVE.format(table=table.fullname)), values)
        for record_id, what in found:
            check.fail(_TOLD[what].format(name=f"{table.name} {record_id}"))


async def check_operations(session: AsyncSession, check: Check) -> None:
    """See that every row names an operation that is there."""
    for table in sorted(current_shape()):
        if table in {"study", "operation"}:
            continue
        key = "record_id" if table == "change" else "id"
        check.looked_at += await _count(session, table)
        for record_id in await session.scalars(
            text(_WITHOUT_OPERATION.format(table=table, key=key))
        ):
            check.fail(f"A row of {table} {record_id} names an operation that is not there.")


def _tables_of_records() -> list[Table]:
    """Return the tables of what may change, in the schema that can be read here."""
    models = {
        mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Record)
    }
    tables = [model.__table__ for model in models]
    found = [each for each in tables if isinstance(each, Table) and each.schema is None]
    return sorted(found, key=lambda table: table.name)


async def _count(session: AsyncSession, table: str) -> int:
    counted = await session.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own
    return int(counted or 0)
