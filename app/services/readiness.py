"""Whether the database is there and keeps the promises the service makes."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.models import Base, IdempotencyRecord, Record

# Without these an acknowledged write could be lost when the machine stops.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_OFF = ("off", "local")
# Enabled ALWAYS: in replication roles, too.
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"


def guards() -> set[str]:
    """Name the triggers that write the trail and refuse to change history."""
    kept = {table.name for table in Base.metadata.sorted_tables} - {IdempotencyRecord.__tablename__}
    changing = {model.__tablename__ for model in Record.__subclasses__()}
    writers = ("count_version", "write_inserts", "write_updates")
    return {f"{table}_refuse" for table in kept} | {
        f"{table}_{writer}" for table in changing for writer in writers
    }


async def shortcomings(database: Database) -> list[str]:
    """List, one sentence each, what keeps the service from working; empty when ready."""
    try:
        async with database.engine.connect() as connection:
            values = {name: await connection.scalar(text(f"SHOW {name}")) for name in _DURABLE}
            triggers = set(await connection.scalars(text(_TRIGGERS)))
    except (TimeoutError, SQLAlchemyError, OSError):
        return ["The database does not answer."]
    reasons = [
        f"The database runs with {name} = {value}; an acknowledged write could be lost."
        for name, value in values.items()
        if value in _OFF
    ]
    missing = sorted(guards() - triggers)
    if missing:
        reasons.append(
            f"Audit triggers are missing or disabled: {', '.join(missing)}."
            " Run the migrations or put them back before anybody writes."
        )
    return reasons
