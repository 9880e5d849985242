"""Machine clients: registered by people, proved by a signature, limited by scopes, revoked."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.core.config import Settings
from app.domain.vocabulary import Role
from app.main import create_app
from app.models import ClientAssertion
from app.routers.scopes import SCOPES
from tests.conftest import KEYRING, STUDY
from tests.factories.doors import DOORS, knock
from tests.factories.machines import ENDPOINT, ISSUER, KEY, ask, assertion, create_client
from tests.factories.senders import (
    BASE,
    SENDERS,
    bearer,
    change,
    create_key,
    create_sender,
    second_study,
    sending,
)
from tests.factories.subjects import screened_subject
from tests.factories.tokens import KEYS, public

ALL = ["labs:create", "labs:status", "system/DiagnosticReport.c", "system/Observation.c"]


@pytest.fixture
async def sender(api) -> dict:
    """A sender without an identity of its own at any provider."""
    return await create_sender(api, issuer=None, subject=None)


@pytest.fixture
async def client(api, sender) -> dict:
    """A client of the sender with every scope."""
    return await create_client(api, sender["id"], scopes=ALL)


async def token_of(api, clock, client: dict, **changes) -> str:
    """Get a token as the client does."""
    answer = await ask(api, assertion(client["id"], clock()), **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def one(client: dict) -> str:
    """Return the address of a client."""
    return f"{SENDERS}/{client['sender_id']}/clients/{client['id']}"


async def test_an_assertion_gets_a_token_that_files_results(api, clock, client, sender):
    """The whole way: a signature, a token of five minutes, a message, and what became of it."""
    answer = await ask(api, assertion(client["id"], clock()))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"].split() == ALL
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    machine = sending(api, bearer(body["access_token"]))
    sent = await knock(machine, "hl7v2")
    assert sent.status_code == 200, sent.text
    message_id = sent.text.split("Stored as ")[1].split(":")[0]
    seen = await machine.get(f"{BASE}/lis/messages/{message_id}")
    assert seen.status_code == 200, seen.text
    found = seen.json()
    assert found["results"] == found["filed"] + found["duplicates"] + found["inbox"]
    assert len(found["items"]) == found["inbox"] > 0
    assert found["items"][0].keys() == {"id", "kind", "position", "reasons", "status"}
    clock.advance(minutes=6)
    assert (await knock(machine, "hl7v2")).status_code == 401


@pytest.mark.parametrize("key", KEYS)
async def test_keys_of_every_kind_sign(api, clock, sender, key):
    """Ed25519, P-256, P-384 and RSA; the token endpoint or the service itself is the audience."""
    made = await create_client(api, sender["id"], jwks=public(key))
    for audience in (ENDPOINT, ISSUER, [ENDPOINT]):
        answer = await ask(api, assertion(made["id"], clock(), key, aud=audience))
        assert answer.status_code == 200, answer.text


async def test_an_assertion_counts_once(api, clock, client, session):
    """Sent again it proves nothing; with another `jti` it does, and what expired is forgotten."""
    signed = assertion(client["id"], clock())
    assert (await ask(api, signed)).status_code == 200
    again = await ask(api, signed)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert again.headers["www-authenticate"] == 'Bearer realm="msc-icaht"'
    count = select(func.count()).select_from(ClientAssertion)
    assert await session.scalar(count) == 1
    clock.advance(hours=2)
    assert (await ask(api, assertion(client["id"], clock()))).status_code == 200
    assert await session.scalar(count) == 1


def wrong_assertions(client_id: str, other_id: str, clock) -> dict[str, str]:
    """Return assertions that prove nothing, by what is wrong with them."""
    now = clock()
    issued = int(now.timestamp())

    def made(key: str = KEY, **changes) -> str:
        return assertion(client_id, now, key, **changes)

    return {
        "another key": made("ec", header={"kid": KEY}),
        "unknown kid": made("ec"),
        "none": made(header={"alg": "none"}),
        "jwk": made("ec", header={"jwk": public("ec")["keys"][0]}),
        "jku": made(header={"jku": "https://other.example"}),
        "another client's key": assertion(other_id, now),
        "nobody": assertion("01930000-0000-7000-8000-000000000000", now),
        "no id": assertion("LIS-01", now),
        "id in capitals": assertion(client_id.upper(), now),
        "iss is not sub": made(iss=other_id),
        "another audience": made(aud="https://other.example/api/v1/lis/token"),
        "two audiences": made(aud=[ENDPOINT, "https://other.example"]),
        "no audience": made(aud=None),
        "expired": made(exp=issued - 31),
        "no exp": made(exp=None),
        "longer than five minutes": made(exp=issued + 331),
        "not yet": made(nbf=issued + 31),
        "issued in the future": made(iat=issued + 31),
        "no jti": made(jti=None),
        "jti that is no text": made(jti=7),
        "empty": "",
        "rubbish": "a.b.c",
    }


async def test_what_proves_nothing_gets_one_answer(api, clock, client, sender, session):
    """Whatever is wrong with an assertion, the refusal is the same and nothing is kept."""
    other = await create_client(api, sender["id"], jwks=public("ed"))
    seen = set()
    for name, signed in wrong_assertions(client["id"], other["id"], clock).items():
        answer = await ask(api, signed)
        assert answer.status_code == 401, name
        seen.add(answer.text)
    assert len(seen) == 1
    assert await session.scalar(select(func.count()).select_from(ClientAssertion)) == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_assertion_type": "jwt"}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"client_assertion": ["a", "b"]}, "invalid_request"),
        ({"scope": "labs:create metrics:read"}, "invalid_scope"),
        ({"scope": "system/*.*"}, "invalid_scope"),
    ],
)
async def test_a_request_that_is_none_is_told_so(api, clock, client, changes, error):
    """The errors are those of RFC 6749."""
    answer = await ask(api, **{"signed": assertion(client["id"], clock())} | changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("content", [b"", b"\xff", b"a", b"&".join([b"a=b"] * 20)])
async def test_a_body_that_is_no_form_is_refused(api, content):
    """What cannot be read asks for no token."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await api(None).post(f"{BASE}/lis/token", content=content, headers=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    plain = await api(None).post(f"{BASE}/lis/token", json={})
    assert plain.status_code == 415


