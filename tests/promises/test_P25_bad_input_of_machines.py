"""P25: bad input to what machines call is refused in the format of the door; nothing is stored."""

import httpx
import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.factories.doors import CSV, DOORS, FHIR_JSON, knock
from tests.factories.senders import (
    BASE,
    bearer,
    create_key,
    create_sender,
    second_study,
    sending,
)
from tests.factories.subjects import register

SECRET = "Zz-canary-91"
READS = (
    "/lis/senders",
    "/lis/inbox",
    "/lis/reconciliation",
    "/fhir/Observation",
    "/fhir/Patient",
    "/fhir/ResearchSubject",
    "/fhir/AdverseEvent",
)
# What a request can have written; the study's own set-up is there before.
TABLES = ("inbound_message", "lab_result", "inbox_item", "operation", "idempotency_record")


@pytest.fixture
async def laboratory(api):
    """A client that shows the API key of a sender."""
    await register(api)
    sender = await create_sender(api)
    return sending(api, bearer((await create_key(api, sender["id"]))["key"]))


async def stored(session) -> list[int]:
    """Count everything that a request could have stored."""
    return [await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES]


def refused(answer: httpx.Response, status: int) -> None:
    """Hold an answer against what a refusal looks like at its door."""
    assert answer.status_code == status, answer.text
    assert SECRET not in answer.text
    body = answer.json()
    if "/fhir" in answer.request.url.path:
        assert answer.headers["content-type"] == FHIR_JSON
        assert body["resourceType"] == "OperationOutcome"
        assert body["issue"][0]["diagnostics"]
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (body["status"], bool(body["detail"])) == (status, True)


BAD = {
    "larger than the limit": ({"content": b" " * (Settings().bulk_body_limit_bytes + 1)}, 413),
    "another media type": ({"kind": "application/xml"}, 415),
    "no media type": ({"kind": ""}, 415),
    "gzip": ({"headers": {"Content-Encoding": "gzip"}}, 415),
    "half a token": ({"headers": {"Authorization": f"Bearer {SECRET}"}}, 401),
    "broken basic": ({"headers": {"Authorization": f"Basic {SECRET}"}}, 401),
    "unknown key": ({"headers": {"Authorization": f"Bearer msc_{SECRET}"}}, 401),
    "unknown sender": ({"params": {"sender": SECRET}}, 401),
    "empty Idempotency-Key": ({"headers": {"Idempotency-Key": ""}}, 422),
    "long Idempotency-Key": ({"headers": {"Idempotency-Key": "k" * 201}}, 422),
    "NUL in the query": ({"params": {"sender": f"\x00{SECRET}"}}, 422),
}


@pytest.mark.parametrize("door", DOORS)
async def test_a_bad_request_is_refused_at_every_door(laboratory, session, door):
    """The status is the listed one, nothing is stored or echoed, and the door stays usable."""
    before = await stored(session)
    for changes, status in BAD.values():
        refused(await knock(laboratory, door, **changes), status)
        assert await stored(session) == before
    assert (await knock(laboratory, door)).is_success


@pytest.mark.parametrize("door", ["hl7v2", "validation", "csv"])
@pytest.mark.parametrize(
    "query", [{"dryrun": SECRET}, [("sender", "LIS-01"), ("sender", "LIS-01")]]
)
async def test_a_query_that_is_not_understood_is_refused(laboratory, session, door, query):
    """Unknown and repeated parameters are 422; a mistyped `dry_run` must not store anything."""
    before = await stored(session)
    refused(await knock(laboratory, door, params=query), 422)
    assert await stored(session) == before


BODIES = {
    "hl7v2": {b"": 400},
    "csv": {b"": 422, b"\xff\xfe": 422, CSV + b'"': 422, CSV.replace(b"98", b"9\x008"): 422},
    "observation": {
        b"": 400,
        b"{": 400,
        b"null": 400,
        b'{"resourceType": "\xff"}': 400,
        b"\xef\xbb\xbf{}": 400,
        b'{"resourceType": "Observation", "resourceType": "Observation"}': 400,
        b"[" * 2000 + b"]" * 2000: 400,
        b'{"resourceType": "Observation", "valueInteger": NaN}': 422,
        b'{"resourceType": "Observation", "status": "a\\u0000"}': 422,
    },
}


@pytest.mark.parametrize("door", BODIES)
async def test_a_body_of_which_nothing_can_be_kept_is_refused(laboratory, session, door):
    """A body that is none, or that no JSON reader takes literally, leaves nothing behind."""
    before = await stored(session)
    for content, status in BODIES[door].items():
        refused(await knock(laboratory, door, content=content), status)
        assert await stored(session) == before


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer a.b.c", "Basic eDp5"])
async def test_nobody_reads_without_a_token(api, authorization):
    """Every kind of missing or broken credentials is 401 with a challenge."""
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in READS:
        answer = await api(None).get(f"{BASE}{path}", headers=headers)
        refused(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_another_study_looks_absent(api):
    """A study in which one has no role and one that does not exist are both 404."""
    other = await second_study(api)
    for path in READS:
        for study, status in ((other, 404), ("NCT00000000", 404), (STUDY, 200)):
            client = api(Role.STUDY_COORDINATOR)
            answer = await client.get(f"{BASE}{path}", params={"study": study})
            if status == 200:
                assert answer.status_code == 200, answer.text
            else:
                refused(answer, status)


@pytest.mark.parametrize("query", ["unknown=1", "limit=0", "limit=1&limit=1", "as_of=2026-01-01"])
@pytest.mark.parametrize("path", ["/lis/senders", "/lis/inbox"])
async def test_a_bad_query_of_a_list_is_refused(api, path, query):
    """Parameters out of range, repeated, unknown or without offset are 422."""
    refused(await api(Role.DATA_MANAGER).get(f"{BASE}{path}?{query}"), 422)


async def test_a_machine_reads_nothing(laboratory):
    """An API key opens the doors of a sender only."""
    for path in READS:
        refused(await laboratory.get(f"{BASE}{path}"), 401)
