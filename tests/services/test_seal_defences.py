"""What an owner of the database does to the log while, or before, the sealer works on it."""

import asyncio

import pytest
from sqlalchemy import text

from app.core.errors import OperatorError
from app.core.seal_key import KEY_FILE, local_seal_key
from app.core.witnesses import Witness
from app.domain.seal_format import parse_header
from app.domain.seal_note import checkpoint_text, origin, parse_checkpoint, parse_note
from app.services import sealing
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from tests.factories.seal import audit, is_sealed, lives, operate, operations, seal, sealer, until
from tests.promises.test_P14_checkpoints_extend import lose_operations

LAST = "(SELECT max(index) FROM seal_leaf)"
GUARDED = ("operation", "seal_checkpoint", "seal_entry", "seal_node", "site")
NODE = "UPDATE seal_node SET hash = sha256('another') WHERE (level, index) = (1, 0)"


async def bend(database, *statements):
    """Do as the superuser what no trigger hinders."""
    async with database.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in GUARDED:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        for statement in statements:
            await connection.execute(text(statement))


async def findings(database, folder) -> str:
    """Verify against the witness; return all that was found, except that triggers are off."""
    witness = Witness(folder / "witness-0")
    notes = [KeptNote("the witness", note) for note in witness.notes()]
    async with database.session() as session:
        report = await verify(session, Evidence(notes, witness.verifiers()))
    return "\n".join(
        each for check in report.checks for each in check.findings if check.name != "inventory"
    )


async def headers(database):
    """Return the headers that are there, in the order of the log."""
    async with database.session() as session:
        found = await session.scalars(text("SELECT header FROM seal_entry ORDER BY index"))
        return [parse_header(header) for header in found]


