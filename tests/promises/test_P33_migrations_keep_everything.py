"""P33: migrations go down and up on a filled database, under traffic, and keep every row.

Afterwards the trail verifies and the service works. The API's own database role changes no schema.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from app.core.database import API_ROLE
from app.core.ids import new_id
from app.core.migration import migrate
from app.domain.vocabulary import Role
from app.services.verification import Evidence, verify
from app.services.verification_report import Report
from tests.conftest import on
from tests.factories.dosing import create_bags
from tests.factories.labs import neutrophils
from tests.factories.seal import seal
from tests.factories.subjects import eligible_subject, enrol
from tests.migrations.test_round_trip import downgrade
from tests.promises.table_contents import contents

RELEASED = "0005"
ATTEMPTS = 10
A_WHILE = 0.3
WRITERS = 3

# What a service of any revision writes to change a record: an operation, and the change.
OPERATION = """
INSERT INTO operation (study_id, id, actor_name, role, organisation, command, reason, request_id)
SELECT study_id, $1, 'Writer', 'study_coordinator', 'Test', 'change_subject', 'Weighed.', 'test'
FROM study
RETURNING set_config('app.operation_id', id::text, true)
"""
CHANGE = "UPDATE subject SET weight_kg = weight_kg + 0.001 WHERE id = $1 RETURNING version"


async def fill(api) -> str:
    """Write records that every released revision has; return a subject's id."""
    subject = await eligible_subject(api)
    assert (await enrol(api, subject)).status_code == 201
    await create_bags(api)
    body = neutrophils(subject["id"])
    assert (await api(Role.STUDY_COORDINATOR).post("/labs", json=body)).status_code == 201
    return subject["id"]


class Traffic:
    """Writers that go on whatever happens to the schema, and what was acknowledged to them."""

    def __init__(self, url: str, subject_id: str) -> None:
        self._url, self._subject_id = url, subject_id
        self.acknowledged: set[str] = set()
        self.stopping = False

    async def __aenter__(self) -> Traffic:
        self._writing = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopping = True
        await asyncio.gather(*self._writing)

    async def _write(self) -> None:
        while not self.stopping:
            connection = await asyncpg.connect(self._url)
            with suppress(asyncpg.PostgresError):
                while not self.stopping:
                    operation_id = new_id()
                    async with connection.transaction():
                        await connection.execute(OPERATION, operation_id)
                        await connection.execute(CHANGE, self._subject_id)
                    self.acknowledged.add(str(operation_id))
            await connection.close()


async def up(database) -> None:
    """Migrate to the newest revision; what gets into a deadlock with writers is tried again."""
    for _ in range(ATTEMPTS):
        with suppress(DBAPIError):
            return await migrate(database.engine)
    raise AssertionError("the migrations do not get through")


def shown_in(shape: dict[str, set[str]], rows: Counter[str]) -> Counter[str]:
    """Show rows of the tables and in the columns of an older schema only."""
    found: Counter[str] = Counter()
    for row, times in rows.items():
        table, _, image = row.partition(" ")
        columns = shape.get(table.partition(".")[2], set())
        values = {name: value for name, value in json.loads(image).items() if name in columns}
        if columns:
            found[f"{table.partition('.')[2]} {json.dumps(values, sort_keys=True)}"] += times
    return found


async def shape_of(url: str) -> dict[str, set[str]]:
    """Return the columns of every table."""
    connection = await asyncpg.connect(url)
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema ="
    shape: dict[str, set[str]] = {}
    for table, column in await connection.fetch(f"{query} 'public'"):
        shape.setdefault(table, set()).add(column)
    await connection.close()
    return shape


async def verified(database) -> Report:
    """Verify the whole trail."""
    async with database.session() as session:
        return await verify(session, Evidence())


