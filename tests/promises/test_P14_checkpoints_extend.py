"""P14: a checkpoint once published stays extendable: every later one is proved to contain it.

After a restore the log is shorter than what was published, or goes on otherwise: the sealer signs
neither. A careless sealer, which looks at no witness, signs the fork, and no proof fits it.
"""

import pytest
from sqlalchemy import select, text

from app.core.errors import OperatorError
from app.core.seal_key import is_signed
from app.core.witnesses import Witness
from app.domain.seal_note import parse_checkpoint, parse_note
from app.domain.seal_tree import verify_consistency
from app.models import SealState
from app.sealer import Sealer
from app.services import sealing
from app.services.seal_log import consistency_proof, log_size, peaks_at, root_at
from tests.factories.seal import operate, seal

CHECKPOINTS = 9
PUT_BACK = {
    "seal_checkpoint": "size > {0}",
    "seal_leaf": "index >= {0}",
    "seal_entry": "index >= {0}",
    "seal_commitment": "index >= {0}",
    "seal_node": "(index + 1) << level > {0}",
}


async def history(url, database, folder):
    """Seal operation after operation; return what was published as (size, root)."""
    for count in range(1, CHECKPOINTS + 1):
        await operate(database, count % 3 + 1)
        await seal(url, folder)
    return published(folder)


def published(folder):
    """Return every published checkpoint as (size, root)."""
    notes = [parse_note(note) for note in Witness(folder / "witness-0").notes()]
    return [(each.size, each.root) for each in (parse_checkpoint(note.text) for note in notes)]


async def restore(database, size):
    """Put the seal back to an earlier size, as point-in-time recovery of the database does."""
    async with database.engine.begin() as connection:
        for table, later in PUT_BACK.items():
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {table}_refuse"))
            await connection.execute(text(f"DELETE FROM {table} WHERE {later.format(size)}"))


async def lose_operations(database, size):
    """Forget the operations that are sealed behind a size, too: the restore was to before them."""
    lost = "SELECT operation_id FROM seal_entry WHERE index >= {0}"
    async with database.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table, key in (("site", "operation_id"), ("operation", "id")):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {table}_refuse"))
            await connection.execute(
                text(f"DELETE FROM {table} WHERE {key} IN ({lost.format(size)})")
            )
    await restore(database, size)


async def contains(database, older, newer):
    """Ask the log to prove that one published checkpoint contains another."""
    async with database.session() as session:
        path = await consistency_proof(session, older[0], newer[0])
    return verify_consistency(older, newer, path)


async def test_all_pairs_of_checkpoints_are_consistent(
    committing_url, committing_database, tmp_path
):
    """Each is proved to be contained in every later one, and signed by the published key."""
    notes = await history(committing_url, committing_database, tmp_path)
    assert len(notes) == CHECKPOINTS
    for number, newer in enumerate(notes):
        for older in notes[: number + 1]:
            assert await contains(committing_database, older, newer)
    witness = Witness(tmp_path / "witness-0")
    assert all(is_signed(parse_note(note), witness.verifiers()) for note in witness.notes())


async def test_a_shorter_log_is_not_signed(committing_url, committing_database, tmp_path):
    """Restored to before the last checkpoints, the sealer says so and signs nothing."""
    notes = await history(committing_url, committing_database, tmp_path)
    await restore(committing_database, notes[-3][0])
    with pytest.raises(OperatorError, match="were published"):
        await seal(committing_url, tmp_path)
    assert published(tmp_path) == notes
    async with committing_database.session() as session:
        assert await log_size(session) == notes[-3][0]


async def fork(url, database, folder, monkeypatch):
    """Let a sealer that looks at no witness go on with a log that was restored and grew anew."""
    before = published(folder)
    await lose_operations(database, before[-3][0])
    await operate(database, 20)

    async def look_away(sealer, session):
        state = (await session.scalars(select(SealState))).one()
        assert state.epoch == 0

    async def whatever_is_there(session, state, published):
        size = await log_size(session)
        return size, await peaks_at(session, size)

    with monkeypatch.context() as careless:
        careless.setattr(Sealer, "_agree", look_away)
        careless.setattr(sealing, "_published", whatever_is_there)
        await seal(url, folder)


async def test_a_forked_log_is_not_signed(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """Though it is longer than what was published: its first leaves are others."""
    notes = await history(committing_url, committing_database, tmp_path)
    witness = tmp_path / "witness-0" / "checkpoints"
    kept = witness.read_bytes()
    await fork(committing_url, committing_database, tmp_path, monkeypatch)
    witness.write_bytes(kept)
    await operate(committing_database)
    with pytest.raises(OperatorError, match="not those that were published"):
        await seal(committing_url, tmp_path)
    assert published(tmp_path) == notes


async def test_the_control_signs_two_histories(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """The control: the careless sealer's log does not contain what was published before."""
    notes = await history(committing_url, committing_database, tmp_path)
    await fork(committing_url, committing_database, tmp_path, monkeypatch)
    forked = published(tmp_path)[-1]
    assert forked[0] > notes[-1][0]
    assert await contains(committing_database, notes[-3], forked)
    assert not await contains(committing_database, notes[-1], forked)
    async with committing_database.session() as session:
        assert await root_at(session, notes[-1][0]) != notes[-1][1]