async def test_operations_of_a_study_are_counted(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """From one, without a gap, over batches and restarts."""
    monkeypatch.setattr(sealing, "BATCH", 3)
    await operate(committing_database, 7)
    await seal(committing_url, tmp_path)
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    found = [each.sequence for each in await headers(committing_database)]
    assert found == list(range(1, 11))


async def test_a_lost_header_leaves_a_gap_for_ever(committing_url, committing_database, tmp_path):
    """Also when it was the study's last: whoever comes next does not take its number."""
    await operate(committing_database, 3)
    await seal(committing_url, tmp_path)
    last = f"(SELECT operation_id FROM seal_entry WHERE index = {LAST})"
    await bend(
        committing_database,
        f"DELETE FROM site WHERE operation_id = {last}",
        f"DELETE FROM operation WHERE id = {last}",
        f"DELETE FROM seal_entry WHERE index = {LAST}",
    )
    await operate(committing_database)
    await seal(committing_url, tmp_path)
    assert [each.sequence for each in await headers(committing_database)] == [1, 2, 3, 5]
    told = await findings(committing_database, tmp_path)
    assert "Leaf 3 has lost the header" in told
    assert "but number 4 is missing from the log" in told


async def test_a_header_given_to_another_study_leaves_a_gap(
    committing_url, committing_database, tmp_path
):
    """A header counts for the study that it names, not for the column beside it."""
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    await bend(
        committing_database,
        f"UPDATE seal_entry SET study_id = gen_random_uuid() WHERE index = {LAST}",
    )
    await operate(committing_database)
    await seal(committing_url, tmp_path)
    assert (await headers(committing_database))[-1].sequence == 4


async def test_a_log_that_is_cut_beside_the_sealer_is_not_signed(
    committing_url, committing_database, tmp_path
):
    """The last operations go with all that was sealed of them, and another one comes."""
    await operate(committing_database, 4)
    async with sealer(committing_url, tmp_path) as one:
        task = asyncio.create_task(one.run())
        await until(lambda: lives(committing_database))
        count = await operations(committing_database)
        await until(lambda: is_sealed(committing_database, count))
        await asyncio.sleep(0.3)
        published = Witness(tmp_path / "witness-0").notes()
        await lose_operations(committing_database, 3)
        await operate(committing_database, 3)
        with pytest.raises(OperatorError, match="not the one that was published last"):
            await asyncio.wait_for(task, 20)
    assert Witness(tmp_path / "witness-0").notes() == published


async def test_a_witness_of_two_histories_stops_the_sealer(
    committing_url, committing_database, tmp_path
):
    """Two roots of one size in one epoch: somebody has to say in writing how it goes on."""
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    witness = Witness(tmp_path / "witness-0")
    (genuine,) = witness.notes()
    stated = parse_checkpoint(parse_note(genuine).text)
    key = local_seal_key(tmp_path / KEY_FILE)
    other = checkpoint_text(
        type(stated)(stated.log_id, stated.size, bytes(32), stated.at, stated.epoch)
    )
    witness.publish([key.note(origin(stated.log_id), other), genuine])
    with pytest.raises(OperatorError, match="two histories"):
        await seal(committing_url, tmp_path)
    async with sealer(committing_url, tmp_path) as one:
        await one.acknowledge("The witness was copied wrongly.")
    await operate(committing_database)
    assert await seal(committing_url, tmp_path) == 1
    assert await audit(committing_database) == stated.size + 1


async def test_a_smaller_checkpoint_after_a_larger_one_is_a_second_history(
    committing_url, committing_database, tmp_path
):
    """No sealer publishes backwards."""
    for _ in range(2):
        await operate(committing_database)
        await seal(committing_url, tmp_path)
    witness = Witness(tmp_path / "witness-0")
    first, second = witness.notes()
    witness.publish([first, second])
    with pytest.raises(OperatorError, match="two histories"):
        await seal(committing_url, tmp_path)


async def test_a_false_node_is_told_not_signed_and_mended(
    committing_url, committing_database, tmp_path
):
    """Nodes follow from the leaves: they are compared with them, and computed anew."""
    await operate(committing_database, 4)
    await seal(committing_url, tmp_path)
    assert await findings(committing_database, tmp_path) == ""
    await bend(committing_database, NODE, "DELETE FROM seal_node WHERE level = 2")
    told = await findings(committing_database, tmp_path)
    assert "Node 0 of level 1 is not the hash of what is below it." in told
    await operate(committing_database)
    with pytest.raises(OperatorError, match="--rebuild-nodes"):
        await seal(committing_url, tmp_path)
    async with sealer(committing_url, tmp_path) as one:
        assert await one.rebuild_nodes() == 2
    assert await seal(committing_url, tmp_path) == 1
    assert await findings(committing_database, tmp_path) == ""


async def test_nodes_are_not_made_of_other_leaves(committing_url, committing_database, tmp_path):
    """What was not published stays as it is."""
    await operate(committing_database, 3)
    await seal(committing_url, tmp_path)
    await lose_operations(committing_database, 2)
    async with sealer(committing_url, tmp_path) as one:
        with pytest.raises(OperatorError, match="leaves themselves are not those"):
            await one.rebuild_nodes()


async def test_an_operation_from_the_future_is_forged(
    committing_url, committing_database, tmp_path
):
    """It would wait for ever; so would one behind which nothing runs, once a minute is over."""
    await seal(committing_url, tmp_path)
    await operate(committing_database, 2)
    assert await findings(committing_database, tmp_path) == ""
    future = "UPDATE operation SET transaction = transaction + 1000000 WHERE id = (SELECT max(id"
    await bend(committing_database, f"{future}::text)::uuid FROM operation)")
    assert "names a transaction that has not begun" in await findings(committing_database, tmp_path)
    await bend(
        committing_database,
        "UPDATE operation SET recorded_at = recorded_at - interval '2 minutes'",
    )
    told = await findings(committing_database, tmp_path)
    assert "waits for its seal though nothing holds it up" in told


async def test_checkpoints_that_were_taken_away_are_missed(
    committing_url, committing_database, tmp_path
):
    """The witness has them all, and its times count: what is back-dated stays back-dated."""
    for _ in range(3):
        await operate(committing_database)
        await seal(committing_url, tmp_path)
    (late,) = await operate(committing_database)
    ago = "recorded_at = recorded_at - interval '30 days'"
    await bend(committing_database, f"UPDATE operation SET {ago} WHERE id = '{late}'")
    await seal(committing_url, tmp_path)
    await bend(
        committing_database,
        "DELETE FROM seal_checkpoint WHERE size < (SELECT max(size) FROM seal_checkpoint)",
    )
    told = await findings(committing_database, tmp_path)
    assert told.count("in the witness is missing from the database") == 3
    assert f"Operation {late} is back-dated" in told


async def test_a_backlog_is_not_back_dated(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """The control: what waited because the sealer did not work is as old as it says."""
    monkeypatch.setattr(sealing, "BATCH", 2)
    await operate(committing_database, 6)
    ago = "recorded_at = recorded_at - interval '1 hour'"
    await bend(committing_database, f"UPDATE operation SET {ago}", f"UPDATE site SET {ago}")
    await seal(committing_url, tmp_path)
    assert "is back-dated" not in await findings(committing_database, tmp_path)


async def test_a_row_is_from_the_time_of_its_operation(
    committing_url, committing_database, tmp_path
):
    """A row that says another time than its operation was put there by somebody else."""
    await operate(committing_database, 2)
    await bend(
        committing_database,
        "UPDATE site SET recorded_at = recorded_at - interval '1 day' WHERE id = (SELECT max(id"
        "::text)::uuid FROM site)",
    )
    await seal(committing_url, tmp_path)
    told = await findings(committing_database, tmp_path)
    assert "is not from the time of its operation" in told
