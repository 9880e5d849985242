"""P35: the service is not ready, and does not start in production, without its guarantees."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.clock import system_clock
from app.core.config import Environment, Settings
from app.core.database import API_ROLE, SERVER_SETTINGS, Database
from app.core.errors import OperatorError
from app.server import check_guarantees
from app.services.readiness import guards, shortcomings

PRODUCTION = Settings(
    environment=Environment.PRODUCTION,
    database_url="postgresql://db/name",
    token_issuer="https://id.hospital.example",
    token_jwks="keys.json",
    identity_key="1f2e3d4c5b6a79880123456789abcdef" * 2,
)
DURABLE = ("synchronous_commit",)
SERVER_WIDE = ("fsync", "full_page_writes")


def as_api(url: str) -> str:
    """Return the URL under which the service is to log in."""
    return make_url(url).set(username=API_ROLE).render_as_string(hide_password=False)


async def reasons(url: str, settings: Settings = PRODUCTION, **options) -> list[str]:
    """Ask a service on a database what it lacks."""
    database = Database(url, pool_size=1)
    try:
        found = await shortcomings(database, settings.in_production, **options)
        return settings.shortcomings() + found
    finally:
        await database.close()


async def test_control_the_api_on_a_sound_database_lacks_nothing(committing_url):
    """The control: with every guarantee in place production starts."""
    assert await reasons(as_api(committing_url)) == []
    await check_guarantees(PRODUCTION, as_api(committing_url))


async def test_a_superuser_or_owner_is_refused(committing_url):
    """Production refuses the login, and a start says so; development works in the API's role."""
    (reason,) = await reasons(committing_url)
    assert "is a superuser and passes row-level security and owns tables" in reason
    with pytest.raises(OperatorError, match="log in as msc_icaht_api"):
        await check_guarantees(PRODUCTION, committing_url)
    assert await reasons(committing_url, Settings()) == []


async def test_without_the_role_development_is_not_ready_either(committing_url):
    """A pool that works as the owner itself is found in any environment."""
    database = Database(committing_url, pool_size=1, role=None)
    found = await shortcomings(database, in_production=False)
    await database.close()
    assert any("The service works as postgres" in reason for reason in found)


async def test_bypassing_row_level_security_is_refused(committing_url, committing_database):
    """A login that the policies do not hold for is refused."""
    login = "msc_icaht_bypass"
    async with committing_database.engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {login} LOGIN BYPASSRLS IN ROLE {API_ROLE}"))
    try:
        url = make_url(committing_url).set(username=login).render_as_string(hide_password=False)
        (reason,) = await reasons(url)
    finally:
        async with committing_database.engine.begin() as connection:
            await connection.execute(text(f"DROP ROLE {login}"))
    assert f"works as {login}, which passes row-level security;" in reason


@pytest.mark.parametrize("name", DURABLE)
async def test_a_session_that_is_not_durable_is_refused(committing_url, monkeypatch, name):
    """An acknowledged write could be lost, and the reason says by what."""
    monkeypatch.setitem(SERVER_SETTINGS, name, "off")
    (reason,) = await reasons(as_api(committing_url))
    assert f"{name} = off" in reason


@pytest.mark.parametrize("name", DURABLE)
@pytest.mark.parametrize("whose", ["ROLE {role} SET", "ROLE {role} IN DATABASE {database} SET"])
async def test_a_role_that_is_not_durable_is_refused(
    committing_url, committing_database, name, whose
):
    """What is set for the API's login alone is seen as well: readiness asks as that login."""
    place = whose.format(role=API_ROLE, database=make_url(committing_url).database)
    async with committing_database.engine.begin() as connection:
        await connection.execute(text(f"ALTER {place} {name} = off"))
    try:
        (reason,) = await reasons(as_api(committing_url))
    finally:
        async with committing_database.engine.begin() as connection:
            await connection.execute(text(f"ALTER {place} {name} = on"))
            await connection.execute(text(f"ALTER {place.removesuffix('SET')} RESET {name}"))
    assert f"{name} = off" in reason


