"""The database: one engine, short transactions, and the session every use case receives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.core.serialization import from_json, to_json

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


def async_url(database_url: str) -> URL:
    """Turn any PostgreSQL URL into one for asyncpg, which calls libpq's `sslmode` `ssl`."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]})
    return url.difference_update_query(["sslmode"])


class Database:
    """Owns the engine; hands out sessions that roll back unless committed."""

    def __init__(self, database_url: str, pool_size: int = 8) -> None:
        self.engine: AsyncEngine = create_async_engine(
            async_url(database_url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            json_serializer=to_json,
            json_deserializer=from_json,
            connect_args={"server_settings": SERVER_SETTINGS, "timeout": POOL_TIMEOUT_SECONDS},
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session; leaving without `commit` rolls everything back."""
        async with self._sessions() as session:
            yield session

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()
