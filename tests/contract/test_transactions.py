"""One request is one transaction: what is not committed is not acknowledged."""

from asyncio import gather, sleep

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models import Operation, Subject
from tests.routers.test_subjects import SUBJECT


async def test_a_failing_commit_is_never_a_success(committing_api, monkeypatch):
    """When the commit fails the answer is 503 and the subject is not there."""

    async def fail(self):
        await self.rollback()
        raise ConnectionRefusedError

    client = committing_api(Role.STUDY_COORDINATOR)
    with monkeypatch.context() as patched:
        patched.setattr(AsyncSession, "commit", fail)
        answer = await client.post("/subjects", json=SUBJECT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert (await client.get("/subjects")).json()["items"] == []
    assert (await client.post("/subjects", json=SUBJECT)).status_code == 201


async def test_a_connection_that_ends_before_the_commit_is_503(committing_api, monkeypatch):
    """What the server closed in the middle of a request is no fault of ours, and stores nothing."""
    commit = AsyncSession.commit

    async def cut_off(self):
        raw = await (await self.connection()).get_raw_connection()
        raw.driver_connection.terminate()
        await sleep(0.05)
        await commit(self)

    client = committing_api(Role.STUDY_COORDINATOR)
    with monkeypatch.context() as patched:
        patched.setattr(AsyncSession, "commit", cut_off)
        answer = await client.post("/subjects", json=SUBJECT)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert (await client.get("/subjects")).json()["items"] == []


async def test_an_unexpected_failure_says_nothing_of_its_cause(api, monkeypatch):
    """A fault of ours is a 500 problem document without the exception's words."""

    async def fail(*_arguments):
        raise RuntimeError("Zz-canary-91")

    monkeypatch.setattr("app.services.subjects.create_subject", fail)
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "canary" not in answer.text


async def sqlstate(session: AsyncSession, statement: str, **values: object) -> str | None:
    """Run a statement in a savepoint and return the SQLSTATE it fails with."""
    try:
        async with session.begin_nested():
            await session.execute(text(statement), values)
    except DBAPIError as error:
        return error.orig.sqlstate
    return None


@pytest.fixture
async def subject(api, session) -> Subject:
    """A subject registered over HTTP, read through the test's session."""
    made = (await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT)).json()
    found = await session.get(Subject, (await study_id(session), made["id"]))
    await session.execute(text("SELECT set_config('app.operation_id', '', true)"))
    return found


async def study_id(session: AsyncSession):
    """Return the id of the loaded study."""
    return await session.scalar(text("SELECT study_id FROM study"))


async def test_no_actor_no_write(session, subject):
    """Without an operation the database refuses to insert and to update."""
    assert await sqlstate(session, "UPDATE subject SET weight_kg = 1") == "28000"
    insert = (
        "INSERT INTO site (study_id, id, code, name)"
        " SELECT study_id, gen_random_uuid(), '02', 'x' FROM study"
    )
    assert await sqlstate(session, insert) == "28000"


async def test_no_reason_no_change(session, subject):
    """An operation without a reason may insert but not change."""
    operation = Operation(
        study_id=subject.study_id,
        id=new_id(),
        actor_name="x",
        role="x",
        organisation="x",
        command="x",
        request_id="x",
    )
    session.add(operation)
    await session.flush()
    await session.execute(
        text("SELECT set_config('app.operation_id', :id, true)"), {"id": str(operation.id)}
    )
    assert await sqlstate(session, "UPDATE subject SET weight_kg = 1") == "23514"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM subject",
        "TRUNCATE subject CASCADE",
        "DELETE FROM change",
        "UPDATE change SET new = NULL",
        "UPDATE operation SET actor_name = 'x'",
        "DELETE FROM operation",
        "UPDATE lab_result SET value = 1",
        "DELETE FROM lab_result",
        "UPDATE protocol_version SET number = 2",
        "DELETE FROM enrolment",
        "UPDATE escalation_decision SET round = 2",
        "DELETE FROM dlt_adjudication",
    ],
)
async def test_history_is_kept(session, subject, statement):
    """Nothing is removed, and append-only rows are never changed."""
    assert await sqlstate(session, statement) == "55000"


async def test_the_key_of_a_row_never_changes(session, subject, api):
    """Even with an operation, a row keeps its id, its study and its origin."""
    made = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT)
    assert made.status_code == 201
    assert await sqlstate(session, "UPDATE subject SET id = gen_random_uuid()") == "55000"


async def test_every_change_is_in_the_trail_with_its_author(api, session):
    """The trail names who, in which role, why, and the row before and after."""
    client = api(Role.STUDY_COORDINATOR)
    made = (await client.post("/subjects", json=SUBJECT)).json()
    answer = await client.patch(
        f"/subjects/{made['id']}",
        json={"weight_kg": 61, "reason": "Weighed again."},
        headers={"If-Match": '"v1"'},
    )
    row = (
        await session.execute(
            text(
                "SELECT o.role, o.command, o.reason, o.request_id, c.action, c.old, c.new"
                " FROM change c JOIN operation o ON o.id = c.operation_id"
                " WHERE c.record_id = :id AND c.action = 'update'"
            ),
            {"id": made["id"]},
        )
    ).one()
    assert row.role == "study_coordinator"
    assert row.command == "change_subject"
    assert row.reason == "Weighed again."
    assert row.request_id == answer.headers["x-request-id"]
    assert (row.old["version"], row.new["version"]) == (1, 2)
    assert str(row.old["weight_kg"]).startswith("60.5")


async def test_a_bulk_change_is_in_the_trail(session, subject, api):
    """SQL that bypasses the ORM is written to the trail all the same."""
    await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT)
    await session.execute(text("UPDATE subject SET has_copd = true"))
    written = await session.scalar(text("SELECT count(*) FROM change WHERE action = 'update'"))
    assert written == 2


async def test_two_changes_of_one_version_do_not_both_win(committing_api):
    """Of two concurrent changes with the same ETag one is 200 and the other 412."""
    client: httpx.AsyncClient = committing_api(Role.STUDY_COORDINATOR)
    made = (await client.post("/subjects", json=SUBJECT)).json()
    for version in range(1, 11):
        answers = await gather(
            *(
                client.patch(
                    f"/subjects/{made['id']}",
                    json={"weight_kg": 50 + version, "reason": "Weighed."},
                    headers={"If-Match": f'"v{version}"'},
                )
                for _ in range(2)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_one_key_posted_many_times_at_once_gives_one_answer(committing_api):
    """Twenty concurrent posts with one key register one subject and all get its answer."""
    client = committing_api(Role.STUDY_COORDINATOR)
    answers = await gather(
        *(
            client.post("/subjects", json=SUBJECT, headers={"Idempotency-Key": "k"})
            for _ in range(20)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await client.get("/subjects")).json()["items"]) == 1
