"""Sealers on a test's database, the operations they seal, and an auditor of what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import SEALER_ROLE, Database
from app.core.ids import new_id
from app.core.seal_key import KEY_FILE, is_signed, local_seal_key
from app.core.witnesses import Witness
from app.domain.seal_format import commitment, leaf_of, parse_header
from app.domain.seal_note import parse_checkpoint, parse_note
from app.domain.seal_tree import root_of
from app.models import (
    Operation,
    SealCheckpoint,
    SealCommitment,
    SealEntry,
    SealLeaf,
    SealShape,
    SealState,
)
from app.sealer import Sealer
from app.services.seal_rows import read_rows
from app.services.seal_state import has_sealer

# An operation with one fact, as a request would write it.
BEGIN = """
INSERT INTO operation (study_id, id, actor_name, role, organisation, command, reason, request_id)
SELECT study_id, :id, 'Test', 'administrator', 'Hôpital “A”', 'create_site', 'Test.', 'test'
FROM study LIMIT 1
RETURNING set_config('app.operation_id', CAST(id AS text), true)
"""
WRITE = """
INSERT INTO site (study_id, id, code, name) SELECT study_id, :id, CAST(:id AS text), 'Site'
FROM study LIMIT 1
"""


async def begin(session: AsyncSession) -> UUID:
    """Write an operation with a fact, without committing it."""
    operation_id = new_id()
    await session.execute(text(BEGIN), {"id": operation_id})
    await session.execute(text(WRITE).bindparams(id=new_id()))
    return operation_id


async def operate(database: Database, count: int = 1) -> list[UUID]:
    """Commit some operations, one after the other."""
    made = []
    for _ in range(count):
        async with database.session() as session:
            made.append(await begin(session))
            await session.commit()
    return made


@asynccontextmanager
async def sealer(url: str, folder: Path, witnesses: int = 1) -> AsyncIterator[Sealer]:
    """A sealer with its own pool, its key and its witnesses in a folder."""
    database = Database(url, pool_size=1, role=SEALER_ROLE)
    folders = [folder / f"witness-{number}" for number in range(witnesses)]
    for each in folders:
        each.mkdir(exist_ok=True)
    key = local_seal_key(folder / KEY_FILE)
    yield Sealer(database, key, [Witness(each) for each in folders])
    await database.close()


async def seal(url: str, folder: Path, witnesses: int = 1) -> int:
    """Seal once, as a sealer that has just started; return how many operations that were."""
    async with sealer(url, folder, witnesses) as one:
        return await one.run_once()


async def seal_and_leave(database: Database, url: str, folder: Path) -> None:
    """Seal once, by a sealer whose end is known: nobody waits for a receipt of it."""
    await seal(url, folder)
    async with database.session() as session:
        await session.execute(text("UPDATE seal_state SET alive_at = NULL"))
        await session.commit()


@asynccontextmanager
async def running(url: str, folder: Path) -> AsyncIterator[Sealer]:
    """A sealer that works in the background."""
    async with sealer(url, folder) as one:
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            one.stop()
            await task


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until something is so."""
    for _ in range(int(seconds / 0.05)):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(condition)


async def operations(database):
    """Count the operations that are committed."""
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(Operation))


async def is_sealed(database, count):
    """Tell whether so many operations are sealed."""
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(SealEntry)) == count


async def lives(database):
    """Tell whether the database knows of a working sealer."""
    async with database.session() as session:
        return await has_sealer(session)


async def audit(database: Database) -> int:
    """Check every leaf against the rows, and the tree against the last checkpoint.

    Returns how many operations are sealed: each once, none left out, and each with all its rows.
    """
    async with database.session() as session:
        leaves = list(await session.scalars(select(SealLeaf).order_by(SealLeaf.index)))
        entries = list(await session.scalars(select(SealEntry).order_by(SealEntry.index)))
        shapes = {shape.digest: shape.columns for shape in await session.scalars(select(SealShape))}
        assert [leaf.index for leaf in leaves] == list(range(len(leaves)))
        assert [leaf.hash for leaf in leaves] == [leaf_of(entry.header) for entry in entries]
        for entry in entries:
            await _audit_entry(session, entry, shapes)
        state = (await session.scalars(select(SealState))).one()
        newest = select(SealCheckpoint).order_by(
            SealCheckpoint.epoch.desc(), SealCheckpoint.size.desc()
        )
        checkpoint = await session.scalar(newest.limit(1))
        assert checkpoint is not None
        note = parse_note(checkpoint.note)
        stated = parse_checkpoint(note.text)
        assert is_signed(note, [state.verifier_key])
        assert (stated.size, stated.root) == (len(leaves), root_of([leaf.hash for leaf in leaves]))
        return len(leaves)


async def _audit_entry(session: AsyncSession, entry: SealEntry, shapes: dict) -> None:
    """Check what one header says against the rows of its operation."""
    header = parse_header(entry.header)
    rows = await read_rows(session, shapes[header.shape], [entry.operation_id], [entry.study_id])
    texts = {(row.table, str(row.record_id), row.number): row.text for row in rows}
    kept = await session.scalars(
        select(SealCommitment)
        .where(SealCommitment.index == entry.index)
        .order_by(SealCommitment.position)
    )
    found = []
    for each in kept:
        row = (each.table_name, str(each.record_id), each.number)
        assert commitment(each.salt, texts.pop(row)) == each.commit
        found.append((*row, each.commit.hex()))
    assert found == list(header.rows)
    assert not texts, "a row is under no commitment"
