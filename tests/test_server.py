"""What keeps the service from starting is one sentence, said before anything is served."""

import json
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app import operations, server
from app.core.config import Environment, Settings
from app.core.database import API_ROLE, Database
from app.core.errors import OperatorError
from tests.factories.tokens import public

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
def test_an_issuer_that_cannot_be_checked_is_refused(settings, words, empty_url, tmp_path):
    """An issuer needs its public keys, and cannot be the one that development embeds."""
    refused({"database_url": empty_url, "data_dir": tmp_path} | settings, words)


@pytest.mark.parametrize("content", [None, b"rubbish"])
def test_a_key_for_machines_that_cannot_be_read_is_refused(content, empty_url, tmp_path):
    """The issuer for machines is there with its key, or the service does not start."""
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings = {"database_url": empty_url, "data_dir": tmp_path, "machine_issuer_key_file": path}
    refused(settings, "MACHINE_ISSUER_KEY_FILE does not hold")


def test_production_names_the_address_that_its_machines_know():
    """Assertions name the service by it, so that those for another service are worth nothing."""
    database = "postgresql://db/name"
    settings = PRODUCTION | {"database_url": database, "machine_issuer_key_file": "key.pem"}
    with pytest.raises(ValueError, match="PUBLIC_URL"):
        Settings(**settings)
    Settings(**settings, public_url="https://trial.hospital.example")
    with pytest.raises(ValueError, match="public_url"):
        Settings(**settings, public_url="https://trial.hospital.example/")


def test_the_service_is_not_its_own_provider(tmp_path, keys_of_provider):
    """Machines' tokens and people's come from two issuers."""
    settings = Settings(
        data_dir=tmp_path,
        token_issuer="https://id.example",
        token_jwks=str(keys_of_provider),
        public_url="https://id.example",
    )
    with pytest.raises(OperatorError, match="PUBLIC_URL names this service"):
        server.token_verifier(settings, server.own_issuers(settings))


def test_production_has_no_issuer_of_its_own_for_people():
    """A machine issuer only where its key is configured, one of development never."""
    given = PRODUCTION | {"database_url": "postgresql://db/name"}
    own = server.own_issuers(Settings(**given))
    assert (own.development, own.machines) == (None, None)
    careless = Settings.model_construct(**given | {"token_issuer": None})
    with pytest.raises(OperatorError, match="never runs in production"):
        server.own_issuers(careless)


@pytest.fixture
def keys_of_provider(tmp_path):
    """A file with the public keys of a provider."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(public("ed")))
    return path


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
    database = Database(url, pool_size=1, role=None)
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


async def test_development_names_the_owners_address_that_is_missing(committing_url):
    """The API's login cannot load the study, and says so, whether the study is there or not."""
    login = make_url(committing_url).set(username=API_ROLE).render_as_string(hide_password=False)
    work = partial(server.prepare, Settings())
    with pytest.raises(OperatorError, match="set OWNER_DATABASE_URL") as failure:
        await operations.with_database(login, work)
    assert "duplicate key" not in str(failure.value)
    await operations.with_database(committing_url, work)
