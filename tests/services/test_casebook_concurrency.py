"""Closing a casebook while somebody writes: the write is in what was frozen, or it is refused.

A writer's transaction is held open by hand; the other side is started, and has to wait for it.
"""

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.vocabulary import Role
from tests.factories.casebooks import bring_to, read, step
from tests.factories.labs import neutrophils
from tests.factories.rows import writing
from tests.factories.subjects import register

WEIGH = "UPDATE subject SET weight_kg = weight_kg + 1 WHERE id = :id"
WRITES = {
    # No foreign key is checked again where a row is changed, only the wall looks at the subject.
    "update": "UPDATE transfusion SET note = 'Seen.' WHERE subject_id = :id",
    "insert": """
        INSERT INTO attestation (study_id, id, subject_id, criterion, met)
        SELECT study_id, gen_random_uuid(), id, 'I6', true FROM subject WHERE id = :id
    """,
    "subject": WEIGH,
}
# Long enough for a request to reach the lock, short of the two seconds it waits for it.
A_WHILE = 0.5


@pytest.fixture
async def subject_id(committing_api) -> str:
    """A subject with a transfusion."""
    subject_id = await register(committing_api)
    body = {"product": "platelets", "given_at": "2026-05-30T00:00:00Z", "subject_id": subject_id}
    answer = await committing_api(Role.STUDY_COORDINATOR).post("/transfusions", json=body)
    assert answer.status_code == 201, answer.text
    return subject_id


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_in_flight_is_in_the_frozen_casebook(committing_api, subject_id, write):
    """Freezing waits for the writer; the digest it keeps is that of the records afterwards."""
    before = (await read(committing_api, subject_id))["digest"]
    async with writing(committing_api, reason="By hand.") as (session, _):
        await session.execute(text(WRITES[write]), {"id": subject_id})
        freezing = asyncio.create_task(step(committing_api, subject_id, "freeze"))
        await asyncio.sleep(A_WHILE)
        assert not freezing.done()
    answer = await freezing
    assert answer.status_code == 200, answer.text
    found = await read(committing_api, subject_id)
    assert found["state"] == "frozen"
    assert found["frozen_digest"] == found["digest"] != before


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_behind_the_freezing_is_refused(committing_api, subject_id, write):
    """A writer that comes while the casebook is being frozen waits, and then fails."""
    freeze = """
        INSERT INTO casebook (study_id, id, subject_id, state, digest)
        SELECT study_id, gen_random_uuid(), id, 'frozen', '' FROM subject WHERE id = :id
    """

    async def write_behind() -> str | None:
        async with writing(committing_api, reason="By hand.") as (session, _):
            try:
                await session.execute(text(WRITES[write]), {"id": subject_id})
            except DBAPIError as error:
                await session.rollback()
                return error.orig.sqlstate
        return None

    async with writing(committing_api, reason="By hand.") as (session, _):
        lock = "SELECT id FROM subject WHERE id = :id FOR UPDATE"
        await session.execute(text(lock), {"id": subject_id})
        behind = asyncio.create_task(write_behind())
        await asyncio.sleep(A_WHILE)
        assert not behind.done()
        await session.execute(text(freeze), {"id": subject_id})
    assert await behind == "55000"


async def test_results_that_race_with_the_freezing_are_in_it_or_refused(committing_api, subject_id):
    """Of results sent while a casebook is frozen each is in the digest or was answered 423."""

    async def send(number: int) -> int:
        await asyncio.sleep(number / 200)
        body = neutrophils(subject_id, accession=f"A-{number}")
        answer = await committing_api(Role.STUDY_COORDINATOR).post("/labs", json=body)
        return answer.status_code

    sending = [asyncio.create_task(send(number)) for number in range(20)]
    await asyncio.sleep(0.05)
    frozen = await step(committing_api, subject_id, "freeze")
    statuses = await asyncio.gather(*sending)
    while frozen.status_code == 409:
        frozen = await step(committing_api, subject_id, "freeze")
    assert frozen.status_code == 200, frozen.text
    assert set(statuses) <= {201, 409, 423}
    found = await read(committing_api, subject_id)
    assert found["frozen_digest"] == found["digest"]
    listed = await committing_api().get("/labs", params={"subject": subject_id, "limit": 100})
    assert len(listed.json()["items"]) == statuses.count(201)


async def test_two_data_managers_freeze_once(committing_api, subject_id):
    """Of two who freeze at once one is told that the casebook is frozen."""
    answers = await asyncio.gather(*(step(committing_api, subject_id, "freeze") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_control_a_wall_without_its_lock_lets_a_write_slip_in(
    committing_api, committing_database, subject_id
):
    """If the wall only looked at the casebook, a change in flight would miss the digest."""
    async with committing_database.engine.begin() as connection:
        source = await connection.scalar(
            text("SELECT pg_get_functiondef('lock_casebook'::regproc)")
        )
        careless = source.replace("ORDER BY study_id, id FOR KEY SHARE", "")
        assert careless != source
        await connection.exec_driver_sql(careless)
    async with writing(committing_api, reason="By hand.") as (session, _):
        await session.execute(text(WRITES["update"]), {"id": subject_id})
        with suppress(TimeoutError):
            await asyncio.wait_for(step(committing_api, subject_id, "freeze"), 8)
    found = await read(committing_api, subject_id)
    assert found["state"] == "frozen"
    assert found["frozen_digest"] != found["digest"]


async def test_unlocking_at_once_by_two_takes_effect_once(committing_api, subject_id):
    """Of two approvals of one request one finds the casebook open already."""
    await bring_to(committing_api, subject_id, "locked")
    assert (await step(committing_api, subject_id, "request_unlock")).status_code == 200
    answers = await asyncio.gather(
        *(step(committing_api, subject_id, "approve_unlock") for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
