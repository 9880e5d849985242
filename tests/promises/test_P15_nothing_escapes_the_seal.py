"""P15: nothing escapes the seal: the rows of slow transactions are sealed like all others.

Transactions end in another order than they begin. A sealer that remembers the highest id it has
seen (the control) passes by whatever a slow transaction commits later under a lower one, for ever.
"""

import asyncio
import random

from sqlalchemy import func, select

from app.models import Operation, SealEntry
from app.services import sealing
from tests.factories.seal import audit, begin, operate, running, seal, until

WRITERS = 4
ROUNDS = 12


async def unsealed(database):
    """Return the committed operations that have no seal."""
    async with database.session() as session:
        sealed = select(SealEntry.operation_id)
        return set(await session.scalars(select(Operation.id).where(Operation.id.not_in(sealed))))


def watermark():
    """Return a careless way to find operations: those with an id above the highest seen."""
    highest = None

    async def above(session, start, horizon):
        nonlocal highest
        query = select(Operation).order_by(Operation.id).limit(sealing.BATCH)
        if highest is None:
            highest = await session.scalar(
                select(SealEntry.operation_id).order_by(SealEntry.operation_id.desc()).limit(1)
            )
        found = (await session.scalars(query.where(Operation.id > highest))).all()
        highest = found[-1].id if found else highest
        return found

    return above


async def slow_beside_quick(url, database, folder):
    """Begin a transaction, commit others and seal them, then commit the slow one; return its id."""
    await seal(url, folder)
    async with running(url, folder):
        await asyncio.sleep(0.3)
        async with database.session() as slow:
            held = await begin(slow)
            await operate(database, 3)
            await asyncio.sleep(1.3)
            await slow.commit()
        await operate(database, 2)
        await asyncio.sleep(2.5)
    return held


async def test_the_rows_of_a_slow_transaction_are_sealed(
    committing_url, committing_database, tmp_path
):
    """What was begun first and committed last is under the seal, whole and once."""
    held = await slow_beside_quick(committing_url, committing_database, tmp_path)
    assert await unsealed(committing_database) == set()
    async with committing_database.session() as session:
        entry = await session.scalar(select(SealEntry).where(SealEntry.operation_id == held))
        total = await session.scalar(select(func.count()).select_from(Operation))
    assert entry is not None
    assert await audit(committing_database) == total


async def test_the_control_passes_by_the_slow_transaction(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """The control: a sealer by id watermark leaves exactly the slow one out."""
    with monkeypatch.context() as careless:
        careless.setattr(sealing, "_settled", watermark())
        held = await slow_beside_quick(committing_url, committing_database, tmp_path)
        assert await unsealed(committing_database) == {held}
    await seal(committing_url, tmp_path)
    assert await unsealed(committing_database) == set()


async def test_no_order_of_commits_escapes(
    committing_url, committing_database, tmp_path, seed, monkeypatch
):
    """Many writers of random speed, some of whom give up, beside a sealer of small batches."""
    monkeypatch.setattr(sealing, "BATCH", 5)
    chance = random.Random(seed)
    committed = []

    async def write():
        for _ in range(ROUNDS):
            async with committing_database.session() as session:
                operation_id = await begin(session)
                await asyncio.sleep(chance.choice((0, 0.01, 0.05, 0.6)))
                if chance.random() < 0.8:
                    await session.commit()
                    committed.append(operation_id)

    async with running(committing_url, tmp_path):
        await asyncio.gather(*(write() for _ in range(WRITERS)))
        await until(lambda: none_left(committing_database))
    assert await audit(committing_database) >= len(committed)
    async with committing_database.session() as session:
        sealed = set(await session.scalars(select(SealEntry.operation_id)))
    assert set(committed) <= sealed


async def none_left(database):
    """Tell whether every committed operation has a seal."""
    return not await unsealed(database)
