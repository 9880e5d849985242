"""What keeps the service from starting is one sentence, said before anything is served."""

import pytest
from sqlalchemy import text

from app import operations, server
from app.core.config import Environment, Settings
from app.core.database import Database
from app.core.errors import OperatorError

PRODUCTION = {
    "environment": Environment.PRODUCTION,
    "token_issuer": "https://id.hospital.example",
    "token_jwks": "keys.json",
    "identity_key": "01" * 32,
}


def refused(settings: dict, words: str) -> None:
    """Check that a start ends with these words."""
    with pytest.raises(OperatorError, match=words) as failure:
        server.serve(Settings(port=0, **settings), pytest.fail)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token_issuer": "https://id.example"}, "TOKEN_ISSUER needs TOKEN_JWKS"),
        ({"token_issuer": "urn:msc-icaht:development"}, "development issuer"),
        ({"token_issuer": "https://id.example", "token_jwks": "none.json"}, "JSON Web Key Set"),
    ],
)
def test_an_issuer_that_cannot_be_checked_is_refused(settings, words, empty_url):
    """An issuer needs its public keys, and cannot be the one that development embeds."""
    refused({"database_url": empty_url} | settings, words)


def test_a_database_that_does_not_answer_is_refused():
    """The driver's own words say why."""
    refused({"database_url": "postgresql://nobody@127.0.0.1:1/none"}, "does not do as asked")


def test_an_absent_database_is_named(empty_url):
    """The server's own words name the database that is not there."""
    refused({"database_url": empty_url.replace("msc_empty", "msc_none")}, "msc_none")


def test_what_is_no_url_is_refused():
    """The message shows the form of a URL and not what was given."""
    refused({"database_url": "planted secret"}, "DATABASE_URL is not a URL; write postgresql://")


def test_a_host_that_is_not_ours_is_refused():
    """An address of another machine cannot be listened on."""
    refused({"host": "192.0.2.1"}, "of 192.0.2.1 cannot be used")


def test_an_old_postgres_is_refused(empty_url, monkeypatch):
    """A server older than 15 is refused before anything is done with it."""

    async def old(engine) -> int:
        return 14

    monkeypatch.setattr(operations, "server_version", old)
    refused({"database_url": empty_url}, "PostgreSQL 14; use 15 or newer")


async def tables(url: str) -> int:
    """Count the tables of a database."""
    database = Database(url, pool_size=1)
    async with database.engine.connect() as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        found = await connection.scalar(text(query))
    await database.close()
    return found


@pytest.fixture
async def untouched(empty_url):
    """An empty database that has to be empty afterwards."""
    yield empty_url
    assert await tables(empty_url) == 0


def test_production_does_not_migrate(untouched):
    """In production the schema is changed by its own command only."""
    refused(PRODUCTION | {"database_url": untouched}, "run msc-icaht migrate")
