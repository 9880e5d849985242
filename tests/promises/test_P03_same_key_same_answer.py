"""P03: at every door of a machine the same key and body get the same answer, and act once.

No operation demands a key. While the first request is in flight a second one waits for the lock
timeout, then it is refused (409).
"""

from asyncio import Event, create_task, gather, sleep
from time import monotonic

import pytest
from sqlalchemy import text

from app.core.database import SERVER_SETTINGS, Database
from app.domain.vocabulary import Role
from app.services import care
from tests.conftest import build_app, clients
from tests.factories.doors import DOORS, knock
from tests.factories.senders import create_sender
from tests.factories.subjects import register

TABLES = ("inbound_message", "lab_result", "inbox_item", "operation", "change")
KEY = {"headers": {"Idempotency-Key": "k-1"}}
AT_ONCE = 50
# A machine with too much to do refuses some of so many at once; who is refused sends again.
TRIES = 10
BUSY = "busy"


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


async def test_no_operation_demands_a_key(app):
    """Nothing requires one, so nothing is refused for having none: it is offered everywhere."""
    keys = [
        parameter.get("required", False)
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"].lower() == "idempotency-key"
    ]
    assert keys
    assert not any(keys)


GIVEN = {"product": "platelets", "given_at": "2026-06-01T08:00:00+08:00", "units": 1}


async def test_a_key_is_its_callers_own(api):
    """Two persons with the same key and body get their own answers, and each again the same."""
    given = GIVEN | {"subject_id": await register(api)}
    pair = [api(role) for role in (Role.PRINCIPAL_INVESTIGATOR, Role.STUDY_COORDINATOR)]
    first = [await client.post("/transfusions", json=given, **KEY) for client in pair]
    assert [answer.status_code for answer in first] == [201, 201]
    assert "idempotent-replay" not in first[1].headers
    again = [await client.post("/transfusions", json=given, **KEY) for client in pair]
    assert [answer.content for answer in again] == [answer.content for answer in first]
    assert {answer.headers.get("idempotent-replay") for answer in again} == {"true"}
    assert first[0].json()["id"] != first[1].json()["id"]


async def test_a_persons_key_is_not_a_machines(api):
    """Where people and machines share a door, each has its own keys, too."""
    await register(api)
    await create_sender(api)
    door = api(Role.LABORATORY_SYSTEM), api(Role.STUDY_COORDINATOR)
    answers = [await knock(client, "csv", **KEY) for client in door]
    assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
    assert "idempotent-replay" not in answers[1].headers


class Gate:
    """Holds the first request where it records; lets the others through."""

    def __init__(self, monkeypatch) -> None:
        self.reached, self.opened = Event(), Event()
        self._create = care.create_record
        monkeypatch.setattr(care, "create_record", self._held)

    async def _held(self, *given):
        if not self.reached.is_set():
            self.reached.set()
            await self.opened.wait()
        return await self._create(*given)


async def test_the_second_waits_while_the_first_is_in_flight(committing_api, monkeypatch):
    """It gets the answer of the first one, once that is there."""
    given = GIVEN | {"subject_id": await register(committing_api)}
    gate, client = Gate(monkeypatch), committing_api()
    first = create_task(client.post("/transfusions", json=given, **KEY))
    await gate.reached.wait()
    second = create_task(client.post("/transfusions", json=given, **KEY))
    await sleep(0.3)
    assert not second.done()
    gate.opened.set()
    answers = [await first, await second]
    assert [answer.status_code for answer in answers] == [201, 201], answers[1].text
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replay"] == "true"


async def test_the_second_is_refused_when_the_first_takes_too_long(committing_api, monkeypatch):
    """After the lock timeout it hears 409 and has stored nothing; later it gets the answer."""
    given = GIVEN | {"subject_id": await register(committing_api)}
    gate, client = Gate(monkeypatch), committing_api()
    first = create_task(client.post("/transfusions", json=given, **KEY))
    await gate.reached.wait()
    began = monotonic()
    refused = await client.post("/transfusions", json=given, **KEY)
    assert (refused.status_code, refused.json()["code"]) == (409, BUSY)
    assert monotonic() - began >= 0.9 * int(SERVER_SETTINGS["lock_timeout"]) / 1000
    gate.opened.set()
    made = await first
    assert made.status_code == 201
    assert (await client.post("/transfusions", json=given, **KEY)).content == made.content
    assert len((await client.get("/transfusions")).json()["items"]) == 1


@pytest.fixture
async def crowd(committing_url, issuer, clock):
    """Clients with a connection for each request that comes at once."""
    database = Database(committing_url, pool_size=AT_ONCE + 2)
    yield clients(build_app(database, issuer, clock), issuer, clock)
    await database.close()


async def patiently(send):
    """Send, and send again what was refused because too much came at once."""
    for _ in range(TRIES):
        answer = await send()
        if answer.status_code not in (409, 503):
            break
    return answer


async def test_fifty_at_once_get_one_answer(crowd):
    """Of fifty requests with one key one records, and all get its 201 and its body."""
    given = GIVEN | {"subject_id": await register(crowd)}
    client = crowd()
    sent = (
        patiently(lambda: client.post("/transfusions", json=given, **KEY)) for _ in range(AT_ONCE)
    )
    answers = await gather(*sent)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
    assert len((await client.get("/transfusions")).json()["items"]) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
async def test_the_same_message_many_times_at_once_is_filed_once(crowd, headers):
    """Fifty at once, with or without a key, get one answer, and four results are here."""
    await register(crowd)
    await create_sender(crowd)
    system = crowd(Role.LABORATORY_SYSTEM)
    sent = (patiently(lambda: knock(system, "hl7v2", headers=headers)) for _ in range(AT_ONCE))
    answers = await gather(*sent)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len((await crowd().get("/labs")).json()["items"]) == 4
