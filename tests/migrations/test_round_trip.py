"""The migrations go up, down and up again, lose no row, and say what the models say."""

from datetime import datetime, timedelta

import httpx
import pytest
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic import command
from app.core.database import Database
from app.core.migration import migrate, newest_revision, scripts
from app.domain.vocabulary import Role
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import dose_limiting_event
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, enrolled_subject

BEFORE_TRIGGERS = "0002"
BEFORE_CORRECTIONS = "0004"
# All that a revision makes, in words that compare.
CATALOGUE = """
SELECT format('%s.%s.%s %s %s %s', table_schema, table_name, column_name, data_type, is_nullable,
    column_default)
FROM information_schema.columns WHERE table_schema IN ('public', 'vault')
UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE connamespace::regnamespace::text IN ('public', 'vault')
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'vault')
UNION ALL SELECT format('%s %s', tgenabled, pg_get_triggerdef(oid)) FROM pg_trigger
WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace::regnamespace::text IN ('public', 'vault')
UNION ALL SELECT format('%s %s %s %s', oid::regclass, relowner::regrole, relrowsecurity, relacl)
FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'vault')
UNION ALL SELECT format('%s %s %s %s %s', polrelid::regclass, polname, polroles::regrole[],
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
ORDER BY 1
"""
TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""


@pytest.fixture
async def empty(empty_url):
    """A pool on a database without a schema."""
    database = Database(empty_url, role=None)
    yield database
    await database.close()


def configuration(connection: Connection) -> Config:
    """Return what alembic's commands need to work on a connection."""
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    return config


async def downgrade(database: Database, revision: str) -> None:
    """Undo the migrations above a revision."""
    async with database.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(configuration(sync), revision))


async def catalogue(database: Database) -> list[str]:
    """Describe every column, constraint, index, trigger and function."""
    async with database.engine.connect() as connection:
        return list(await connection.scalars(text(CATALOGUE)))


# Columns that a revision above the triggers adds: they go with it and come back derived.
LATER = (
    "collected_precision", "stated_at", "weight", "standing", "original_code", "original_range",
    "original_flags", "original_status", "original_collected", "message_id", "position",
    "transaction", "log_id",
)  # fmt: skip


async def contents(database: Database) -> dict[str, tuple[int, str]]:
    """Count the rows of every table, with a digest of all their values."""
    query = (
        "SELECT count(*), coalesce(md5(string_agg(kept, '' ORDER BY kept)), '') FROM"
        f" (SELECT (to_jsonb(t) - '{{{{{','.join(LATER)}}}}}'::text[])::text AS kept FROM {{}} t)"
        " AS rows_of_it"
    )
    async with database.engine.connect() as connection:
        tables = list(await connection.scalars(text(TABLES)))
        return {
            table: tuple((await connection.execute(text(query.format(table)))).one())
            for table in tables
        }


@pytest.fixture
async def filled(committing_api, clock) -> httpx.AsyncClient:
    """A client of a service with a cohort's first subject, who has a dose-limiting event."""
    subject = await enrolled_subject(committing_api)
    await create_bags(committing_api)
    move_to(clock, FIRST_INFUSION)
    await infuse(committing_api, subject, FIRST_INFUSION)
    await dose_limiting_event(committing_api, subject, FIRST_INFUSION)
    client = committing_api(Role.STUDY_COORDINATOR)
    body = {"weight_kg": 61, "reason": "Weighed again."}
    path = f"/subjects/{subject['id']}"
    answer = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    return client


async def change_first_subject(client: httpx.AsyncClient) -> httpx.Response:
    """Change the weight of the first subject in the list."""
    subject = (await client.get("/subjects")).json()["items"][0]
    return await client.patch(
        f"/subjects/{subject['id']}",
        json={"weight_kg": 62, "reason": "Weighed once more."},
        headers={"If-Match": f'"v{subject["version"]}"'},
    )


async def test_up_down_and_up_again_on_an_empty_database(empty):
    """Going down leaves nothing behind, and the second way up makes what the first one made."""
    await migrate(empty.engine)
    made = await catalogue(empty)
    assert any("write_updates" in line for line in made)
    await downgrade(empty, "base")
    assert all("alembic_version" in line for line in await catalogue(empty))
    await migrate(empty.engine)
    assert await catalogue(empty) == made


async def test_each_revision_can_be_undone_alone(empty):
    """Down and up by one revision from any revision gives the same schema."""
    revisions = [f"{number:04d}" for number in range(1, int(newest_revision()) + 1)]
    for below, revision in zip(["base", *revisions], revisions, strict=False):
        await migrate(empty.engine, revision)
        made = await catalogue(empty)
        await downgrade(empty, below)
        await migrate(empty.engine, revision)
        assert await catalogue(empty) == made, revision


async def test_no_row_is_lost_when_the_triggers_go_and_come_back(filled, committing_database):
    """The rows, the trail among them, stay to the letter; afterwards it is written again."""
    before = await contents(committing_database)
    await downgrade(committing_database, BEFORE_TRIGGERS)
    assert (await filled.get("http://test/readyz")).status_code == 503
    await migrate(committing_database.engine)
    assert await contents(committing_database) == before
    assert before["change"][0] > 0
    assert before["dlt_adjudication"][0] == 1
    assert (await filled.get("http://test/readyz")).status_code == 200
    assert (await change_first_subject(filled)).status_code == 200
    assert (await contents(committing_database))["change"][0] == before["change"][0] + 1


