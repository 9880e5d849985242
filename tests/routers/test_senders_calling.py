"""The door of the machines: which credentials open it, from where, how fast, and for how long."""

from datetime import timedelta

import pytest
from fastapi import APIRouter, Request
from sqlalchemy import text

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.rate import SECOND, Rates
from app.domain.vocabulary import Role
from app.routers.lis_dependencies import CallingSystem, SenderRoute
from tests.conftest import STUDY
from tests.factories.senders import (
    BASE,
    FIXTURE,
    SENDER,
    SENDERS,
    basic,
    bearer,
    change,
    create_key,
    create_sender,
    second_study,
    sending,
)
from tests.factories.subjects import created

PROBE = f"{BASE}/lis/probe"
MESSAGE = b"MSH|^~\\&|LIS|HOSPITAL\rPID|1||\xff\xfe not JSON, not UTF-8"
probe = APIRouter(prefix="/api/v1/lis", route_class=SenderRoute)


@probe.post("/probe", status_code=201)
async def send_probe(request: Request, caller: CallingSystem) -> dict[str, object]:
    """Say who called, as an endpoint for messages would know it."""
    return {
        "study": caller.actor.study_key,
        "sender": caller.code,
        "role": caller.actor.role,
        "profile": caller.profile_number,
        "unit_component": caller.profile.unit_component,
        "analytes": sorted(caller.analytes or ()),
        "size": len(await request.body()),
    }


@probe.get("/probe")
async def read_probe(caller: CallingSystem) -> dict[str, object]:
    """Say who reads."""
    return {"sender": caller.code}


@pytest.fixture(autouse=True)
def door(app) -> None:
    """Let the application under test have a route of the machines."""
    app.include_router(probe)


async def send(client, content: bytes = MESSAGE, **headers: str):
    """Send a message of HL7 v2."""
    return await client.post(
        PROBE, content=content, headers={"Content-Type": "application/hl7-v2"} | headers
    )


@pytest.fixture
async def sender(api) -> dict:
    """A sender with a key; the fixture laboratory system's token is good for it, too."""
    made = await create_sender(api, analytes=["ANC"], profile="china_oul_r24")
    return made | await create_key(api, made["id"]) | {"id": made["id"], "version": 1}


async def test_a_token_a_key_and_basic_open_the_same_door(api, sender):
    """However it shows who it is, the sender is the same, with its study and its profile."""
    clients = [
        api(Role.LABORATORY_SYSTEM),
        sending(api, bearer(sender["key"])),
        sending(api, f"bearer   {sender['key']} "),
        sending(api, basic("LIS-01", sender["key"])),
    ]
    for client in clients:
        answer = await send(client)
        assert created(answer) == {
            "study": STUDY,
            "sender": "LIS-01",
            "role": "laboratory_system",
            "profile": 1,
            "unit_component": 2,
            "analytes": ["ANC"],
            "size": len(MESSAGE),
        }
        assert (await client.get(PROBE)).json() == {"sender": "LIS-01"}


async def test_what_opens_nothing_gets_one_answer(api, sender):
    """Whatever is wrong with credentials, the refusal is the same and tells how to come in."""
    prefix, key = sender["prefix"], sender["key"]
    wrong = [
        "", "Bearer", "Bearer x", "Digest x", "Basic", "Basic %%%", "Basic \u00e9",
        bearer(key + "x"), bearer(key[:-1]), bearer(key.replace("_", "-")),
        bearer(f"msck_{prefix}_{'A' * 43}"), bearer(f"msck_{'0' * 8}_{key[14:]}"),
        basic("LIS-02", key), basic("", key), basic("lis-01", key), basic("LIS-01", key[:-1]),
        basic("LIS-01", ""), basic("LIS-01", "\u00fc"), "Basic TElTLTAx",
    ]  # fmt: skip
    seen = set()
    for header in wrong:
        answer = await send(sending(api, header.encode()))
        assert answer.status_code == 401, header
        body = answer.json()
        seen.add((body["code"], body["detail"], answer.headers["www-authenticate"]))
    ((code, sentence, challenge),) = seen
    assert code == "invalid_credentials"
    assert "API key" in sentence
    assert challenge == 'Bearer realm="msc-icaht", Basic realm="msc-icaht"'


async def test_a_token_that_expired_is_refused_alike(api, issuer, clock, sender):
    """An access token is judged as everywhere else."""
    token = issuer.token("laboratory_system", clock(), timedelta(minutes=1))
    client = sending(api, bearer(token))
    assert (await send(client)).status_code == 201
    clock.advance(hours=1)
    refused = await send(client)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


async def test_a_key_does_not_open_what_is_for_people(api, sender):
    """Nothing but the machines' routes takes a key."""
    client = sending(api, bearer(sender["key"]))
    for path in (SENDERS, f"{BASE}/studies/{STUDY}/labs", f"{BASE}/studies"):
        assert (await client.get(path)).status_code == 401


async def test_a_revoked_key_is_refused_from_the_next_request_on(api, sender):
    """The other key goes on."""
    client, other = sending(api, bearer(sender["key"])), await create_key(api, sender["id"])
    assert (await send(client)).status_code == 201
    (row, _) = (await api().get(f"{SENDERS}/{sender['id']}/keys")).json()["items"]
    one = f"{SENDERS}/{sender['id']}/keys/{row['id']}"
    assert (await change(api(Role.DATA_MANAGER), one, 1, revoked=True)).status_code == 200
    assert (await send(client)).status_code == 401
    assert (await send(sending(api, basic("LIS-01", other["key"])))).status_code == 201


