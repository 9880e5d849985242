"""P03: at every door of a machine the same key and body get the same answer, and act once."""

from asyncio import gather

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.doors import DOORS, knock
from tests.factories.senders import create_sender
from tests.factories.subjects import register

TABLES = ("inbound_message", "lab_result", "inbox_item", "operation", "change")
KEY = {"headers": {"Idempotency-Key": "k-1"}}


async def counts(session) -> list[int]:
    """Count what requests have written."""
    return [await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES]


@pytest.fixture
async def system(api):
    """The laboratory system of S-001's site."""
    await register(api)
    await create_sender(api)
    return api(Role.LABORATORY_SYSTEM)


@pytest.mark.parametrize("door", DOORS)
async def test_the_same_key_and_body_are_answered_alike(system, session, door):
    """The replay has the status, the bytes and the headers of the first answer; nothing is new."""
    first = await knock(system, door, **KEY)
    assert first.is_success, first.text
    before = await counts(session)
    again = await knock(system, door, **KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("content-type", "etag", "location"):
        assert again.headers.get(name) == first.headers.get(name)
    assert again.headers["idempotent-replay"] == "true"
    assert await counts(session) == before


@pytest.mark.parametrize("door", DOORS)
async def test_the_same_key_for_another_body_is_refused(system, session, door):
    """One byte more is another request: 422, and nothing is written."""
    assert (await knock(system, door, **KEY)).is_success
    before = await counts(session)
    other = await knock(system, door, content=DOORS[door][3] + b"\n", **KEY)
    assert other.status_code == 422
    assert "Idempotency-Key was used for another request" in other.text
    assert await counts(session) == before


async def test_control_without_a_key_a_request_acts_again(api):
    """The control: the same body twice without a key is stored twice."""
    subject = await register(api)
    given = {
        "subject_id": subject,
        "product": "platelets",
        "given_at": "2026-06-01T08:00:00+08:00",
        "units": 1,
    }
    ids = {(await api().post("/transfusions", json=given)).json()["id"] for _ in range(2)}
    with_key = {
        (await api().post("/transfusions", json=given, **KEY)).json()["id"] for _ in range(2)
    }
    assert (len(ids), len(with_key)) == (2, 1)


async def test_a_refused_request_does_not_use_up_its_key(system):
    """What was refused left nothing, so the corrected request may take the same key."""
    bad = await knock(system, "csv", content=b"subject,analyte\n", **KEY)
    assert bad.status_code == 422
    assert (await knock(system, "csv", **KEY)).json()["new"] == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
async def test_the_same_message_many_times_at_once_is_filed_once(committing_api, headers):
    """Ten at once, with or without a key, get one answer, and four results are here."""
    await register(committing_api)
    await create_sender(committing_api)
    system = committing_api(Role.LABORATORY_SYSTEM)
    answers = await gather(*(knock(system, "hl7v2", headers=headers) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len((await committing_api().get("/labs")).json()["items"]) == 4