# The scope that opens each door; a bundle needs those of the resources in it.
OPENED_BY = {
    "hl7v2": {"labs:create"},
    "validation": {"labs:create"},
    "csv": {"labs:create"},
    "observation": {"system/Observation.c"},
    "put": {"system/Observation.c"},
    "report": {"system/DiagnosticReport.c"},
    "bundle": {"system/Observation.c"},
    "message": {"system/Observation.c"},
}


@pytest.mark.parametrize("door", DOORS)
async def test_each_door_needs_its_scope(api, clock, client, door):
    """With every scope but one it needs a door stays shut; with those it needs it opens."""
    await screened_subject(api)
    needed = OPENED_BY[door]
    for missing in needed:
        others = " ".join(scope for scope in ALL if scope != missing)
        shut = await knock(
            sending(api, bearer(await token_of(api, clock, client, scope=others))), door
        )
        assert shut.status_code == 403, shut.text
        assert 'error="insufficient_scope"' in shut.headers["www-authenticate"]
    token = await token_of(api, clock, client, scope=" ".join(needed))
    opened = await knock(sending(api, bearer(token)), door)
    assert opened.status_code in (200, 201), opened.text


async def test_a_bundle_needs_the_scope_of_each_resource(api, clock, client):
    """A report in a bundle needs the report's scope, beside that of the results."""
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"resource": {"resourceType": "DiagnosticReport"}}, {"resource": 7}, "x"],
    }
    for scope, status in (("system/Observation.c", 403), ("system/DiagnosticReport.c", 200)):
        machine = sending(api, bearer(await token_of(api, clock, client, scope=scope)))
        answer = await knock(machine, "bundle", content=json.dumps(bundle).encode())
        assert answer.status_code == status, answer.text