async def test_a_closed_sender_is_refused_until_it_is_opened(api, sender):
    """Its key is worth nothing, its token names a system that may not send."""
    registrar, one = api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}"
    await change(registrar, one, 1, active=False)
    by_key = await send(sending(api, bearer(sender["key"])))
    assert (by_key.status_code, by_key.json()["code"]) == (401, "invalid_credentials")
    by_token = await send(api(Role.LABORATORY_SYSTEM))
    assert (by_token.status_code, by_token.json()["code"]) == (403, "not_a_sender")
    await change(registrar, one, 2, active=True)
    assert (await send(api(Role.LABORATORY_SYSTEM))).status_code == 201


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.LABORATORY_SYSTEM])
async def test_people_do_not_send(api, sender, role):
    """Not even who may record results: a system has to be registered."""
    answer = await send(api(role))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_sender")
    assert "register" in answer.json()["detail"]


async def test_an_identity_without_a_sender_does_not_send(api):
    """The role alone does not say how messages are to be read."""
    answer = await send(api(Role.LABORATORY_SYSTEM))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_sender")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("10.20.7.9", 201),
        ("::ffff:10.20.7.9", 201),
        ("2001:db8::1", 201),
        ("10.21.0.1", 403),
        ("127.0.0.1", 403),
        ("2001:db9::1", 403),
        ("a name", 403),
    ],
)
async def test_a_sender_sends_from_its_networks_only(api, sender, address, status):
    """The network is checked for every kind of credentials, IPv4 behind IPv6 included."""
    networks = ["10.20.0.0/16", "2001:db8::/32"]
    await change(api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}", 1, networks=networks)
    for credentials in (bearer(sender["key"]), basic("LIS-01", sender["key"])):
        answer = await send(sending(api, credentials, address))
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "network_not_allowed"
            assert address not in answer.text


async def test_a_sender_is_slowed_down_to_its_rate(api, app, sender):
    """Beyond the allowance the answer is 429 with the seconds to wait, for this sender only."""
    ticks = [0]
    app.state.rates = Rates(lambda: ticks[0])
    registrar = api(Role.DATA_MANAGER)
    await change(registrar, f"{SENDERS}/{sender['id']}", 1, rate_per_minute=2)
    other = await create_sender(api, code="LIS-02", subject="other")
    key = await create_key(api, other["id"])
    client = sending(api, bearer(sender["key"]))
    assert [(await send(client)).status_code for _ in range(2)] == [201, 201]
    refused = await send(sending(api, basic("LIS-01", sender["key"])))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_messages")
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await send(sending(api, bearer(key["key"])))).status_code == 201
    ticks[0] += 30 * SECOND
    assert (await send(client)).status_code == 201
    assert (await send(client)).status_code == 429


async def test_each_message_is_an_operation_of_the_sender(api, sender):
    """The trail names the system, its role and the endpoint; reading leaves no operation."""
    client = sending(api, bearer(sender["key"]))
    sent = await send(client)
    await client.get(PROBE)
    operations = (await api(Role.AUDITOR).get("/audit/operations?limit=200")).json()["items"]
    last = operations[-1]
    assert last["command"] == last["reason"] == "send_probe"
    assert last["role"] == "laboratory_system"
    assert last["actor_name"] == "Laboratory system (development)"
    assert last["request_id"] == sent.headers["x-request-id"]


async def test_a_message_repeated_under_its_key_is_answered_alike(api, session, sender):
    """The same Idempotency-Key gives the same answer, other bytes are refused, whoever asks."""
    client = sending(api, bearer(sender["key"]))
    first = await send(client, **{"Idempotency-Key": "k"})
    again = await send(api(Role.LABORATORY_SYSTEM), **{"Idempotency-Key": "k"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replay"] == "true"
    other = await send(client, MESSAGE + b"x", **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    query = "SELECT count(*) FROM operation WHERE command = 'send_probe'"
    assert await session.scalar(text(query)) == 1


async def test_a_compressed_body_is_refused(api, sender):
    """What was digested and kept has to be what was sent."""
    answer = await send(api(Role.LABORATORY_SYSTEM), **{"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("query", ["sender=LIS-02", "sender=%00", "study=x", "sender=a&sender=b"])
async def test_a_wrong_sender_in_the_query_is_refused(api, sender, query):
    """A sender that is not the key's own, or a parameter that cannot be, opens nothing."""
    client = sending(api, bearer(sender["key"]))
    answer = await client.post(f"{PROBE}?{query}", content=MESSAGE)
    assert answer.status_code == (401 if query == "sender=LIS-02" else 422)


async def test_one_client_of_two_studies_names_its_sender(api, sender):
    """A token good for two senders says which; a key, a closed sender and a code leave one."""
    study = {"study": await second_study(api)}
    registrar = api(Role.ADMINISTRATOR)
    body = SENDER | FIXTURE | {"code": "LIS-X"}
    other = created(await registrar.post(SENDERS, json=body, params=study))
    client = api(Role.LABORATORY_SYSTEM)
    unsaid = await send(client)
    assert (unsaid.status_code, unsaid.json()["code"]) == (403, "several_senders")
    named = await client.post(PROBE, content=MESSAGE, params={"sender": "LIS-X"})
    assert created(named)["study"] == study["study"]
    assert created(await send(sending(api, bearer(sender["key"]))))["study"] == STUDY
    one = f"{SENDERS}/{other['id']}?study={study['study']}"
    assert (await change(registrar, one, 1, active=False)).status_code == 200
    assert created(await send(client))["study"] == STUDY


async def test_an_own_sender_is_reached_by_key_only(api):
    """No issuer of tokens speaks for a sender that has none."""
    made = await create_sender(api, issuer=None, subject=None)
    key = await create_key(api, made["id"])
    assert (await send(sending(api, bearer(key["key"])))).status_code == 201
    assert made["issuer"] != DEVELOPMENT_ISSUER
