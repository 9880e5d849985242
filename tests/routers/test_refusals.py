"""Refusals in words for people: two credentials, words of a list, a service that is too busy."""

import asyncio

import httpx
import pytest

from app.core import database as pools
from app.core.database import Database
from app.domain.vocabulary import Role
from tests.conftest import build_app, clients
from tests.factories.senders import BASE, bearer, create_key, create_sender
from tests.factories.subjects import register
from tests.routers.test_subjects import SUBJECT


def own_token(client: httpx.AsyncClient) -> str:
    """Return the Authorization header that a client shows."""
    request = httpx.Request("GET", "http://test/")
    return next(client.auth.sync_auth_flow(request)).headers["Authorization"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("other", ["Bearer forged", "", None])
async def test_two_credentials_are_refused(api, method, other):
    """Whichever is the good one, and also twice the same: 400, and nothing is stored."""
    client = api(Role.STUDY_COORDINATOR)
    good = own_token(client)
    for pair in ((good, other or good), (other or good, good)):
        headers = [("Authorization", each) for each in pair]
        json = SUBJECT if method == "POST" else None
        answer = await client.request(method, "/subjects", headers=headers, json=json)
        assert (answer.status_code, answer.json()["code"]) == (400, "repeated_header")
    assert (await client.get("/subjects")).json()["items"] == []


@pytest.mark.parametrize("path", ["/lis/hl7v2", "/fhir/Observation"])
async def test_two_credentials_are_refused_at_the_doors_of_machines(api, path):
    """A key beside a token as well; below the façade as an OperationOutcome."""
    sender = await create_sender(api)
    key = bearer((await create_key(api, sender["id"]))["key"])
    headers = [("Authorization", key), ("Authorization", own_token(api()))]
    answer = await api(None).post(f"{BASE}{path}", headers=headers, content=b"x")
    assert answer.status_code == 400
    assert "more than one Authorization header" in answer.text


async def told(answer: httpx.Response) -> str:
    """Return the one sentence about a field."""
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return error["message"]


async def test_a_list_of_words_is_told_in_words(api):
    """Of a selection as of a whole enumeration the words are named, not Python's members."""
    subject_id = await register(api)
    body = {"subject_id": subject_id, "action": "sign", "reason": "Test."}
    said = await told(await api(Role.DATA_MANAGER).post("/locks", json=body))
    assert said == (
        "Input should be 'freeze', 'unfreeze', 'lock', 'request_unlock', 'approve_unlock' or"
        " 'reject_unlock'"
    )


async def test_no_refusal_shows_python(app, api):
    """Every writing operation, each field of its example in turn another word: no member's name."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    seen = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            example = schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get("examples")
            if "{study}" not in path or not example:
                continue
            url = f"http://test{path.replace('{study}', 'NCT07212335')}"
            for name in ("id", "number", "criterion", "record_type"):
                url = url.replace(f"{{{name}}}", "1")
            url = url.replace("{", "").replace("}", "")
            for name in example[0]:
                body = example[0] | {name: "No such word"}
                for role in (Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER, Role.ADMINISTRATOR):
                    answer = await api(role).request(
                        method, url, json=body, headers={"If-Match": '"v1"'}
                    )
                    assert not any(sign in answer.text for sign in ("<", "Enum", "Role.")), name
                    seen += answer.status_code == 422
    assert seen > 50


@pytest.fixture
async def small(committing_url, issuer, clock):
    """An application with one connection to its database, and its clients."""
    database = Database(committing_url, pool_size=1)
    yield database, clients(build_app(database, issuer, clock), issuer, clock)
    await database.close()


async def test_who_finds_no_connection_hears_that_nothing_was_stored(small):
    """A read as a write: the service is overloaded, which is not the database being away."""
    database, api = small
    client = api(Role.STUDY_COORDINATOR)
    async with database.session() as session:
        await session.connection()
        answers = await asyncio.gather(
            client.get("/subjects"), client.post("/subjects", json=SUBJECT)
        )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert "nothing was stored" in answer.json()["detail"]
        assert answer.headers["retry-after"]
    assert (await client.get("/subjects")).json()["items"] == []
    assert pools.POOL_TIMEOUT_SECONDS <= 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_a_write_may_have_been_stored(issuer, clock, method):
    """With the database away a read is not told to take its Idempotency-Key again."""
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    client = clients(build_app(away, issuer, clock), issuer, clock)(Role.STUDY_COORDINATOR)
    json = SUBJECT if method == "POST" else None
    answer = await client.request(method, "/subjects", json=json)
    await away.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert ("Idempotency-Key" in answer.json()["detail"]) is (method == "POST")
