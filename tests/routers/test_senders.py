"""Senders over HTTP: registered by data management, bound to what they may, closed at once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.factories.senders import FIXTURE, SENDER, SENDERS, change, create_sender, second_study

READERS = {
    Role.PRINCIPAL_INVESTIGATOR,
    Role.SUB_INVESTIGATOR,
    Role.STUDY_COORDINATOR,
    Role.DATA_MANAGER,
    Role.MONITOR,
    Role.AUDITOR,
    Role.ADMINISTRATOR,
}
REGISTRARS = {Role.DATA_MANAGER, Role.ADMINISTRATOR}
DIGEST = "AB:" * 31 + "CD"


async def moment(session) -> datetime:
    """Return the present moment of the database's clock."""
    return await session.scalar(text("SELECT clock_timestamp()"))


async def test_a_sender_is_registered_with_everything_it_is_bound_to(api):
    """What was given is kept in one form, and the first profile version counts."""
    made = await create_sender(
        api,
        sending_facility="HOSPITAL",
        analytes=["neut#", "PLT"],
        networks=["10.20.0.0/16", "2001:db8::/32"],
        certificates=[DIGEST],
        rate_per_minute=30,
        profile="china_oul_r24",
    )
    assert made["code"] == "LIS-01"
    assert made["site"] == "01"
    assert {name: made[name] for name in FIXTURE} == FIXTURE
    assert made["analytes"] == ["ANC", "PLT"]
    assert made["networks"] == ["10.20.0.0/16", "2001:db8::/32"]
    assert made["certificates"] == ["ab" * 31 + "cd"]
    assert (made["rate_per_minute"], made["active"], made["profile_number"]) == (30, True, 1)
    answer = await api().get(f"{SENDERS}/{made['id']}")
    assert (answer.json(), answer.headers["etag"]) == (made, '"v1"')
    assert (await api().get(SENDERS)).json() == {"items": [made], "next": None}


async def test_a_sender_without_tokens_gets_an_identity_of_its_own(api):
    """It acts under its code, so that the trail can name it."""
    made = await create_sender(api, issuer=None, subject=None)
    assert (made["issuer"], made["subject"]) == ("urn:msc-icaht:sender", "LIS-01")
    assert made["rate_per_minute"] == SENDER["rate_per_minute"]


@pytest.mark.parametrize("role", Role)
async def test_who_may_see_and_who_may_register(api, role):
    """The role matrix holds for each operation on senders."""
    made = await create_sender(api)
    client, one = api(role), f"{SENDERS}/{made['id']}"
    for path in (SENDERS, one, f"{one}/profiles", f"{one}/keys"):
        assert (await client.get(path)).status_code == (200 if role in READERS else 403)
    registered = await client.post(SENDERS, json=SENDER | {"code": "LIS-02"})
    assert registered.status_code == (201 if role in REGISTRARS else 403)
    key = await client.post(f"{one}/keys", json={})
    assert key.status_code == (201 if role in REGISTRARS else 403)
    changed = await change(client, one, 1, active=False)
    assert changed.status_code == (200 if role in REGISTRARS else 403)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"code": "a:b"}, "/body/code"),
        ({"code": ""}, "/body/code"),
        ({"site": "09"}, "/body/site"),
        ({"issuer": None}, "/body"),
        ({"analytes": ["ANC", "no such"]}, "/body/analytes/1"),
        ({"networks": ["10.20.0.1/16"]}, "/body/networks/0"),
        ({"networks": ["anywhere"]}, "/body/networks/0"),
        ({"certificates": ["ab"]}, "/body/certificates/0"),
        ({"rate_per_minute": 0}, "/body/rate_per_minute"),
        ({"rate_per_minute": 1_000_001}, "/body/rate_per_minute"),
        ({"active": False}, "/body/active"),
    ],
)
async def test_what_cannot_be_a_sender_is_refused(api, changes, pointer):
    """The refusal points at the field, and nothing is registered."""
    answer = await api(Role.DATA_MANAGER).post(SENDERS, json=SENDER | FIXTURE | changes)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await api().get(SENDERS)).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": None, "subject": None}, "sender_exists"),
        ({"code": "LIS-02"}, "identity_bound"),
        ({"code": "LIS-02", "subject": "x", "certificates": [DIGEST]}, "certificate_bound"),
    ],
)
async def test_no_two_senders_share_what_tells_them_apart(api, changes, code):
    """A code, an identity and a certificate belong to one sender of the study."""
    await create_sender(api, certificates=[DIGEST.lower()])
    answer = await api(Role.DATA_MANAGER).post(SENDERS, json=SENDER | FIXTURE | changes)
    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_nobody_registers_themselves(api):
    """Who administers senders cannot become one under their own identity."""
    own = FIXTURE | {"subject": "administrator"}
    answer = await api(Role.ADMINISTRATOR).post(SENDERS, json=SENDER | own)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_identity")


