"""Whether the database is there and keeps the promises the service makes."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database

# Without these an acknowledged write could be lost when the machine stops.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_OFF = ("off", "local")
_TRIGGERS = """
SELECT count(*) FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled = 'A' AND tgname LIKE '%\\_refuse'
"""
GUARDED_TABLES = 24


async def shortcomings(database: Database) -> list[str]:
    """List, one sentence each, what keeps the service from working; empty when ready."""
    try:
        async with database.engine.connect() as connection:
            values = {name: await connection.scalar(text(f"SHOW {name}")) for name in _DURABLE}
            triggers = await connection.scalar(text(_TRIGGERS))
    except (TimeoutError, SQLAlchemyError, OSError):
        return ["The database does not answer."]
    reasons = [
        f"The database runs with {name} = {value}; an acknowledged write could be lost."
        for name, value in values.items()
        if value in _OFF
    ]
    if triggers != GUARDED_TABLES:
        reasons.append("The audit triggers are not all in place; run the migrations.")
    return reasons