async def test_a_token_with_scopes_does_nothing_else(api, app, issuer, clock, client):
    """No operation that no scope names is open to a machine, whatever its grants."""
    token = issuer.token(Role.PRINCIPAL_INVESTIGATOR.value, clock(), timedelta(minutes=5), scope="")
    every = issuer.token(
        Role.PRINCIPAL_INVESTIGATOR.value, clock(), timedelta(minutes=5), scope=" ".join(SCOPES)
    )
    named = frozenset().union(*SCOPES.values())
    known = set()
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            known.add(operation["operationId"])
            if not operation.get("security"):
                continue
            url = f"http://test{path}".replace("{study}", STUDY)
            for shown, allowed in ((token, frozenset()), (every, named)):
                answer = await sending(api, bearer(shown)).request(method, url)
                refused = answer.status_code == 403 and "insufficient_scope" in (
                    answer.headers.get("www-authenticate", "")
                )
                assert refused == (operation["operationId"] not in allowed), (method, path)
    assert named <= known


async def test_a_machine_needs_the_grant_beside_the_scope(api, issuer, clock):
    """A scope opens nothing that the role does not: the monitor's machine records no results."""
    for role, status in ((Role.MONITOR, 403), (Role.SPONSOR, 200)):
        token = issuer.token(role.value, clock(), timedelta(minutes=5), scope=" ".join(SCOPES))
        machine = sending(api, bearer(token))
        refused = await knock(machine, "hl7v2")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_a_sender")
        path = f"{BASE}/studies/{STUDY}/metrics/enrolment"
        assert (await machine.get(path)).status_code in (200, status)


async def test_a_revoked_client_is_out_on_the_next_request(api, clock, client):
    """Its token is good for minutes yet, and opens nothing; neither does a new assertion."""
    machine = sending(api, bearer(await token_of(api, clock, client)))
    assert (await knock(machine, "hl7v2")).status_code == 200
    answer = await change(api(Role.DATA_MANAGER), one(client), 1, revoked=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["revoked"] is True
    assert (await knock(machine, "hl7v2")).status_code == 401
    assert (await ask(api, assertion(client["id"], clock()))).status_code == 401
    back = await change(api(Role.DATA_MANAGER), one(client), 2, scopes=["labs:create"])
    assert (back.status_code, back.json()["code"]) == (409, "client_revoked")


async def test_a_scope_that_is_taken_away_is_gone_on_the_next_request(api, clock, client):
    """A token that says more than the client may by now opens nothing at all."""
    machine = sending(api, bearer(await token_of(api, clock, client)))
    await change(api(Role.DATA_MANAGER), one(client), 1, scopes=["labs:status"])
    assert (await knock(machine, "hl7v2")).status_code == 401
    refused = await ask(api, assertion(client["id"], clock()), scope="labs:create")
    assert refused.json()["error"] == "invalid_scope"


async def test_a_client_changes_its_keys(api, clock, client):
    """Both keys work while both are there; the old one no more once it is taken out."""
    both = await change(api(Role.DATA_MANAGER), one(client), 1, jwks=public(KEY, "ed"))
    assert [key["kid"] for key in both.json()["jwks"]["keys"]] == [KEY, "ed"]
    for key in (KEY, "ed"):
        assert (await ask(api, assertion(client["id"], clock(), key))).status_code == 200
    await change(api(Role.DATA_MANAGER), one(client), 2, jwks=public("ed"))
    assert (await ask(api, assertion(client["id"], clock(), KEY))).status_code == 401
    assert (await ask(api, assertion(client["id"], clock(), "ed"))).status_code == 200


async def test_a_closed_sender_closes_its_clients(api, clock, client, sender):
    """What is not active sends nothing, however it shows who it is."""
    machine = sending(api, bearer(await token_of(api, clock, client)))
    await change(api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}", 1, active=False)
    assert (await knock(machine, "hl7v2")).status_code == 401


async def test_a_message_is_shown_to_its_sender_alone(api, clock, client, sender):
    """Another sender's message is not found, as one that is nowhere."""
    machine = sending(api, bearer(await token_of(api, clock, client)))
    sent = await knock(machine, "hl7v2")
    message_id = sent.text.split("Stored as ")[1].split(":")[0]
    other = await create_sender(api, code="LIS-09", issuer=None, subject=None)
    key = await create_key(api, other["id"])
    stranger = sending(api, bearer(key["key"]))
    own = await create_key(api, sender["id"])
    by_key = await sending(api, bearer(own["key"])).get(f"{BASE}/lis/messages/{message_id}")
    assert by_key.status_code == 200
    assert "S-001" not in by_key.text
    assert "MRN" not in by_key.text
    absent = "01930000-0000-7000-8000-000000000000"
    bodies = []
    for wanted in (message_id, absent):
        answer = await stranger.get(f"{BASE}/lis/messages/{wanted}")
        assert answer.status_code == 404
        bodies.append(answer.json() | {"instance": None})
    assert bodies[0] == bodies[1]
    person = await api(Role.DATA_MANAGER).get(f"{BASE}/lis/messages/{message_id}")
    assert (person.status_code, person.json()["code"]) == (403, "not_a_sender")


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        {"keys": ["x"]},
        {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]},
        {"keys": [KEYS["ed"].as_dict(private=True)]},
        {"keys": [{**public("ed")["keys"][0], "kid": None}]},
        {"keys": [public("ed")["keys"][0], public("ec")["keys"][0] | {"kid": "ed"}]},
        {"keys": [{**public("ec")["keys"][0], "crv": "P-521"}]},
        {"keys": [{**public("ed")["keys"][0], "use": "enc"}]},
        {"keys": [{**public("ed")["keys"][0], "x": "AAAA"}]},
        {"keys": [{"kty": "EC", "kid": 7}]},
        {"keys": public("ed")["keys"] * 6},
    ],
)
async def test_keys_that_cannot_be_used_are_refused(api, sender, keys):
    """Private keys, secrets, keys without a name of their own and rubbish; nothing is echoed."""
    answer = await api(Role.DATA_MANAGER).post(
        f"{SENDERS}/{sender['id']}/clients", json={"jwks": keys, "scopes": ["labs:create"]}
    )
    assert answer.status_code == 422, answer.text
    assert "c2VjcmV0" not in answer.text


