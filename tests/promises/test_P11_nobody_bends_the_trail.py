"""P11: no user of the API, nor its database role, alters, removes or bypasses the trail."""

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.database import API_ROLE, async_url
from app.models import Base, Fact
from tests.factories.subjects import eligible_subject

# Permission denied, kept, no such thing to a stranger, not the owner, walled off.
REFUSALS = {"42501", "55000"}
FACTS = sorted(
    mapper.class_.__table__.fullname
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, Fact)
)
INSERTED = (
    "INSERT INTO change (study_id, operation_id, table_name, record_id, action, recorded_at)"
    " SELECT study_id, id, 'subject', id, 'insert', now() FROM operation LIMIT 1"
)
REPLACED = (
    "CREATE OR REPLACE FUNCTION write_updates() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NULL; END'"
)
ATTEMPTS = [
    "DELETE FROM change",
    "UPDATE change SET new = '{}'",
    "UPDATE change SET recorded_at = now()",
    "UPDATE change SET operation_id = gen_random_uuid()",
    "TRUNCATE change",
    "TRUNCATE change, operation CASCADE",
    "DROP TABLE change",
    "DROP TABLE change CASCADE",
    "ALTER TABLE change RENAME TO gone",
    "ALTER TABLE change DROP COLUMN old",
    "ALTER TABLE change ADD COLUMN mine text",
    "ALTER TABLE change DISABLE TRIGGER ALL",
    "ALTER TABLE change DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE change OWNER TO msc_icaht_api",
    INSERTED,
    "DELETE FROM operation",
    "UPDATE operation SET actor_name = 'Somebody else'",
    "UPDATE operation SET reason = 'Another reason'",
    "UPDATE operation SET recorded_at = now() - interval '1 year'",
    "TRUNCATE operation CASCADE",
    "DROP TABLE operation CASCADE",
    "ALTER TABLE operation ALTER COLUMN reason DROP NOT NULL",
    "DELETE FROM subject",
    "TRUNCATE subject CASCADE",
    "ALTER TABLE subject DISABLE TRIGGER subject_write_updates",
    "ALTER TABLE subject DISABLE TRIGGER ALL",
    "ALTER TABLE subject ENABLE TRIGGER subject_write_updates",
    "DROP TRIGGER subject_write_updates ON subject",
    REPLACED,
    "DROP FUNCTION write_updates() CASCADE",
    "ALTER FUNCTION write_updates() SECURITY INVOKER",
    "ALTER FUNCTION write_inserts() OWNER TO msc_icaht_api",
    "CREATE RULE nothing AS ON INSERT TO change DO INSTEAD NOTHING",
    "CREATE POLICY open ON change USING (true)",
    "DROP POLICY own_study ON subject",
    "CREATE TABLE change_of_mine (id int)",
    "CREATE TRIGGER mine BEFORE INSERT ON subject FOR EACH ROW EXECUTE FUNCTION refuse()",
    "SET session_replication_role = replica",
    "SET ROLE msc_icaht_audit",
    "SET ROLE postgres",
    "GRANT msc_icaht_audit TO msc_icaht_api",
    "ALTER ROLE msc_icaht_api SUPERUSER",
    "ALTER ROLE msc_icaht_api BYPASSRLS",
    "CREATE ROLE mine SUPERUSER",
    "SELECT guard('change', 'fact')",
    "COPY change TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "CREATE EXTENSION pg_trgm",
    *(f"DELETE FROM {table}" for table in FACTS),
]

