"""The sealer: every operation becomes one leaf, whole, and what it publishes is true."""

import asyncio
import subprocess
import sys
import time

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.core.database import API_ROLE, SEALER_ROLE, Database
from app.core.errors import OperatorError
from app.core.witnesses import Witness
from app.domain.seal_format import parse_header
from app.domain.seal_note import (
    parse_checkpoint,
    parse_note,
)
from app.models import SealEntry
from app.services import sealing
from app.services.seal_state import seal_lag
from tests.factories.seal import (
    audit,
    is_sealed,
    lives,
    operate,
    operations,
    running,
    seal,
    sealer,
    until,
)
from tests.factories.subjects import screened_subject


async def test_every_operation_is_sealed_once_with_all_its_rows(
    committing_url, committing_database, tmp_path, committing_api
):
    """What requests wrote is under the seal; nothing new is sealed again."""
    await screened_subject(committing_api)
    await operate(committing_database, 5)
    count = await operations(committing_database)
    assert await seal(committing_url, tmp_path) == count
    assert await audit(committing_database) == count
    assert await seal(committing_url, tmp_path) == 0
    await operate(committing_database)
    assert await seal(committing_url, tmp_path) == 1
    assert await audit(committing_database) == count + 1
    notes = Witness(tmp_path / "witness-0").notes()
    assert [parse_checkpoint(parse_note(note).text).size for note in notes] == [count, count + 1]


async def test_a_header_tells_who_and_what_but_no_value(
    committing_url, committing_database, tmp_path
):
    """The operation itself, its reason and its actor's name among it, is under a commitment."""
    (operation_id,) = await operate(committing_database)
    await seal(committing_url, tmp_path)
    async with committing_database.session() as session:
        texts = list(await session.scalars(select(SealEntry.header)))
    headers = {header.operation_id: header for header in map(parse_header, texts)}
    header = headers[str(operation_id)]
    assert (header.command, header.role) == ("create_site", "administrator")
    assert [row.table for row in header.rows] == ["operation", "site"]
    assert "Test." not in "".join(texts)
    (founding,) = [each for each in headers.values() if each.command == "create_study"]
    assert "study" in {row.table for row in founding.rows}