async def test_the_models_say_what_the_migrations_made(empty):
    """Alembic finds nothing that it would generate."""
    await migrate(empty.engine)
    async with empty.engine.connect() as connection:
        await connection.run_sync(lambda sync: command.check(configuration(sync)))


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER subject_refuse ON subject",
        "DROP TRIGGER subject_write_updates ON subject",
        "ALTER TABLE lab_result DISABLE TRIGGER lab_result_refuse",
        # Fires no more for whoever sets session_replication_role.
        "ALTER TABLE change ENABLE TRIGGER change_refuse",
        "DROP SCHEMA public, vault CASCADE",
    ],
)
async def test_a_service_without_all_its_triggers_is_not_ready(
    committing_api, committing_database, statement
):
    """The readiness endpoint answers 503 and names the trigger."""
    client = committing_api(None)
    assert (await client.get("http://test/readyz")).json() == {"status": "ready", "reasons": []}
    async with committing_database.engine.begin() as connection:
        await connection.execute(text(statement))
    answer = await client.get("http://test/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    reason, changed = answer.json()["reasons"]
    assert changed.startswith("Not guarded as this release guards it")
    trigger = next((word for word in statement.split() if "_" in word), "subject_refuse")
    assert f" {trigger}" in reason
    assert reason.endswith(".")


# As a service of revision 0004 wrote it, with the operation that registered the subject.
EARLIER_EXIT = """
INSERT INTO disposition
    (study_id, id, subject_id, event, event_date, reason, operation_id, recorded_at)
SELECT study_id, gen_random_uuid(), id, 'pregnancy', '2026-06-01', 'Test.', operation_id,
       recorded_at + interval '1 millisecond'
FROM subject ORDER BY id LIMIT 1
"""


async def test_dispositions_from_before_get_their_trail(filled, committing_database, clock):
    """One that was recorded as a mere fact is read as it was, corrected, and counted once."""
    await downgrade(committing_database, BEFORE_CORRECTIONS)
    async with committing_database.engine.begin() as connection:
        await connection.execute(text(EARLIER_EXIT))
    await migrate(committing_database.engine)
    subject = (await filled.get("/subjects")).json()["items"][0]
    path = f"/subjects/{subject['id']}/disposition"
    (exit_,) = (await filled.get(path)).json()["items"]
    assert (exit_["version"], exit_["retracted"]) == (1, False)
    clock.now = datetime.fromisoformat(exit_["recorded_at"]) + timedelta(days=1)
    past = {"as_of": exit_["recorded_at"]}
    assert (await filled.get(path, params=past)).json()["items"] == [exit_]
    too_early = {"as_of": subject["recorded_at"]}
    assert (await filled.get(path, params=too_early)).json()["items"] == []
    await downgrade(committing_database, BEFORE_CORRECTIONS)
    await migrate(committing_database.engine)
    async with committing_database.engine.connect() as connection:
        entries = "SELECT count(*) FROM change WHERE table_name = 'disposition'"
        assert await connection.scalar(text(entries)) == 1
    retracted = await filled.patch(
        f"{path}/{exit_['id']}",
        json={"retracted": True, "reason": "Another subject's."},
        headers={"If-Match": '"v1"'},
    )
    assert retracted.status_code == 200, retracted.text
    assert (await filled.get(path, params=past)).json()["items"] == [exit_]


async def test_a_corrected_disposition_keeps_its_revision(filled, committing_database):
    """Going back would let a retracted exit count again, so it is refused and nothing is lost."""
    subject = (await filled.get("/subjects")).json()["items"][0]
    path = f"/subjects/{subject['id']}/disposition"
    body = {"event": "pregnancy", "event_date": "2026-06-01", "reason": "Test."}
    exit_ = (await filled.post(path, json=body)).json()
    change = {"retracted": True, "reason": "Another subject's."}
    headers = {"If-Match": '"v1"'}
    answer = await filled.patch(f"{path}/{exit_['id']}", json=change, headers=headers)
    assert answer.status_code == 200, answer.text
    before = await contents(committing_database)
    with pytest.raises(DBAPIError, match="records are kept"):
        await downgrade(committing_database, BEFORE_CORRECTIONS)
    assert await contents(committing_database) == before
    assert (await filled.get("http://test/readyz")).status_code == 200


BEFORE_VAULT = "0011"


async def test_identifiers_go_into_the_vault_and_come_back(
    filled, committing_api, committing_database
):
    """Down and up again every ciphertext is where it was, opens still, and the trail agrees."""
    subject = (await filled.get("/subjects")).json()["items"][0]
    path = f"/subjects/{subject['id']}/identifiers"
    body = {"kind": "patient", "value": "MRN-1"}
    made = (await filled.post(path, json=body)).json()
    retracted = {"retracted": True, "reason": "Another person's."}
    headers = {"If-Match": '"v1"'}
    assert (await filled.patch(f"{path}/{made['id']}", json=retracted, headers=headers)).is_success
    before = (await filled.get(path)).json()
    sealed = "SELECT sealed FROM {}"
    image = "SELECT new ->> 'sealed' FROM change WHERE table_name = 'subject_identifier'"
    async with committing_database.engine.connect() as connection:
        kept = await connection.scalar(text(sealed.format("vault.secret")))
        assert list(await connection.scalars(text(image))) == [None, None]
    await downgrade(committing_database, BEFORE_VAULT)
    async with committing_database.engine.connect() as connection:
        assert await connection.scalar(text(sealed.format("subject_identifier"))) == kept
        assert list(await connection.scalars(text(image))) == [f"\\x{kept.hex()}"] * 2
    await migrate(committing_database.engine)
    assert (await filled.get(path)).json() == before
    assert before["items"][0]["value"] == "MRN-1"
