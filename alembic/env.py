"""Runs migrations over asyncpg, on the connection given by the caller or on DATABASE_URL."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import context
from app.core.config import Settings
from app.core.database import async_url
from app.models import Base

# A migration that cannot get its lock soon gives up rather than stop every writer behind it.
LOCK_TIMEOUT = "5s"


# Beside the default schema, the one in which who subjects are is kept apart.
SCHEMAS = (None, "vault")


def is_ours(name: str | None, kind: str, _: object) -> bool:
    """Tell whether the models have a say about what alembic has found."""
    return kind != "schema" or name in SCHEMAS


def run(connection: Connection) -> None:
    """Run all pending migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=False,
        include_schemas=True,
        include_name=is_ours,
    )
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        context.run_migrations()


async def connect_and_run() -> None:
    """Open one connection to the configured database and migrate it."""
    url = context.config.get_main_option("sqlalchemy.url") or Settings().database_url
    if not url:
        raise SystemExit("set DATABASE_URL to the database that is to be migrated")
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect_and_run())