BEGIN = """
WITH begun AS (
    INSERT INTO operation (study_id, id, actor_name, role, organisation, command, reason,
                           request_id{column})
    SELECT study_id, gen_random_uuid(), 'Somebody', 'none', 'Nowhere', 'bend', 'Because.', 'test'
           {value}
    FROM study RETURNING id
) SELECT set_config('app.operation_id', id::text, true) FROM begun
"""
OWN_OPERATION = BEGIN.format(column="", value="")
DATED_OPERATION = BEGIN.format(column=", recorded_at", value=", now() - interval '30 days'")
OTHERS_OPERATION = "SELECT set_config('app.operation_id', max(id::text), true) FROM operation"
SITE = """
INSERT INTO site (study_id, id, code, name, recorded_at)
SELECT study_id, gen_random_uuid(), 'X', 'Hospital X', {} FROM study
"""


@pytest.fixture
async def attacker(committing_url, committing_api):
    """A connection logged in as the API's role, inside the study, with something to attack."""
    await eligible_subject(committing_api)
    engine = create_async_engine(async_url(make_url(committing_url).set(username=API_ROLE)))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def test_every_attempt_is_refused(attacker, committing_database):
    """Each statement fails with permission denied or kept, and the trail is as it was."""
    before = await trail(committing_database)
    assert len(ATTEMPTS) >= 40
    for attempt in ATTEMPTS:
        assert await answer(attacker, attempt) in REFUSALS, attempt
    assert await trail(committing_database) == before


async def answer(attacker, *attempts: str) -> str | None:
    """Return the SQLSTATE with which an attempt is refused, None if it is not."""
    try:
        await attacker.execute(text("SELECT enter_by_study('NCT07212335')"))
        for attempt in attempts:
            await attacker.execute(text(attempt))
    except DBAPIError as refusal:
        state: str = refusal.orig.sqlstate
        return state
    finally:
        await attacker.rollback()
    return None


async def trail(database) -> tuple[object, ...]:
    """Count and digest the trail and the operations."""
    async with database.engine.connect() as connection:
        return tuple(
            [
                await connection.scalar(
                    text(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t")
                )
                for table in ("change", "operation")
            ]
        )


async def test_a_change_as_the_api_is_in_the_trail(attacker, committing_database):
    """What the role may do is written down by functions that it cannot reach."""
    rows = "SELECT count(*) FROM change WHERE table_name = 'subject' AND action = 'update'"
    await attacker.execute(text("SELECT enter_by_study('NCT07212335')"))
    await attacker.execute(text(OWN_OPERATION))
    await attacker.execute(text("UPDATE subject SET weight_kg = 1"))
    await attacker.commit()
    async with committing_database.engine.connect() as connection:
        assert await connection.scalar(text(rows)) == 1


@pytest.mark.parametrize(
    ("operation", "write", "state"),
    [
        (OTHERS_OPERATION, "UPDATE subject SET weight_kg = 1", "28000"),
        (OTHERS_OPERATION, SITE.format("clock_timestamp()"), "28000"),
        (OWN_OPERATION, SITE.format("clock_timestamp() - interval '30 days'"), "55000"),
        (OWN_OPERATION, SITE.format("clock_timestamp() + interval '1 second'"), "55000"),
        (DATED_OPERATION, SITE.format("clock_timestamp()"), "55000"),
    ],
)
async def test_nothing_is_written_into_the_past(attacker, operation, write, state):
    """Not under a finished operation of somebody else, and not with a time of one's own."""
    assert await answer(attacker, operation, write) == state


async def test_control_a_row_of_this_operation_and_moment_is_taken(attacker):
    """The control: the same row passes under an operation of its own transaction."""
    assert await answer(attacker, OWN_OPERATION, SITE.format("clock_timestamp()")) is None


async def test_control_the_owner_can_do_what_the_api_cannot(committing_database, committing_api):
    """The control: to the owner of the tables most of these statements are allowed."""
    await eligible_subject(committing_api)
    allowed = 0
    for attempt in ATTEMPTS:
        async with committing_database.engine.connect() as connection:
            try:
                await connection.execute(text(attempt))
            except DBAPIError:
                continue
            finally:
                await connection.rollback()
            allowed += 1
    assert allowed >= len(ATTEMPTS) // 4
