"""What an operator does to the database: reach it, migrate it, let the first people in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from app.core.clock import system_clock
from app.core.config import Settings
from app.core.database import Database
from app.core.embedded_postgres import embedded_postgres
from app.core.errors import OperatorError
from app.core.migration import OLDEST_POSTGRES, newest_revision, server_version
from app.core.migration import migrate as run_migrations
from app.services.grants import grant_roles
from app.services.studies import Person

Result = TypeVar("Result")


def database_url(settings: Settings) -> AbstractContextManager[str]:
    """Give the URL of the configured PostgreSQL, or of the embedded one while in the context."""
    if settings.database_url is not None:
        return nullcontext(settings.database_url)
    return embedded_postgres(settings.data_dir / "postgres")


async def with_database(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do some work on a database of a supported version.

    Raises OperatorError when the database is too old, cannot be reached or refuses the work.
    """
    try:
        database = Database(url, pool_size=1)
    except ArgumentError as error:
        raise OperatorError(
            "DATABASE_URL is not a URL; write postgresql://user:password@host:5432/name."
        ) from error
    try:
        version = await server_version(database.engine)
        if version < OLDEST_POSTGRES:
            raise OperatorError(
                f"The database is PostgreSQL {version}; use {OLDEST_POSTGRES} or newer."
            )
        return await work(database)
    except (OSError, SQLAlchemyError) as error:
        raise OperatorError(f"The database does not do as asked: {_said(error)}.") from error
    finally:
        await database.close()


def _said(error: Exception) -> str:
    """Return the driver's first sentence; an operator's work holds no value of a patient."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    first = str(getattr(cause, "__cause__", None) or cause).partition("\n")[0]
    return first.rstrip(".") or type(error).__name__


def migrate(settings: Settings) -> str:
    """Bring the database to the newest schema; return the revision."""

    async def work(database: Database) -> None:
        await run_migrations(database.engine)

    with database_url(settings) as url:
        asyncio.run(with_database(url, work))
    return newest_revision()


def grant(settings: Settings, study_key: str, person: Person, operator: str) -> bool:
    """Give a person their roles in a study; tell whether there was anything to give."""

    async def work(database: Database) -> bool:
        async with database.session() as session:
            given = await grant_roles(session, study_key, person, operator, system_clock())
            await session.commit()
        return given

    with database_url(settings) as url:
        return asyncio.run(with_database(url, work))
