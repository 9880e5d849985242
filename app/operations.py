"""What an operator does to the database: reach it, migrate it, let the first people in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from app.core.clock import system_clock
from app.core.config import Settings
from app.core.database import API_ROLE, SEALER_ROLE, Database
from app.core.embedded_postgres import embedded_postgres
from app.core.errors import OperatorError
from app.core.migration import OLDEST_POSTGRES, newest_revision, server_version
from app.core.migration import migrate as run_migrations
from app.core.role_passwords import set_passwords
from app.services.console_grants import grant_roles
from app.services.studies import Person

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Urls:
    """One database as each of its users reaches it: the owner migrates, the API serves."""

    owner: str
    api: str
    sealer: str


@contextmanager
def database_urls(settings: Settings) -> Iterator[Urls]:
    """Give the URLs of the configured PostgreSQL, or of the embedded one while in the context."""
    url = settings.database_url
    if url is not None:
        yield Urls(
            owner=settings.owner_database_url or url,
            api=url,
            sealer=settings.sealer_database_url or url,
        )
        return
    with embedded_postgres(settings.data_dir / "postgres") as owner:
        yield Urls(owner=owner, api=_as(owner, API_ROLE), sealer=_as(owner, SEALER_ROLE))


def _as(url: str, user: str) -> str:
    """Return the URL for another user of the same database, who needs no password there."""
    return make_url(url).set(username=user).render_as_string(hide_password=False)


async def with_database(
    url: str, work: Callable[[Database], Awaitable[Result]], role: str | None = None
) -> Result:
    """Do some work on a database of a supported version, as whoever the URL names or in a role.

    Raises OperatorError when the database is too old, cannot be reached or refuses the work.
    """
    try:
        database = Database(url, pool_size=1, role=role)
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
    """Bring the database to the newest schema; return the revision.

    The roles that it makes get the passwords of DATABASE_URL and SEALER_DATABASE_URL, so that the
    service can log in.
    """

    async def work(database: Database) -> None:
        await run_migrations(database.engine)
        await set_passwords(database.engine, urls.api, urls.sealer)

    with database_urls(settings) as urls:
        asyncio.run(with_database(urls.owner, work))
    return newest_revision()


def grant(settings: Settings, study_key: str, person: Person, operator: str) -> bool:
    """Give a person their roles in a study; tell whether there was anything to give."""

    async def work(database: Database) -> bool:
        async with database.session() as session:
            given = await grant_roles(session, study_key, person, operator, system_clock())
            await session.commit()
        return given

    with database_urls(settings) as urls:
        return asyncio.run(with_database(urls.owner, work))
