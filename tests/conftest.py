"""Fixtures: one PostgreSQL for the run, one transaction for each test, clients for every role."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from app.core.config import Settings
from app.core.database import API_ROLE, Database, async_url
from app.core.development_issuer import DevelopmentIssuer
from app.core.embedded_postgres import embedded_postgres
from app.core.keyring import SECRET_BYTES, Keyring
from app.core.machine_issuer import MachineIssuer
from app.core.migration import migrate
from app.core.tokens import TokenVerifier
from app.domain.vocabulary import Role
from app.main import OwnIssuers, create_app
from app.protocols import read_definition
from app.routers.dependencies import moment
from app.routers.dossier import pinned_moment
from app.services.development import fixture_people
from app.services.fixture_subjects import fixture_subject
from app.services.studies import NewStudy, create_study
from tests.resolved_routes import share_routes

STUDY = "NCT07212335"
TEMPLATE, MAIN = "msc_template", "msc_main"
# The service's own issuer for machines.
MACHINES = MachineIssuer(
    "https://trial.hospital.example",
    "msc-icaht",
    OKPKey.generate_key("Ed25519", auto_kid=True),
)
KEYRING = Keyring(bytes(range(SECRET_BYTES)))
NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
TOKEN_LIFETIME = timedelta(minutes=15)


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


_ENTER_ROLE = text("SELECT set_config('role', :role, true), set_config('app.study_ids', '', true)")


class TransactionDatabase(Database):
    """A database whose sessions all run inside one transaction, which the test rolls back.

    The application's sessions work in the API's role; those of a test are the owner's, who sees
    and may do everything.
    """

    def __init__(self, connection: AsyncConnection, role: str | None = None) -> None:
        self.connection = connection
        self.engine = connection.engine
        self.role = role

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose commit only releases a savepoint."""
        session = AsyncSession(
            self.connection,
            join_transaction_mode="create_savepoint",
            expire_on_commit=False,
            autoflush=False,
        )
        async with self.in_role(), session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Open a session like any other: nobody else writes beside the one transaction."""
        async with self.session() as session:
            yield session

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[Any]:
        """Give the driver's connection; what it begins is a savepoint of the transaction."""
        # The driver enters the transaction with the first statement.
        await self.connection.execute(text("SELECT 1"))
        async with self.in_role():
            yield (await self.connection.get_raw_connection()).driver_connection

    @asynccontextmanager
    async def in_role(self) -> AsyncIterator[None]:
        """Work in the role, and in nobody's studies yet; go back to the one before."""
        before = await self.connection.scalar(text("SELECT current_user"))
        await self.connection.execute(_ENTER_ROLE, {"role": self.role or "postgres"})
        try:
            yield
        finally:
            if self.connection.in_transaction():
                await self.connection.execute(_ENTER_ROLE, {"role": before})


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
    database = Database(on(server_url, TEMPLATE), role=None)
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
    database = Database(on(server_url, MAIN), role=None)
    yield database
    await database.close()


@asynccontextmanager
async def rolled_back(main_database: Database) -> AsyncIterator[TransactionDatabase]:
    """Give the database inside one transaction, and roll it back."""
    async with main_database.engine.connect() as connection:
        transaction = await connection.begin()
        yield TransactionDatabase(connection)
        await transaction.rollback()


@pytest.fixture
async def database(main_database: Database) -> AsyncIterator[TransactionDatabase]:
    """The database inside one transaction that is rolled back after the test."""
    async with rolled_back(main_database) as database:
        yield database


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
    """A pool on a database of its own, for tests to look into and to change: the owner's."""
    database = Database(committing_url, pool_size=20, role=None)
    yield database
    await database.close()


@pytest.fixture
async def serving_database(committing_url: str) -> AsyncIterator[Database]:
    """A pool on a database of its own, in the role in which the application works."""
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
    verifier = TokenVerifier(MACHINES.audience, [issuer.trusted(), MACHINES.trusted()])
    own = OwnIssuers(machines=MACHINES)
    app = create_app(Settings(), database, verifier, KEYRING, clock, own)
    share_routes(app)
    return app


@pytest.fixture
def keyring() -> Keyring:
    """The keys that every application under test keeps identity with."""
    return KEYRING


@contextmanager
def serving_inside(
    database: TransactionDatabase, issuer: DevelopmentIssuer, clock: TestClock
) -> Iterator[FastAPI]:
    """Serve inside a transaction.

    Nobody else writes there, so that the present needs no settling, and is the test's clock's.
    """
    built = build_app(TransactionDatabase(database.connection, API_ROLE), issuer, clock)
    built.dependency_overrides[pinned_moment] = moment
    yield built
    built.state.renderer.close()


@pytest.fixture
def app(
    database: TransactionDatabase, issuer: DevelopmentIssuer, clock: TestClock
) -> Iterator[FastAPI]:
    """The application inside the test's transaction."""
    with serving_inside(database, issuer, clock) as built:
        yield built


Api = Callable[..., httpx.AsyncClient]


class FreshLogin(httpx.Auth):
    """Shows the token of somebody who has just logged in, by the clock of the test."""

    def __init__(self, subject: str, issuer: DevelopmentIssuer, clock: TestClock) -> None:
        self._subject, self._issuer, self._clock = subject, issuer, clock
        self._issued: tuple[datetime, str] | None = None

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        """Authorize a request that does not say itself who is asking."""
        if "Authorization" not in request.headers:
            request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request

    def _token(self) -> str:
        """Return a token of now; while the clock stands, the same one."""
        now = self._clock()
        if self._issued is None or self._issued[0] != now:
            self._issued = now, self._issuer.token(self._subject, now, TOKEN_LIFETIME)
        return self._issued[1]


def clients(app: FastAPI, issuer: DevelopmentIssuer, clock: TestClock) -> Api:
    """Return a factory of clients: `api(role)` speaks for the role's fixture person."""

    def api(
        role: Role | None = Role.PRINCIPAL_INVESTIGATOR, second: bool = False
    ) -> httpx.AsyncClient:
        login = FreshLogin(fixture_subject(role, second), issuer, clock) if role else None
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=f"http://test/api/v1/studies/{STUDY}",
            auth=login,
        )

    return api


@pytest.fixture
def api(app: FastAPI, issuer: DevelopmentIssuer, clock: TestClock) -> Api:
    """Clients of the application inside the test's transaction."""
    return clients(app, issuer, clock)


@pytest.fixture
def committing_api(serving_database: Database, issuer: DevelopmentIssuer, clock: TestClock) -> Api:
    """Clients of an application that really commits."""
    return clients(build_app(serving_database, issuer, clock), issuer, clock)
