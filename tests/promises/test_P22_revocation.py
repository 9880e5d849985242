"""P22: a revocation counts from the next request on: of a grant, of a person, by its own end."""

from datetime import timedelta

import pytest

from app.domain.vocabulary import Role
from app.services import access
from tests.conftest import NOW
from tests.factories.people import grant, newcomer, speaking_for

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
