"""P22: a revocation counts from the next request on: of a grant, of a person, by its own end.

And of a key of the identity provider, once the service has read the keys again: with the first
token of a key that it does not know, and every few minutes.
"""

import json
from datetime import timedelta

import httpx
import pytest

from app.core.config import Settings
from app.core.database import API_ROLE
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.issuer_keys import IssuerKeys
from app.core.tokens import TokenVerifier, TrustedIssuer
from app.domain.vocabulary import Role
from app.main import create_app
from app.services import access
from tests.conftest import KEYRING, NOW, STUDY, TransactionDatabase
from tests.factories.people import grant, newcomer, speaking_for
from tests.factories.tokens import AUDIENCE, claims, public, sign

WHY = {"reason": "Left the hospital."}


async def let_in(api, **fields):
    """A monitor who was just let in: the grant, and the client, which works."""
    given = await grant(api, Role.MONITOR, person=newcomer("mona"), **fields)
    client = speaking_for(api, "mona")
    assert (await client.get("/subjects")).status_code == 200
    return given, client


async def revoke(api, given, clock):
    """End the one grant."""
    path = f"/grants/{given['id']}/revocation"
    assert (await api(Role.ADMINISTRATOR).post(path, json=WHY)).status_code == 201


async def disable(api, given, clock):
    """End all that the person holds."""
    path = f"/people/{given['person']['id']}/revocation"
    answer = await api(Role.ADMINISTRATOR).post(path, json=WHY)
    assert answer.status_code == 201
    assert {item["status"] for item in answer.json()} == {"revoked"}


async def wait(api, given, clock):
    """Let the time come until which the grant was given."""
    clock.now = NOW + timedelta(hours=1)


WAYS = [(revoke, {}), (disable, {}), (wait, {"valid_until": "2026-06-01T05:00:00Z"})]


@pytest.mark.parametrize(("end", "fields"), WAYS, ids=["revoke", "disable", "expire"])
async def test_the_next_request_is_refused(api, clock, end, fields):
    """The same client, with a token that is still good, finds a study that is not there."""
    given, client = await let_in(api, **fields)
    await end(api, given, clock)
    assert (await client.get("/subjects")).status_code == 404


async def test_the_last_moment_of_a_grant_still_counts(api, clock):
    """A grant is good until its end, not until a moment before."""
    _, client = await let_in(api, valid_until="2026-06-01T05:00:00Z")
    clock.now = NOW + timedelta(hours=1) - timedelta(microseconds=1)
    assert (await client.get("/subjects")).status_code == 200


async def test_a_revocation_does_not_wait_for_clocks(api, clock):
    """On a machine whose clock is behind the grant has ended as well."""
    given, client = await let_in(api)
    clock.now = NOW + timedelta(minutes=1)
    await revoke(api, given, clock)
    clock.now = NOW
    assert (await client.get("/subjects")).status_code == 404


async def test_a_disabled_person_has_nothing_left_to_end(api, clock):
    """All is ended at once, proposals too; a second time says so."""
    given, client = await let_in(api)
    person_id = given["person"]["id"]
    await grant(api, Role.PRINCIPAL_INVESTIGATOR, person_id=person_id)
    await disable(api, given, clock)
    path = f"/people/{person_id}/revocation"
    again = await api(Role.ADMINISTRATOR).post(path, json=WHY)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_granted")
    assert (await client.get("/subjects")).status_code == 404


@pytest.fixture
def provider(tmp_path, database, clock):
    """An identity provider: the file of its keys, a service that trusts it, and its minutes."""
    path, minutes = tmp_path / "jwks.json", []
    path.write_text(json.dumps(public("ed")))
    keys = IssuerKeys.at(str(path), lambda: 60.0 * len(minutes))
    trusted = TrustedIssuer(DEVELOPMENT_ISSUER, keys, timedelta(minutes=15))
    served = TransactionDatabase(database.connection, API_ROLE)
    app = create_app(Settings(), served, TokenVerifier(AUDIENCE, [trusted]), KEYRING, clock)
    return path, keys, minutes, app


async def statuses(app, *keys: str) -> list[int]:
    """Ask with a token of the auditor for each key."""
    base = f"http://test/api/v1/studies/{STUDY}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
        tokens = [sign(claims(DEVELOPMENT_ISSUER, Role.AUDITOR.value, NOW), key) for key in keys]
        return [
            (await client.get("/subjects", headers={"Authorization": f"Bearer {each}"})).status_code
            for each in tokens
        ]


async def test_a_revoked_key_counts_no_more(provider):
    """Once the provider has changed its key, the new one is taken and the old one is refused.

    The token with the new key has the keys read again; from then on the old one proves nobody,
    also a token that was good before.
    """
    path, _, _, app = provider
    assert await statuses(app, "ed", "ec") == [200, 401]
    provider[2].append(1)
    path.write_text(json.dumps(public("ec")))
    assert await statuses(app, "ec", "ed") == [200, 401]


async def test_a_revoked_key_is_forgotten_though_nobody_shows_a_new_one(provider):
    """The keys are read again by themselves, every few minutes."""
    path, keys, minutes, app = provider
    assert await statuses(app, "ed") == [200]
    path.write_text(json.dumps(public("ec")))
    minutes.extend([1] * 60)
    await keys.renew()
    assert await statuses(app, "ed") == [401]


async def test_control_grants_that_are_remembered_outlive_their_end(api, clock, monkeypatch):
    """A service that reads grants once and keeps them lets the client in: the check sees it."""
    remembered = {}
    read = access.grants_of

    async def careless(session, identity, study_key, now):
        held = await read(session, identity, study_key, now)
        return remembered.setdefault((identity, study_key), held)

    monkeypatch.setattr(access, "grants_of", careless)
    given, client = await let_in(api)
    await revoke(api, given, clock)
    assert (await client.get("/subjects")).status_code == 200
