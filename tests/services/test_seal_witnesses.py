"""Witnesses and the restore rule: what was published stays true, or a statement says why not."""

import pytest
from sqlalchemy import select, text

from app.core.errors import OperatorError
from app.core.witnesses import Witness
from app.domain.seal_note import (
    is_rollback,
    parse_checkpoint,
    parse_note,
    parse_rollback,
    parse_verifier_key,
)
from app.models import SealState
from tests.factories.seal import audit, operate, seal, sealer


async def test_a_new_witness_gets_everything(committing_url, committing_database, tmp_path):
    """A folder that was empty holds the same notes as the other after the next start."""
    await operate(committing_database)
    await seal(committing_url, tmp_path)
    await operate(committing_database)
    await seal(committing_url, tmp_path)
    assert await seal(committing_url, tmp_path, witnesses=2) == 0
    first, second = (Witness(tmp_path / f"witness-{number}") for number in range(2))
    assert first.notes() == second.notes()
    assert len(first.notes()) == 2
    (key,) = second.verifiers()
    async with committing_database.session() as session:
        state = (await session.scalars(select(SealState))).one()
    assert state.verifier_key == key
    assert parse_verifier_key(key)[0] == f"msc-icaht/{state.log_id}"


async def test_a_torn_note_is_passed_over(committing_url, committing_database, tmp_path):
    """Half a note at the end of a witness hides neither the one before nor the next one."""
    await seal(committing_url, tmp_path)
    witness = Witness(tmp_path / "witness-0")
    (whole,) = witness.notes()
    with (witness.folder / "checkpoints").open("a", encoding="utf-8") as file:
        file.write(whole[:100])
    await operate(committing_database)
    await seal(committing_url, tmp_path)
    assert witness.notes()[0] == whole
    assert len(witness.notes()) == 2


async def test_without_a_witness_nothing_is_signed(committing_url, committing_database, tmp_path):
    """What cannot be published is not sealed."""
    async with sealer(committing_url, tmp_path) as one:
        (tmp_path / "witness-0").rename(tmp_path / "gone")
        with pytest.raises(OSError, match="witness-0"):
            await one.run_once()
        (tmp_path / "gone").rename(tmp_path / "witness-0")
        assert await one.run_once() > 0


async def test_a_note_of_another_key_is_refused(committing_url, committing_database, tmp_path):
    """Whoever wrote into a witness without the key is noticed before anything else is signed."""
    await seal(committing_url, tmp_path)
    path = tmp_path / "witness-0" / "checkpoints"
    content = path.read_text(encoding="utf-8")
    lines = content.splitlines()
    path.write_text(content.replace(lines[1], str(int(lines[1]) + 1)), encoding="utf-8")
    await operate(committing_database)
    with pytest.raises(OperatorError, match="did not write"):
        await seal(committing_url, tmp_path)


async def test_a_restore_is_acknowledged_in_writing(committing_url, committing_database, tmp_path):
    """The statement names both logs; the next checkpoints say their epoch."""
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    async with sealer(committing_url, tmp_path) as one:
        with pytest.raises(OperatorError, match="nothing to acknowledge"):
            await one.acknowledge("No reason at all.")
    (published,) = Witness(tmp_path / "witness-0").notes()
    await forget_the_last_leaf(committing_database)
    with pytest.raises(OperatorError, match="--acknowledge-rollback"):
        await seal(committing_url, tmp_path)
    async with sealer(committing_url, tmp_path) as one:
        note = parse_note(await one.acknowledge("Restored to noon."))
    before = parse_checkpoint(parse_note(published).text)
    assert is_rollback(note.text)
    stated = parse_rollback(note.text)
    assert (stated.published, stated.epoch, stated.reason) == (before, 1, "Restored to noon.")
    assert stated.size == before.size - 1
    assert await seal(committing_url, tmp_path) == 1
    last = parse_checkpoint(parse_note(Witness(tmp_path / "witness-0").last()).text)
    assert (last.size, last.epoch) == (before.size, 1)
    assert await seal(committing_url, tmp_path) == 0
    assert await audit(committing_database) == before.size


async def forget_the_last_leaf(database):
    """Put the seal back by one operation, as a restore of the database would."""
    tables = ("seal_leaf", "seal_entry", "seal_commitment", "seal_node", "seal_checkpoint")
    last = "(SELECT max(index) FROM seal_leaf)"
    async with database.engine.begin() as connection:
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        await connection.execute(text("DELETE FROM seal_checkpoint"))
        await connection.execute(text(f"DELETE FROM seal_node WHERE (index + 1) << level > {last}"))
        for table in ("seal_entry", "seal_commitment", "seal_leaf"):
            await connection.execute(text(f"DELETE FROM {table} WHERE index = {last}"))