async def test_no_row_is_lost_on_the_way_down_and_up_under_traffic(
    committing_api, committing_database, committing_url, tmp_path
):
    """What was there and what was acknowledged meanwhile is there, in the trail, and verifies."""
    subject_id = await fill(committing_api)
    before = await contents(committing_url)
    await downgrade(committing_database, RELEASED)
    shape = await shape_of(committing_url)
    kept = await contents(committing_url)
    assert shown_in(shape, before) == shown_in(shape, kept)
    async with Traffic(committing_url, subject_id) as traffic:
        await asyncio.sleep(A_WHILE)
        earlier = len(traffic.acknowledged)
        await up(committing_database)
        await asyncio.sleep(A_WHILE)
    assert 0 < earlier < len(traffic.acknowledged)
    after = shown_in(shape, await contents(committing_url))
    changed = f'"id": "{subject_id}"'
    lost = [row for row in (shown_in(shape, kept) - after) if changed not in row]
    assert lost == []
    trail = Counter(
        json.loads(row.partition(" ")[2])["operation_id"]
        for row in after
        if row.startswith("change ")
    )
    assert {trail[operation_id] for operation_id in traffic.acknowledged} == {1}
    await seal(committing_url, tmp_path)
    report = await verified(committing_database)
    assert report.verified, report
    client = committing_api(Role.STUDY_COORDINATOR)
    assert (await client.get("http://test/readyz")).json()["reasons"] == []
    version = (await client.get(f"/subjects/{subject_id}")).headers["etag"]
    body = {"weight_kg": 62, "reason": "Weighed again."}
    path = f"/subjects/{subject_id}"
    answer = await client.patch(path, json=body, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text


async def test_control_a_migration_that_alters_a_row_is_noticed(
    committing_api, committing_database, committing_url, tmp_path
):
    """Control: a revision that rounded a value past the trail shows in both comparisons."""
    await fill(committing_api)
    await seal(committing_url, tmp_path)
    before, shape = await contents(committing_url), await shape_of(committing_url)
    assert (await verified(committing_database)).verified
    connection = await asyncpg.connect(committing_url)
    await connection.execute("ALTER TABLE subject DISABLE TRIGGER ALL")
    await connection.execute("UPDATE subject SET weight_kg = round(weight_kg) + 1")
    await connection.execute("ALTER TABLE subject ENABLE TRIGGER ALL")
    await connection.close()
    assert shown_in(shape, before) != shown_in(shape, await contents(committing_url))
    assert not (await verified(committing_database)).verified


DDL = (
    "CREATE TABLE note (id int)",
    "CREATE TEMPORARY TABLE note (id int)",
    "CREATE SCHEMA own",
    "CREATE VIEW names AS SELECT 1",
    "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE another",
    "ALTER TABLE subject ADD COLUMN note text",
    "ALTER TABLE subject DROP COLUMN weight_kg",
    "ALTER TABLE subject DISABLE TRIGGER ALL",
    "ALTER TABLE change OWNER TO CURRENT_USER",
    "DROP TABLE change",
    "DROP INDEX uq_enrolment_slot",
    "DROP FUNCTION write_updates() CASCADE",
    "TRUNCATE subject CASCADE",
    "COMMENT ON TABLE subject IS 'mine'",
    "GRANT SELECT ON subject TO PUBLIC",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM alembic_version",
)


async def refusals(url: str, role: str | None) -> dict[str, str | None]:
    """Try each statement in a transaction that is given up; return the SQLSTATE of its refusal."""
    settings = {"role": role} if role else {}
    connection = await asyncpg.connect(url, server_settings=settings)
    found: dict[str, str | None] = {}
    for statement in DDL:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement)
            found[statement] = None
        except asyncpg.PostgresError as error:
            found[statement] = error.sqlstate
        await transaction.rollback()
    await connection.close()
    return found


# A table to be truncated, or whose grants are given away, asks for the right to it by another name.
REFUSED = {"42501", "55000"}


@pytest.fixture
def migrated_url(server_url, template) -> str:
    """A database that was migrated itself: a copy of one has no grants of the database's own."""
    return on(server_url, template)


async def test_the_role_of_the_api_changes_no_schema(migrated_url):
    """Nothing is created, altered, dropped, granted or said to be of another revision."""
    found = await refusals(migrated_url, API_ROLE)
    # What one has no right to give is granted to nobody, with a warning.
    assert found.pop("GRANT SELECT ON subject TO PUBLIC") in {None, "42501"}
    assert set(found.values()) <= REFUSED, found


@pytest.mark.parametrize("statement", DDL[:4])
async def test_control_the_owner_may(migrated_url, statement):
    """Control: the same statements are not refused for another reason."""
    assert (await refusals(migrated_url, None))[statement] is None
