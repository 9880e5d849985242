"""The short way stores and answers what the plain way does, and leaves to it what it has to."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select

from app.domain.vocabulary import Role
from app.models import IdempotencyRecord, LabResult, Operation
from app.services.lab_intake import LabIntake
from tests.conftest import NOW
from tests.factories.labs import hemoglobin, measured, neutrophils
from tests.factories.subjects import leave, register
from tests.routers.test_adverse_events import EVENT, FATAL

SENDER = Role.LABORATORY_SYSTEM
OF_ONE_ROW = {"id", "result_id", "subject_id", "operation_id", "recorded_at", "request_id"}

ORDINARY = {
    "converted": lambda subject: measured(subject, "HGB", 10.2, "g/dL", lln=11.5, uln=15),
    "with accession": hemoglobin,
    "without accession": neutrophils,
    "bound": lambda subject: measured(subject, "CRP", 0.5, "mg/L", comparator="<"),
    "finding": lambda subject: {
        "subject_id": subject,
        "analyte": "HBsAg",
        "finding": "negative",
        "collected_at": "2026-05-20T09:00:00+08:00",
    },
    "preliminary": lambda subject: neutrophils(subject, status="preliminary", value=1),
    "reported": lambda subject: neutrophils(subject, reported_at="2026-05-20T05:00:00Z"),
    "corrected": lambda subject: neutrophils(
        subject, status="corrected", reported_at="2026-05-20T05:00:00Z"
    ),
    "cancelled": lambda subject: neutrophils(
        subject, status="cancelled", value=None, unit=None, lln=None, uln=None
    ),
}


class Watched(list):
    """What the short way said to each request: whether it stored it; `open` while it may."""

    open = True


@pytest.fixture
def taken(monkeypatch):
    """The short way, watched."""
    said = Watched()
    take = LabIntake.take

    async def watched(self, sending):
        if not said.open:
            return None
        answer = await take(self, sending)
        said.append(answer is not None)
        return answer

    monkeypatch.setattr(LabIntake, "take", watched)
    return said


async def stored(session, model, subject_id=None):
    """Read rows, without what differs from row to row."""
    query = select(model)
    if subject_id is not None:
        query = query.where(model.subject_id == subject_id)
    rows = (await session.scalars(query.order_by(model.id))).all()
    names = [column.key for column in model.__table__.c if column.key not in OF_ONE_ROW]
    return [{name: getattr(row, name) for name in names} for row in rows]


def without_ids(value):
    """Drop from an answer what differs from request to request."""
    if isinstance(value, dict):
        return {key: without_ids(item) for key, item in value.items() if key not in OF_ONE_ROW}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("body", ORDINARY.values(), ids=ORDINARY)
async def test_both_ways_store_and_answer_the_same(api, session, taken, body):
    """Row, operation and receipt are equal, whichever way an ordinary result took."""
    one, other = await register(api), await register(api)
    client = api(SENDER)
    short = await client.post("/labs", json=body(one))
    taken.open = False
    plain = await client.post("/labs", json=body(other))
    assert taken == [True]
    assert (short.status_code, plain.status_code) == (201, 201)
    assert short.headers["content-type"] == plain.headers["content-type"]
    assert without_ids(short.json()) == without_ids(plain.json())
    assert list(short.json()) == list(plain.json())
    assert await stored(session, LabResult, one) == await stored(session, LabResult, other)
    operations = await stored(session, Operation)
    assert operations[-2] == operations[-1]


@pytest.mark.parametrize("role", [SENDER, Role.STUDY_COORDINATOR])
async def test_both_ways_store_and_answer_a_batch_the_same(api, session, taken, role):
    """The receipt tells of each result in the order that was sent."""
    one, other = await register(api), await register(api)

    def batch(subject):
        bodies = [make(subject) for name, make in ORDINARY.items() if name != "cancelled"]
        return {
            "results": [
                each | {"accession": f"A-{n}", "status": each.get("status", "final")}
                for n, each in enumerate(bodies)
            ]
        }

    short = await api(role).post("/labs", json=batch(one))
    taken.open = False
    plain = await api(role).post("/labs", json=batch(other))
    assert taken == [True]
    assert (short.status_code, plain.status_code) == (200, 200)
    assert without_ids(short.json()) == without_ids(plain.json())
    ids = [item["id"] for item in short.json()["results"]]
    assert len(set(ids)) == len(ids) == short.json()["created"]

    def by_specimen(rows):
        return sorted(rows, key=lambda row: row["specimen"])

    rows = await stored(session, LabResult, one), await stored(session, LabResult, other)
    assert by_specimen(rows[0]) == by_specimen(rows[1])
    assert len(rows[0]) == len(rows[1]) == len(ids)


async def test_a_key_is_kept_with_the_answer_on_both_ways(api, session, taken):
    """The same request again gets the same answer, whichever way it took the first time."""
    client = api(SENDER)
    for is_open in (True, False):
        taken.open = is_open
        body = neutrophils(await register(api))
        headers = {"Idempotency-Key": f"key-{is_open}"}
        first = await client.post("/labs", json=body, headers=headers)
        taken.open = not is_open
        again = await client.post("/labs", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotent-replay"] == "true"
        assert "idempotent-replay" not in first.headers
        assert again.content == first.content
        other = await client.post("/labs", json=body | {"value": 2}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert taken == [True, False, False]
    short, plain = (await session.execute(select(IdempotencyRecord.__table__))).all()[-2:]
    differing = {"key", "fingerprint", "body", "recorded_at"}
    assert {name: value for name, value in short._mapping.items() if name not in differing} == {
        name: value for name, value in plain._mapping.items() if name not in differing
    }


async def test_a_key_that_is_taken_stores_nothing(api, session, taken):
    """A new result under a key of another request is refused whole."""
    one, other = await register(api), await register(api)
    client, headers = api(SENDER), {"Idempotency-Key": "one"}
    await client.post("/labs", json=neutrophils(one), headers=headers)
    refused = await client.post("/labs", json=neutrophils(other), headers=headers)
    assert (refused.status_code, taken) == (422, [True, False])
    assert await stored(session, LabResult, other) == []


async def test_what_is_not_ordinary_takes_the_plain_way(api, taken):
    """Seen results, refusals, people who see grades, and others who may not send."""
    subject_id, client = await register(api), api(SENDER)
    good = neutrophils(subject_id)
    assert (await client.post("/labs", json=good)).status_code == 201
    assert (await client.post("/labs", json=good)).status_code == 200
    assert (await client.post("/labs", json=good | {"value": 2})).status_code == 409
    assert (await client.post("/labs", json=good | {"unit": "mg/L"})).status_code == 422
    assert (await client.post("/labs", json=good | {"collected_at": "2027-01-01T00:00:00Z"})
            ).status_code == 422  # fmt: skip
    twice = {"results": [hemoglobin(subject_id), hemoglobin(subject_id)]}
    answer = (await client.post("/labs", json=twice)).json()
    assert (answer["created"], answer["duplicates"]) == (1, 1)
    seen = {"results": [hemoglobin(subject_id), neutrophils(subject_id, accession="new")]}
    answer = (await client.post("/labs", json=seen)).json()
    assert [item["outcome"] for item in answer["results"]] == ["duplicate", "created"]
    assert taken == [True] + [False] * 6
    graded = await api(Role.STUDY_COORDINATOR).post(
        "/labs", json=neutrophils(subject_id, "2026-05-21T01:00:00Z")
    )
    assert graded.json()["grades"] is not None
    for role in (Role.MONITOR, Role.SPONSOR):
        assert (await api(role).post("/labs", json=good)).status_code == 403
    assert (await client.post("/labs", json={"analyte": "ANC"})).status_code == 422
    assert (await client.post("/labs", json=[])).status_code == 422
    assert taken == [True] + [False] * 9


async def test_what_is_refused_leaves_nothing_behind(api, session, taken):
    """A batch with one result that is here stores the others once, under one operation."""
    subject_id, client = await register(api), api(SENDER)
    await client.post("/labs", json=hemoglobin(subject_id))
    before = len(await stored(session, Operation))
    batch = {"results": [neutrophils(subject_id), hemoglobin(subject_id)]}
    await client.post("/labs", json=batch)
    assert taken == [True, False]
    assert len(await stored(session, LabResult, subject_id)) == 2
    assert len(await stored(session, Operation)) == before + 1


async def test_a_subject_that_left_is_left_to_the_plain_way(api, taken):
    """What was observed until then is taken, what comes after is refused."""
    subject_id = await register(api)
    await leave(api, subject_id, "withdrew_consent", NOW)
    answer = await api(SENDER).post("/labs", json=neutrophils(subject_id))
    assert (answer.status_code, taken) == (201, [False])


async def test_nothing_is_observed_after_a_fatal_event(api, taken):
    """The death that a fatal event tells of counts, although the form of it is still missing."""
    subject_id = await register(api)
    body = EVENT | FATAL | {"subject_id": subject_id}
    assert (await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body)).status_code == 201
    after = neutrophils(subject_id, "2026-05-16T02:00:00Z")
    answer = await api(SENDER).post("/labs", json=after)
    assert (answer.status_code, taken) == (409, [False])
    before = neutrophils(subject_id, "2026-05-13T02:00:00Z")
    assert (await api(SENDER).post("/labs", json=before)).status_code == 201


async def test_an_unknown_study_is_not_found(api, taken):
    """The short way knows neither the study nor who asks."""
    subject_id, client = await register(api), api(SENDER)
    path = str(client.base_url).replace("NCT07212335", "NCT00000000")
    answer = await client.post(f"{path}labs", json=neutrophils(subject_id))
    assert (answer.status_code, taken) == (404, [False])


async def test_results_that_arrive_together_are_stored_each_by_its_own_operation(
    committing_api, committing_database, taken
):
    """Fifty requests at once, some of them of one result: all are there once, each with its own."""
    subjects = [await register(committing_api) for _ in range(5)]
    clients = [committing_api(SENDER) for _ in range(5)]
    seen = neutrophils(subjects[0], "2026-05-01T01:00:00Z")
    first = await clients[0].post("/labs", json=seen)
    bodies = [neutrophils(subjects[n % 5], accession=f"A-{n}") for n in range(50)]
    answers = await asyncio.gather(
        *(clients[n % 5].post("/labs", json=body) for n, body in enumerate([*bodies, seen]))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 50, 200: 1}
    assert answers[-1].json()["id"] == first.json()["id"]
    async with committing_database.session() as session:
        rows = (await session.scalars(select(LabResult))).all()
        operations = (await session.scalars(select(Operation.id))).all()
    assert {str(row.id) for row in rows} == {answer.json()["id"] for answer in answers}
    assert len({row.operation_id for row in rows}) == len(rows) == 51
    assert {row.operation_id for row in rows} <= set(operations)
    assert taken.count(False) == 1


async def test_different_results_under_one_key_at_once_are_not_both_stored(committing_api, taken):
    """One of them has the key, and the other hears that it is taken."""
    subject_id, client = await register(committing_api), committing_api(SENDER)
    headers = {"Idempotency-Key": "one"}
    blocker = neutrophils(subject_id, accession="before")
    bodies = [neutrophils(subject_id, accession=name) for name in ("A", "B", "C")]
    _, *answers = await asyncio.gather(
        client.post("/labs", json=blocker),
        *(client.post("/labs", json=body, headers=headers) for body in bodies),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    assert sorted(taken) == [False, False, True, True]


async def test_a_short_way_that_fails_is_the_plain_way(api, app, taken):
    """Without a connection for it the result is stored all the same."""
    subject_id = await register(api)

    @asynccontextmanager
    async def no_connection():
        raise OSError("no connection")
        yield

    app.state.database.direct = no_connection
    answer = await api(SENDER).post("/labs", json=neutrophils(subject_id))
    assert (answer.status_code, taken) == (201, [False])
