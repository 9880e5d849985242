"""P06: the last slot of a cohort is never overfilled, however many ask for it at once.

Forty ask for three places, ten times over, or 30 times and more in a long run (`make chaos`); also
through two applications on one database.
"""

import asyncio
import os
from collections import Counter
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.core.database import Database
from app.domain.vocabulary import Role
from app.models import Assessment, Attestation, Enrolment, LabResult, Study, Subject
from app.protocols import read_definition
from app.services import enrolments
from app.services.development import fixture_people
from app.services.studies import NewStudy, create_study
from tests.conftest import STUDY, build_app, clients
from tests.factories.rows import writing
from tests.factories.subjects import eligible_subject

APPLICANTS, PLACES = 40, 3
# `make chaos` plays more.
ROUNDS = int(os.environ.get("MSC_PROMISE_ROUNDS", "10"))
IS_LONG = ROUNDS >= 30
PARAMETERS = {"rounds": ROUNDS, "applicants": APPLICANTS}
# A machine with too much to do may refuse a request before it is looked at.
REFUSED = {409, 503}
COPIED = (Subject, LabResult, Assessment, Attestation)


@pytest.fixture
async def crowd(committing_url, committing_database, issuer, clock):
    """Clients with a connection for each applicant, and the applicants of the first study."""
    database = Database(committing_url, pool_size=APPLICANTS + 2)
    api = clients(build_app(database, issuer, clock), issuer, clock)
    subjects = [await eligible_subject(api) for _ in range(APPLICANTS)]
    yield api, committing_database, [subject["id"] for subject in subjects]
    await database.close()


async def another_study(api, database, number) -> str:
    """Set up a study of its own with the same applicants, under the same ids."""
    key = f"ROUND-{number:02d}"
    document = read_definition(STUDY, 1)
    document = document | {"study": document["study"] | {"key": key}}
    new = NewStudy(document, date(2025, 10, 1), fixture_people(), "Site 01", "test", "A round.")
    async with database.session() as session:
        await create_study(session, new, datetime(2025, 10, 1, tzinfo=UTC))
        await session.commit()
    async with writing(api, key) as (session, actor):
        # From one study into another: past the wall between them.
        await session.execute(text("SET LOCAL ROLE postgres"))
        for model in COPIED:
            await session.execute(text(copying(model)), {"study": actor.study_id, "key": STUDY})
    return key


def copying(model) -> str:
    """Write the SQL that copies a table's rows into another study."""
    made_there = ("study_id", "site_id", "operation_id", "recorded_at")
    kept = ", ".join(column.name for column in model.__table__.c if column.name not in made_there)
    of_site = (", site_id", ", (SELECT id FROM site WHERE study_id = :study)")
    site, value = of_site if "site_id" in model.__table__.c else ("", "")
    return f"""
        INSERT INTO {model.__tablename__} (study_id, {kept}{site}) SELECT :study, {kept}{value}
        FROM {model.__tablename__} WHERE study_id = (SELECT study_id FROM study WHERE key = :key)
    """


async def apply_at_once(api, key, subject_ids) -> Counter:
    """Let every applicant ask for a place at the same time; count the answers."""
    client = api(Role.STUDY_COORDINATOR)
    base = f"http://test/api/v1/studies/{key}/subjects"
    asked = (client.post(f"{base}/{subject_id}/enrolment", json={}) for subject_id in subject_ids)
    return Counter(int(answer.status_code) for answer in await asyncio.gather(*asked))


async def slots(database, key) -> list[int]:
    """Read the slots that are taken."""
    query = (
        select(Enrolment.slot)
        .join(Study, Study.study_id == Enrolment.study_id)
        .where(Study.key == key)
        .order_by(Enrolment.slot)
    )
    async with database.session() as session:
        return list(await session.scalars(query))


async def test_three_of_forty_win_every_time(crowd):
    """Exactly three are enrolled, in slots 1, 2 and 3; everybody else is told why not."""
    api, database, subject_ids = crowd
    for number in range(ROUNDS):
        key = await another_study(api, database, number)
        answers = await apply_at_once(api, key, subject_ids)
        assert answers[201] == PLACES
        assert answers.keys() <= REFUSED | {201}
        assert await slots(database, key) == [1, 2, 3]


async def test_two_processes_do_not_overfill_either(crowd, committing_url, issuer, clock):
    """Half of them ask another application on the same database: nothing is kept in memory."""
    api, database, subject_ids = crowd
    beside = Database(committing_url, pool_size=APPLICANTS // 2 + 2)
    other = clients(build_app(beside, issuer, clock), issuer, clock)
    answers = Counter()
    for counted in await asyncio.gather(
        apply_at_once(api, STUDY, subject_ids[::2]), apply_at_once(other, STUDY, subject_ids[1::2])
    ):
        answers += counted
    await beside.close()
    assert answers[201] == PLACES
    assert answers.keys() <= REFUSED | {201}
    assert await slots(database, STUDY) == [1, 2, 3]


async def test_the_constraint_alone_keeps_a_slot_single(crowd, monkeypatch):
    """Without the lock the unique slot still lets nobody share a place."""
    api, database, subject_ids = crowd
    monkeypatch.setattr(enrolments, "lock_study", no_lock)
    await apply_at_once(api, STUDY, subject_ids)
    taken = await slots(database, STUDY)
    assert taken == sorted(set(taken))
    assert 1 <= len(taken) <= PLACES


async def test_without_lock_and_constraint_the_cohort_overfills(crowd, monkeypatch):
    """The control: counting on unlocked data gives more places than there are."""
    api, database, subject_ids = crowd
    monkeypatch.setattr(enrolments, "lock_study", no_lock)
    async with database.engine.begin() as connection:
        await connection.execute(text("DROP INDEX uq_enrolment_slot"))
    await apply_at_once(api, STUDY, subject_ids)
    assert len(await slots(database, STUDY)) > PLACES


async def no_lock(session, study_id: UUID) -> None:
    """Take no lock."""