@pytest.mark.parametrize("scopes", [[], ["*"], ["system/*.c"], ["metrics:read"], ["labs:*"]])
async def test_there_are_no_wildcards(api, sender, scopes):
    """A client gets scopes by their names, of those that its sender can use."""
    answer = await api(Role.DATA_MANAGER).post(
        f"{SENDERS}/{sender['id']}/clients", json={"jwks": public("ed"), "scopes": scopes}
    )
    assert answer.status_code == 422


async def test_clients_are_for_those_who_let_senders_in(api, client, sender):
    """Roles that read senders see clients; those that register them change them, in their study."""
    path = f"{SENDERS}/{sender['id']}/clients"
    listed = (await api(Role.MONITOR).get(path)).json()["items"]
    assert [each["id"] for each in listed] == [client["id"]]
    assert set(listed[0]["jwks"]["keys"][0]) == {"kty", "crv", "x", "y", "kid"}
    body = {"jwks": public("ed"), "scopes": ["labs:create"]}
    assert (await api(Role.MONITOR).post(path, json=body)).status_code == 403
    assert (await api(Role.LABORATORY_SYSTEM).get(path)).status_code == 403
    elsewhere = await create_sender(api, code="LIS-08", issuer=None, subject=None)
    wrong = f"{SENDERS}/{elsewhere['id']}/clients/{client['id']}"
    assert (await change(api(Role.DATA_MANAGER), wrong, 1, revoked=True)).status_code == 404
    await second_study(api)
    foreign = await api(Role.ADMINISTRATOR).get(path, params={"study": "NCT00000002"})
    assert foreign.status_code == 404
    assert (await change(api(Role.DATA_MANAGER), one(client), 9, revoked=True)).status_code == 412


async def test_who_asks_too_often_waits(api, clock, client, monkeypatch):
    """More requests than an address may make in a minute get 429, with when to come again."""
    monkeypatch.setattr("app.routers.machine_tokens.ASKED_PER_MINUTE", 2)
    answers = [await ask(api, "no.assertion.here") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert int(answers[-1].headers["Retry-After"]) == 30
    assert answers[-1].json()["code"] == "too_many_token_requests"


async def test_without_the_issuer_there_is_no_token_endpoint(database, issuer, clock, api):
    """Where no key is configured the endpoint says that there is none."""
    plain = create_app(Settings(), database, issuer.verifier(), KEYRING, clock)
    transport = type(api(None)._transport)(plain)
    client = api(None)
    client._transport = transport
    answer = await client.post(f"{BASE}/lis/token", data={"grant_type": "client_credentials"})
    assert answer.status_code == 404