async def test_a_change_needs_the_version_that_was_read_and_a_reason(api):
    """The second of two changes of one version is refused, and each one is explained."""
    made = await create_sender(api)
    client, one = api(Role.DATA_MANAGER), f"{SENDERS}/{made['id']}"
    unread = await client.patch(one, json={"name": "New", "reason": "Renamed."})
    assert unread.status_code == 428
    silent = await client.patch(one, json={"name": "New"}, headers={"If-Match": '"v1"'})
    assert silent.status_code == 422
    changed = await change(client, one, 1, name="New", networks=["10.0.0.0/8"], analytes=[])
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == '"v2"'
    assert (changed.json()["name"], changed.json()["networks"]) == ("New", ["10.0.0.0/8"])
    assert (await change(client, one, 1, name="Newer")).status_code == 412
    emptied = await change(client, one, 2, active=None)
    assert emptied.json()["errors"][0]["pointer"] == "/body/active"
    operations = (await api(Role.AUDITOR).get("/audit/operations?command=change_sender")).json()
    assert [item["reason"] for item in operations["items"]] == ["The laboratory asked for it."]


async def test_a_change_keeps_to_the_same_rules(api):
    """An unknown analyte and another sender's certificate are refused; one's own may stay."""
    await create_sender(api, certificates=[DIGEST])
    made = await create_sender(api, code="LIS-02", subject="other", certificates=["12" * 32])
    client, one = api(Role.DATA_MANAGER), f"{SENDERS}/{made['id']}"
    assert (await change(client, one, 1, analytes=["no such"])).status_code == 422
    assert (await change(client, one, 1, certificates=[DIGEST])).status_code == 409
    kept = await change(client, one, 1, certificates=["12" * 32, "34" * 32])
    assert kept.json()["certificates"] == ["12" * 32, "34" * 32]


async def test_a_sender_is_read_as_it_was(api, session, clock):
    """At an earlier moment it has its earlier name and profile."""
    made = await create_sender(api)
    client, one = api(Role.DATA_MANAGER), f"{SENDERS}/{made['id']}"
    before = await moment(session)
    await change(client, one, 1, name="New")
    await client.post(f"{one}/profiles", json={"profile": "generic_oru", "reason": "Again."})
    clock.now = await moment(session)
    past = {"as_of": before.isoformat()}
    assert (await client.get(one, params=past)).json() == made
    assert (await client.get(SENDERS, params=past)).json()["items"] == [made]
    assert len((await client.get(f"{one}/profiles", params=past)).json()["items"]) == 1
    now = (await client.get(one)).json()
    assert (now["name"], now["profile_number"]) == ("New", 2)


async def test_a_repeated_registration_is_answered_alike(api):
    """The same Idempotency-Key registers one sender, under the study that is meant."""
    client = api(Role.DATA_MANAGER)
    headers = {"Idempotency-Key": "k"}
    first = await client.post(SENDERS, json=SENDER, headers=headers)
    again = await client.post(SENDERS, json=SENDER, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = await client.post(SENDERS, json=SENDER | {"code": "LIS-02"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await client.get(SENDERS)).json()["items"]) == 1


async def test_who_is_in_two_studies_names_one(api):
    """Without `study` nothing is guessed; a study without a role in it does not exist."""
    made = await create_sender(api)
    other = await second_study(api)
    client = api(Role.ADMINISTRATOR)
    unsaid = await client.get(SENDERS)
    assert (unsaid.status_code, unsaid.json()["code"]) == (422, "study_needed")
    assert unsaid.json()["errors"][0]["pointer"] == "/query/study"
    assert (await client.get(SENDERS, params={"study": other})).json()["items"] == []
    assert (await client.get(SENDERS, params={"study": STUDY})).json()["items"] == [made]
    same = await client.post(SENDERS, json=SENDER | FIXTURE, params={"study": other})
    assert same.status_code == 201, same.text
    foreign = await client.get(f"{SENDERS}/{made['id']}", params={"study": other})
    assert foreign.status_code == 404
    assert (await api().get(SENDERS, params={"study": other})).status_code == 404
    assert (await api().get(SENDERS)).json()["items"] == [made]


async def test_a_stranger_has_no_study(app, issuer, clock, api):
    """A valid token of nobody known is answered as if there were nothing."""
    client = api(None)
    token = issuer.token("stranger", clock(), timedelta(hours=1))
    answer = await client.get(SENDERS, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(SENDERS)).status_code == 401
