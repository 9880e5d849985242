"""The issuer of development: its keys, and signing by local password; nowhere else."""

from datetime import timedelta

import httpx
import pytest

from app.core.config import Settings
from app.core.database import API_ROLE
from app.core.jose import PublicKeys
from app.core.security import SIGNING_ACR
from app.domain.vocabulary import Role
from app.main import OwnIssuers, create_app
from app.services.fixture_subjects import fixture_subject
from tests.conftest import KEYRING, TransactionDatabase

BASE = "http://test/api/v1/development"
INVESTIGATOR = fixture_subject(Role.PRINCIPAL_INVESTIGATOR)


@pytest.fixture
def app(database, issuer, clock):
    """The application as development runs it: with the issuer beside it."""
    walled = TransactionDatabase(database.connection, API_ROLE)
    own = OwnIssuers(development=issuer)
    return create_app(Settings(), walled, issuer.verifier(), KEYRING, clock, own)


async def step_up(client: httpx.AsyncClient, password: str) -> httpx.Response:
    """Prove a password."""
    return await client.post(f"{BASE}/step-up", json={"password": password})


async def test_the_keys_are_public_and_those_of_the_tokens(api, issuer, clock):
    """Anybody may read them, and they verify what the issuer signs; nothing private is among."""
    answer = await api(None).get(f"{BASE}/jwks")
    assert answer.status_code == 200
    document = answer.json()
    assert len(PublicKeys.read(document)) == 1
    assert all("d" not in key for key in document["keys"])


async def test_the_password_gives_a_token_that_signs(api, issuer, clock):
    """Out of an old login comes a fresh one, for a quarter of an hour."""
    stale = issuer.token(INVESTIGATOR, clock(), timedelta(hours=12), signing=False)
    verifier = issuer.verifier()
    before = verifier.verify(stale, clock())
    assert (before.auth_time, before.acr) == (None, None)
    clock.advance(hours=1)
    client = api(None)
    client.headers["Authorization"] = f"Bearer {stale}"
    answer = await step_up(client, issuer.password(INVESTIGATOR))
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()["access_token"]
    after = verifier.verify(token, clock())
    assert (after.subject, after.auth_time, after.acr) == (INVESTIGATOR, clock(), SIGNING_ACR)
    clock.advance(minutes=16)
    client.headers["Authorization"] = f"Bearer {token}"
    assert (await client.get("http://test/api/v1/studies")).status_code == 401


@pytest.mark.parametrize("whose", [Role.AUDITOR, Role.SUB_INVESTIGATOR])
async def test_somebody_elses_password_is_wrong(api, issuer, whose):
    """A password is one person's; the refusal repeats nothing of it."""
    password = issuer.password(fixture_subject(whose))
    answer = await step_up(api(), password)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_password")
    assert password not in answer.text
    assert answer.headers["www-authenticate"] == 'Bearer realm="msc-icaht"'


async def test_wrong_passwords_lock_signing(api, issuer):
    """Wrong ones are counted though the request is refused; then the right one is, too."""
    client = api()
    statuses = [(await step_up(client, "wrong")).status_code for _ in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    locked = await step_up(client, issuer.password(INVESTIGATOR))
    assert (locked.status_code, locked.json()["code"]) == (429, "signing_locked")
    assert int(locked.headers["retry-after"]) > 0
    other = fixture_subject(Role.SUB_INVESTIGATOR)
    free = await step_up(api(Role.SUB_INVESTIGATOR), issuer.password(other))
    assert free.status_code == 200


async def test_a_machine_has_no_password(api, issuer, clock):
    """A token with scopes steps up to nothing, whatever password it shows."""
    machine = issuer.token("lis", clock(), timedelta(minutes=5), scope="labs:create")
    client = api(None)
    client.headers["Authorization"] = f"Bearer {machine}"
    answer = await step_up(client, issuer.password("lis"))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_nobody_steps_up_without_a_token(api, issuer):
    """The password alone is not enough."""
    assert (await step_up(api(None), issuer.password(INVESTIGATOR))).status_code == 401


async def test_without_that_issuer_there_are_no_such_routes(database, issuer, clock):
    """An application that trusts a provider offers neither, and no document tells of them."""
    app = create_app(Settings(), database, issuer.verifier(), KEYRING, clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get(f"{BASE}/jwks")).status_code == 404
        assert (await step_up(client, "x")).status_code == 404
    own = create_app(
        Settings(), database, issuer.verifier(), KEYRING, clock, OwnIssuers(development=issuer)
    )
    assert not any("development" in path for path in own.openapi()["paths"])
