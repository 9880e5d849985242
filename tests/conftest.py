"""Fixtures: one PostgreSQL for the run, one transaction for each test, clients for every role."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from app.core.config import Settings
from app.core.database import Database, async_url
from app.core.embedded_postgres import embedded_postgres
from app.core.keyring import SECRET_BYTES, Keyring
from app.core.migration import migrate
from app.core.security import DevelopmentIssuer
from app.domain.vocabulary import Role
from app.main import create_app
from app.protocols import read_definition
from app.services.development import fixture_people
from app.services.fixture_subjects import fixture_subject
from app.services.studies import NewStudy, create_study

STUDY = "NCT07212335"
TEMPLATE, MAIN = "msc_template", "msc_main"
KEYRING = Keyring(bytes(range(SECRET_BYTES)))
NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


class TestClock:
    """A clock that tests set and move."""

    __test__ = False

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the moment that is set."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Move forward by a timedelta's arguments."""
        self.now += timedelta(**amount)


class TransactionDatabase(Database):
    """A database whose sessions all run inside one transaction, which the test rolls back."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.engine = connection.engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose commit only releases a savepoint."""
        session = AsyncSession(
            self.connection,
            join_transaction_mode="create_savepoint",
            expire_on_commit=False,
            autoflush=False,
        )
        async with session:
            yield session

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[Any]:
        """Give the driver's connection; what it begins is a savepoint of the transaction."""
        # The driver enters the transaction with the first statement.
        await self.connection.execute(text("SELECT 1"))
        yield (await self.connection.get_raw_connection()).driver_connection


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Run an embedded PostgreSQL for the whole test run.

    Its folder is not one of pytest's: each start of pytest shuts those to all but its own user,
    and a PostgreSQL that root starts runs as another.
    """
    with (
        tempfile.TemporaryDirectory(prefix="msc-icaht-") as folder,
        embedded_postgres(Path(folder) / "postgres") as url,
    ):
        yield url


@asynccontextmanager
async def administrator(server_url: str) -> AsyncIterator[AsyncConnection]:
    """Connect outside any transaction, for CREATE and DROP DATABASE."""
    engine = create_async_engine(async_url(server_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


def on(server_url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def template(server_url: str) -> str:
    """Make the database that others are cloned from: migrated, with the study loaded."""
    async with administrator(server_url) as connection:
        await connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    database = Database(on(server_url, TEMPLATE))
    await migrate(database.engine)
    async with database.session() as session:
        new = NewStudy(
            document=read_definition(STUDY, 1),
            effective_from=date(2025, 10, 1),
            people=fixture_people(),
            site_name="Site 01",
            request_id="test",
            reason="Study loaded for tests.",
        )
        await create_study(session, new, datetime(2025, 10, 1, tzinfo=UTC))
        await session.commit()
    await database.close()
    return TEMPLATE


@pytest.fixture(scope="session")
async def main_database(server_url: str, template: str) -> AsyncIterator[Database]:
    """The database of all tests that roll back."""
    async with administrator(server_url) as connection:
        await connection.execute(text(f"CREATE DATABASE {MAIN} TEMPLATE {template}"))
    database = Database(on(server_url, MAIN))
    yield database
    await database.close()


@pytest.fixture
async def database(main_database: Database) -> AsyncIterator[TransactionDatabase]:
    """The database inside one transaction that is rolled back after the test."""
    async with main_database.engine.connect() as connection:
        transaction = await connection.begin()
        yield TransactionDatabase(connection)
        await transaction.rollback()


@pytest.fixture
async def committing_url(server_url: str, template: str) -> AsyncIterator[str]:
    """A database of its own, for tests that need real commits."""
    name = "msc_clone"
    async with administrator(server_url) as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield on(server_url, name)
    async with administrator(server_url) as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """A database without a schema, for tests of what starts from nothing."""
    async with administrator(server_url) as connection:
        await connection.execute(text("CREATE DATABASE msc_empty"))
    yield on(server_url, "msc_empty")
    async with administrator(server_url) as connection:
        await connection.execute(text("DROP DATABASE msc_empty WITH (FORCE)"))


@pytest.fixture
async def committing_database(committing_url: str) -> AsyncIterator[Database]:
    """A pool on a database of its own."""
    database = Database(committing_url, pool_size=20)
    yield database
    await database.close()


@pytest.fixture
async def session(database: TransactionDatabase) -> AsyncIterator[AsyncSession]:
    """A session for tests of services."""
    async with database.session() as session:
        yield session


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    """The development issuer of the run."""
    return DevelopmentIssuer(Path(tmp_path_factory.mktemp("issuer")), "msc-icaht")


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give the test run its signal handlers back after a command has set its own."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


@pytest.fixture
def clock() -> TestClock:
    """The clock of the application under test."""
    return TestClock()


def build_app(database: Database, issuer: DevelopmentIssuer, clock: TestClock) -> FastAPI:
    """Build the application as production does, on a test's database and clock."""
    return create_app(Settings(), database, issuer.verifier(), KEYRING, clock)


@pytest.fixture
def keyring() -> Keyring:
    """The keys that every application under test keeps identity with."""
    return KEYRING


@pytest.fixture
def app(database: TransactionDatabase, issuer: DevelopmentIssuer, clock: TestClock) -> FastAPI:
    """The application inside the test's transaction."""
    return build_app(database, issuer, clock)


Api = Callable[..., httpx.AsyncClient]


def clients(app: FastAPI, issuer: DevelopmentIssuer, clock: TestClock) -> Api:
    """Return a factory of clients: `api(role)` speaks for the role's fixture person."""

    def api(
        role: Role | None = Role.PRINCIPAL_INVESTIGATOR, second: bool = False
    ) -> httpx.AsyncClient:
        headers = {}
        if role is not None:
            token = issuer.token(fixture_subject(role, second), clock(), timedelta(days=3650))
            headers["Authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=f"http://test/api/v1/studies/{STUDY}",
            headers=headers,
        )

    return api


@pytest.fixture
def api(app: FastAPI, issuer: DevelopmentIssuer, clock: TestClock) -> Api:
    """Clients of the application inside the test's transaction."""
    return clients(app, issuer, clock)


@pytest.fixture
def committing_api(
    committing_database: Database, issuer: DevelopmentIssuer, clock: TestClock
) -> Api:
    """Clients of an application that really commits."""
    return clients(build_app(committing_database, issuer, clock), issuer, clock)