@pytest.mark.parametrize("name", SERVER_WIDE)
async def test_a_server_that_is_not_durable_is_refused(committing_url, committing_database, name):
    """The same for what the whole server does; it is set right again at once."""
    async with committing_database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text(f"ALTER SYSTEM SET {name} = off"))
        try:
            await plain.execute(text("SELECT pg_reload_conf()"))
            await plain.execute(text("SELECT pg_sleep(0.2)"))
            found = await reasons(as_api(committing_url))
        finally:
            await plain.execute(text(f"ALTER SYSTEM RESET {name}"))
            await plain.execute(text("SELECT pg_reload_conf()"))
    assert any(f"{name} = off" in reason for reason in found)


async def test_every_missing_or_disabled_trigger_is_named(committing_url, committing_database):
    """Each guard counts: without it the service is not ready."""
    owner = committing_database.engine
    async with owner.connect() as connection:
        places = dict(
            (
                await connection.execute(
                    text("SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
                         " WHERE NOT tgisinternal")
                )
            ).all()
        )  # fmt: skip
    names = sorted(guards())
    for name in (*names[:: len(names) // 12], "subject_write_updates", "lab_result_refuse"):
        async with owner.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {places[name]} DISABLE TRIGGER {name}"))
        reason, changed = await reasons(as_api(committing_url))
        assert f" {name}" in reason
        assert f".{places[name].rpartition('.')[2]}." in changed
        async with owner.begin() as connection:
            await connection.execute(
                text(f"ALTER TABLE {places[name]} ENABLE ALWAYS TRIGGER {name}")
            )
    assert await reasons(as_api(committing_url)) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE lab_result DISABLE ROW LEVEL SECURITY", "off for lab_result"),
        ("DROP POLICY own_study ON subject", "off for subject"),
        ("ALTER FUNCTION write_updates() SECURITY INVOKER", "write_updates does not write"),
        ("ALTER FUNCTION write_inserts() OWNER TO msc_icaht_api", "write_inserts does not write"),
        ("GRANT INSERT ON change TO msc_icaht_api", "may write the trail itself"),
        ("GRANT DELETE ON change TO msc_icaht_api", "may write the trail itself"),
    ],
)
async def test_a_wall_that_was_taken_down_is_named(
    committing_url, committing_database, statement, words
):
    """Whatever lets the API past the trail or past a study makes the service not ready."""
    async with committing_database.engine.begin() as connection:
        await connection.execute(text("GRANT CREATE ON SCHEMA public TO msc_icaht_api"))
        await connection.execute(text(statement))
    found = await reasons(as_api(committing_url))
    assert any(words in reason for reason in found), found


@pytest.mark.parametrize(("seconds", "ready"), [(1.5, True), (-1.5, True), (3, False), (-3, False)])
async def test_a_clock_of_its_own_is_refused(committing_url, seconds, ready):
    """More than two seconds beside the database's clock make the service not ready."""
    found = await reasons(
        as_api(committing_url), clock=lambda: system_clock() + timedelta(seconds=seconds)
    )
    assert (found == []) is ready


async def test_secrets_and_issuers_of_development_are_refused(committing_url):
    """A key that somebody typed and the development issuer are no guarantees."""
    for change, words in (
        ({"identity_key": "01" * 32}, "IDENTITY_KEY is no random key"),
        ({"token_issuer": None}, "Tokens of the development issuer"),
    ):
        settings = PRODUCTION.model_copy(update=_parsed(change))
        assert any(words in reason for reason in await reasons(as_api(committing_url), settings))
    with pytest.raises(ValidationError, match="TOKEN_ISSUER"):
        Settings(environment=Environment.PRODUCTION, database_url="postgresql://db/name")


def _parsed(change: dict) -> dict:
    """Return a change of settings in the types that settings have."""
    return {name: getattr(Settings(**change), name) for name in change}
