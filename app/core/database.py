"""The database: one engine, short transactions, and the session every use case receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import QueuePool

from app.core.serialization import from_json, to_json
from app.core.telemetry import CONNECTION_LIMIT, CONNECTIONS

Done = TypeVar("Done")

# A request that waits longer than this is refused rather than queued; see docs/operations.md.
SERVER_SETTINGS = {
    "application_name": "msc-icaht",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
}
POOL_TIMEOUT_SECONDS = 2
# Well below the time after which an idle transaction is ended.
AWAKE_SECONDS = 3.0
# What a database that is away or refuses raises; the driver's own errors come while connecting.
DATABASE_FAILURES = (
    OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError,
)  # fmt: skip
# What the service works as, whoever it logged in as; see migration 0006.
API_ROLE, SEALER_ROLE = "msc_icaht_api", "msc_icaht_sealer"
DIRECT_POOL_SIZE = 4


def async_url(database_url: str) -> URL:
    """Turn any PostgreSQL URL into one for asyncpg, which calls libpq's `sslmode` `ssl`."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]})
    return url.difference_update_query(["sslmode"])


class Database:
    """Owns the engine; hands out sessions that roll back unless committed.

    Each connection works in a database role from its start on: the API's unless another is named,
    or with None whatever the login is, as the owner needs to migrate.
    """

    def __init__(self, database_url: str, pool_size: int = 8, role: str | None = API_ROLE) -> None:
        settings = SERVER_SETTINGS | ({"role": role} if role else {})
        self.engine: AsyncEngine = create_async_engine(
            async_url(database_url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            json_serializer=to_json,
            json_deserializer=from_json,
            connect_args={"server_settings": settings, "timeout": POOL_TIMEOUT_SECONDS},
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._driver_url = make_url(database_url).set(drivername="postgresql")
        self._server_settings = settings
        self._direct: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session; leaving without `commit` rolls everything back."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Open a session that only reads, and sees one moment from its first statement on."""
        async with self._sessions() as session:
            await session.connection(
                execution_options={
                    "isolation_level": "REPEATABLE READ",
                    "postgresql_readonly": True,
                }
            )
            yield session

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection of the driver itself, for the few statements that have to be quick.

        Whoever takes it opens the transaction; one that is left open is rolled back.
        """
        async with self._opening:
            if self._direct is None:
                self._direct = await asyncpg.create_pool(
                    self._driver_url.render_as_string(hide_password=False),
                    min_size=1,
                    max_size=DIRECT_POOL_SIZE,
                    timeout=POOL_TIMEOUT_SECONDS,
                    server_settings=self._server_settings,
                    reset=_leave_as_it_is,
                )
        async with self._direct.acquire(timeout=POOL_TIMEOUT_SECONDS) as connection:
            yield connection

    def observe_pool(self) -> None:
        """Bring the metrics of the sessions' connections up to date."""
        pool = cast("QueuePool", self.engine.pool)
        CONNECTIONS.set(pool.checkedout())
        CONNECTION_LIMIT.set(pool.size())

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()
        if self._direct is not None:
            await self._direct.close()


async def awake(session: AsyncSession, work: Awaitable[Done]) -> Done:
    """Wait for work beside the session; a transaction that idles for long would be ended.

    The work does not use the session.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=AWAKE_SECONDS))[0]:
            await session.execute(text("SELECT 1"))
    except BaseException:
        task.cancel()
        raise
    return task.result()


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """Spare the round trip that resets a connection: nothing here outlives a transaction."""