async def test_many_batches_make_one_log(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """At the first look and later; each batch has its checkpoint."""
    monkeypatch.setattr(sealing, "BATCH", 3)
    await operate(committing_database, 7)
    async with sealer(committing_url, tmp_path) as one:
        task = asyncio.create_task(one.run())
        count = await operations(committing_database)
        await until(lambda: is_sealed(committing_database, count))
        await operate(committing_database, 8)
        await until(lambda: is_sealed(committing_database, count + 8))
        one.stop()
        await task
    assert await audit(committing_database) == count + 8


async def test_a_restore_into_another_cluster_is_sealed_on(
    committing_url, committing_database, tmp_path
):
    """There transactions are counted anew, so those of the rows may lie far ahead."""
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    async with committing_database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE operation DISABLE TRIGGER operation_refuse"))
        await connection.execute(text("ALTER TABLE seal_state DISABLE TRIGGER ALL"))
        await connection.execute(text("UPDATE operation SET transaction = 900000000"))
        await connection.execute(text("UPDATE seal_state SET horizon = 900000001"))
    await operate(committing_database, 2)
    assert await seal(committing_url, tmp_path) == 2
    async with running(committing_url, tmp_path):
        await operate(committing_database)
        count = await operations(committing_database)
        await until(lambda: is_sealed(committing_database, count))


async def test_one_sealer_at_a_time(committing_url, committing_database, tmp_path):
    """A second one waits, or says so when it was asked for one pass; then it takes over."""
    async with running(committing_url, tmp_path) as first:
        await until(lambda: lives(committing_database))
        with pytest.raises(OperatorError, match="Another sealer"):
            await seal(committing_url, tmp_path)
        async with running(committing_url, tmp_path):
            await asyncio.sleep(0.2)
            first.stop()
            await operate(committing_database)
            count = await operations(committing_database)
            await until(lambda: is_sealed(committing_database, count))


async def test_a_lost_connection_is_taken_up_again(committing_url, committing_database, tmp_path):
    """The sealer's session is ended from outside; it connects anew and seals what came since."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    async with running(committing_url, tmp_path):
        await until(lambda: lives(committing_database))
        async with committing_database.session() as session:
            assert list(await session.scalars(text(ended))) == [True]
        await operate(committing_database, 3)
        count = await operations(committing_database)
        await until(lambda: is_sealed(committing_database, count))
    assert await audit(committing_database) == count


async def test_the_lag_is_the_age_of_the_oldest_unsealed_operation(
    committing_url, committing_database, tmp_path
):
    """Over all studies, for the API as well, which sees none of them."""
    await seal(committing_url, tmp_path)
    api = Database(committing_url, pool_size=1, role=API_ROLE)
    async with api.session() as session:
        assert await seal_lag(session) == 0
    await operate(committing_database)
    async with api.session() as session:
        first = await seal_lag(session)
        assert 0 < first < 30
        await asyncio.sleep(0.05)
        assert await seal_lag(session) > first
    await api.close()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (API_ROLE, "INSERT INTO seal_leaf (index, hash) VALUES (0, 'x')"),
        (API_ROLE, "INSERT INTO seal_entry SELECT 0, study_id, id, '' FROM operation"),
        (API_ROLE, "UPDATE seal_state SET horizon = 1"),
        (API_ROLE, "UPDATE seal_commitment SET salt = NULL"),
        (API_ROLE, "INSERT INTO operation (transaction) VALUES (1)"),
        (SEALER_ROLE, "UPDATE seal_leaf SET hash = 'x'"),
        (SEALER_ROLE, "DELETE FROM seal_checkpoint"),
        (SEALER_ROLE, "TRUNCATE seal_node"),
        (SEALER_ROLE, "UPDATE seal_state SET log_id = gen_random_uuid()"),
        (SEALER_ROLE, "DELETE FROM seal_state"),
        (SEALER_ROLE, "UPDATE operation SET transaction = 1"),
        (SEALER_ROLE, "INSERT INTO change DEFAULT VALUES"),
        (None, "UPDATE seal_leaf SET hash = 'x'"),
        (None, "DELETE FROM seal_rollback"),
        (None, "DELETE FROM seal_state"),
    ],
)
async def test_nobody_bends_the_seal_by_sql(committing_url, role, statement):
    """The API only reads it, the sealer only adds, and the triggers refuse everybody."""
    database = Database(committing_url, pool_size=1, role=role)
    async with database.session() as session:
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text(statement))
    assert refused.value.orig.sqlstate in {"42501", "55000"}
    await database.close()


async def test_the_api_reads_the_seal_of_its_studies_only(
    committing_url, committing_database, tmp_path
):
    """Headers and salts are walled off like the records; hashes tell nothing."""
    await seal(committing_url, tmp_path)
    database = Database(committing_url, pool_size=1)
    async with database.session() as session:
        for table in ("seal_entry", "seal_commitment"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        assert await session.scalar(text("SELECT count(*) FROM seal_leaf")) > 0
    await database.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.factories.seal import (
    audit,
    is_sealed,
    lives,
    operate,
    operations,
    running,
    seal,
    sealer,
    until,
)
import app.services.sealing as sealing
sealing.BATCH = 4
async def work():
    async with sealer(sys.argv[1], Path(sys.argv[2]), 2) as one:
        print("working", flush=True)
        await one.run()
asyncio.run(work())
"""


async def test_a_killed_sealer_loses_and_doubles_nothing(
    committing_url, committing_database, tmp_path
):
    """Killed at whatever point, the next one goes on, and each witness ends with everything."""
    for round_ in range(4):
        made = asyncio.create_task(operate(committing_database, 30))
        await asyncio.to_thread(_seal_and_die, committing_url, tmp_path, 0.03 + 0.11 * round_)
        await made
    await until(lambda: _sealed_by_a_new_one(committing_url, tmp_path))
    count = await operations(committing_database)
    assert await audit(committing_database) == count
    published = []
    for number in range(2):
        notes = [parse_note(note) for note in Witness(tmp_path / f"witness-{number}").notes()]
        published.append([parse_checkpoint(note.text).size for note in notes])
    assert sorted(set(published[0])) == sorted(set(published[1]))
    assert published[0][-1] == count
    assert published == [sorted(each) for each in published]


def _seal_and_die(url, folder, seconds):
    """Run a sealer of its own process and kill it after a while."""
    arguments = [sys.executable, "-c", KILLED, url, str(folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()


async def _sealed_by_a_new_one(url, folder):
    """Seal what is left, once the killed one's connection is gone."""
    try:
        await seal(url, folder, 2)
    except OperatorError:
        return False
    return True
