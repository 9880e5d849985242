"""The issuer changes its keys, and the service follows without a restart (P22)."""

import asyncio
import json
import threading
from datetime import timedelta

import httpx
import pytest

from app.core import issuer_keys
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.issuer_keys import IssuerKeys, read_keys
from app.core.tokens import TokenVerifier, TrustedIssuer
from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.main import create_app
from tests.conftest import KEYRING, NOW, TransactionDatabase
from tests.factories.tokens import AUDIENCE, claims, public, sign

AUDITOR = Role.AUDITOR.value


class Seconds:
    """A clock for the pauses between readings."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the moment that is set."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """The pauses of the test."""
    return Seconds()


@pytest.fixture
def published(tmp_path):
    """The file in which the issuer publishes its keys: at first one of two."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(public("ed")))
    return path


@pytest.fixture
def keys(published, seconds) -> IssuerKeys:
    """The keys as the service holds them."""
    return IssuerKeys.at(str(published), seconds)


@pytest.fixture
def verifier(keys) -> TokenVerifier:
    """A verifier that trusts the issuer of the file."""
    return TokenVerifier(AUDIENCE, [TrustedIssuer(DEVELOPMENT_ISSUER, keys, timedelta(minutes=15))])


def token(key: str, **header: object) -> str:
    """Return a good token that one of the keys has signed."""
    return sign(claims(DEVELOPMENT_ISSUER, AUDITOR, NOW), key, **header)


async def is_good(verifier: TokenVerifier, text: str) -> bool:
    """Tell whether a token is taken."""
    try:
        return (await verifier.identify(text, NOW)).subject == AUDITOR
    except DomainError:
        return False


async def test_a_new_key_is_taken_on_its_first_token(verifier, published):
    """The unknown `kid` has the keys read again, within the same request."""
    published.write_text(json.dumps(public("ed", "ec")))
    assert await is_good(verifier, token("ec"))
    assert await is_good(verifier, token("ed"))


async def test_a_removed_key_stops_working_though_its_token_was_remembered(
    verifier, keys, published, seconds
):
    """What the key has verified before is forgotten with it."""
    text = token("ed")
    assert await is_good(verifier, text)
    published.write_text(json.dumps(public("ec")))
    seconds.now += issuer_keys.REFRESH_SECONDS
    await keys.renew()
    assert not await is_good(verifier, text)
    assert await is_good(verifier, token("ec"))


async def test_the_same_keys_read_again_forget_nothing(verifier, keys, seconds):
    """A reading that brings nothing new costs nobody a verification."""
    assert await is_good(verifier, token("ed"))
    held = keys.current
    seconds.now += issuer_keys.REFRESH_SECONDS
    await keys.renew()
    assert keys.current is held


async def test_unknown_keys_have_the_keys_read_once_a_minute_at_most(
    verifier, keys, seconds, monkeypatch
):
    """Somebody who makes keys up cannot make the service ask its provider without end."""
    readings = []
    read = keys._read
    monkeypatch.setattr(keys, "_read", lambda: readings.append(1) or read())
    for _ in range(5):
        assert not await is_good(verifier, token("ec"))
    assert len(readings) == 1
    seconds.now += issuer_keys.SOONEST_SECONDS
    for _ in range(5):
        assert not await is_good(verifier, token("ec"))
    assert len(readings) == 2


async def test_all_who_wait_for_the_keys_wait_for_one_reading(
    verifier, keys, published, monkeypatch
):
    """Thirty requests with the new key get in by one reading, and the loop is not held up."""
    readings, go = [], threading.Event()
    read = keys._read
    monkeypatch.setattr(keys, "_read", lambda: (readings.append(1), go.wait(30), read())[2])
    published.write_text(json.dumps(public("ec")))
    waiting = [asyncio.create_task(is_good(verifier, token("ec"))) for _ in range(30)]
    impatient = asyncio.create_task(is_good(verifier, token("ec")))
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    assert await is_good(verifier, token("ed"))
    impatient.cancel()
    go.set()
    assert all(await asyncio.gather(*waiting))
    assert readings == [1]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"keys": []}', '{"keys": [7]}', "[" * 5000]
)
async def test_a_reading_that_fails_keeps_the_keys(verifier, keys, published, seconds, content):
    """A provider that is down, or publishes rubbish, locks nobody out."""
    published.write_text(content)
    seconds.now += issuer_keys.REFRESH_SECONDS
    await keys.renew()
    assert await is_good(verifier, token("ed"))
    published.unlink()
    seconds.now += issuer_keys.REFRESH_SECONDS
    await keys.renew()
    assert await is_good(verifier, token("ed"))


async def test_the_keys_are_kept_fresh_without_a_request(verifier, published, monkeypatch):
    """A key that was removed goes though nobody asks; the task ends when it is cancelled."""
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(issuer_keys, "SOONEST_SECONDS", 0)
    text = token("ed")
    assert await is_good(verifier, text)
    published.write_text(json.dumps(public("ec")))
    fresh = asyncio.create_task(verifier.keep_fresh())
    for _ in range(200):
        await asyncio.sleep(0.01)
        try:
            verifier.verify(text, NOW)
        except DomainError:
            break
    else:
        pytest.fail("the removed key still works")
    fresh.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fresh


async def test_a_rotation_reaches_the_next_request(
    verifier, keys, published, seconds, clock, api, database
):
    """Over HTTP: the old key's token is refused on the request after the reading."""
    app = create_app(api(None)._transport.app.state.settings, database, verifier, KEYRING, clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test/api/v1"
    ) as client:
        old, new = ({"Authorization": f"Bearer {token(key)}"} for key in ("ed", "ec"))
        assert (await client.get("/studies", headers=old)).status_code == 200
        published.write_text(json.dumps(public("ec")))
        assert (await client.get("/studies", headers=new)).status_code == 200
        assert (await client.get("/studies", headers=old)).status_code == 401
    assert isinstance(database, TransactionDatabase)


def test_keys_over_tls_are_read_from_where_the_setting_says(monkeypatch):
    """A redirect, an error or an endless answer is a failure; nothing else is asked."""
    answers = {
        "/keys": httpx.Response(200, text="{}"),
        "/moved": httpx.Response(302, headers={"Location": "https://elsewhere.example/keys"}),
        "/broken": httpx.Response(500),
        "/endless": httpx.Response(200, content=b"x" * (issuer_keys.LARGEST_BYTES + 1)),
    }
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answers[request.url.path]

    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(httpx, "stream", client.stream)
    assert read_keys("https://id.example/keys") == "{}"
    for path in ("/moved", "/broken", "/endless"):
        with pytest.raises(OSError, match=r"reading|larger"):
            read_keys(f"https://id.example{path}")
    assert asked == [f"https://id.example{path}" for path in answers]
