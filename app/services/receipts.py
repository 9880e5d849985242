"""Receipts: the proof that an operation is under the seal, and the short wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.domain.errors import not_found
from app.models import Operation, SealCheckpoint, SealEntry, SealRollback, SealState
from app.services.access import Actor
from app.services.audit import Opened
from app.services.audit_trail import shown_operations
from app.services.paging import bad_cursor, read_cursor, write_cursor
from app.services.role_matrix import Area
from app.services.seal_log import inclusion_proof
from app.services.seal_state import has_sealer
from app.services.walls import enter

# Acts that bind without a signature of their own; who does one, or signs, leaves with a receipt.
BINDING = frozenset({"execute_redaction", "lock_casebook", "request_redaction"})
WAIT_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_EPOCH_BYTES, _SIZE_BYTES = 4, 8


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything that proves an operation to be in the log that a checkpoint signs.

    `path` holds the hashes of the inclusion proof in hexadecimal, lowest first (RFC 6962).
    """

    operation_id: UUID
    header: str
    index: int
    size: int
    path: list[str]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """One page of the checkpoints, with what it takes to read them."""

    items: list[SealCheckpoint]
    next: str | None
    rollbacks: list[str]
    verifier_key: str | None


async def receipt_of(session: AsyncSession, actor: Actor, operation_id: UUID) -> Receipt | None:
    """Return the receipt of an operation that the actor is shown, None while it has no seal.

    The checkpoint is the first that covers it, so that a receipt stays the same for ever.
    """
    known = select(Operation.id).where(
        Operation.study_id == actor.study_id,
        Operation.id == operation_id,
        shown_operations(actor, Area.SEAL),
    )
    if await session.scalar(known) is None:
        raise not_found("operation")
    entry = await session.scalar(
        select(SealEntry).where(
            SealEntry.operation_id == operation_id, SealEntry.study_id == actor.study_id
        )
    )
    if entry is None:
        return None
    covering = (
        select(SealCheckpoint)
        .where(SealCheckpoint.size > entry.index)
        .order_by(SealCheckpoint.size, SealCheckpoint.epoch)
        .limit(1)
    )
    checkpoint = (await session.scalars(covering)).one()
    path = await inclusion_proof(session, entry.index, checkpoint.size)
    return Receipt(
        operation_id=operation_id,
        header=entry.header,
        index=entry.index,
        size=checkpoint.size,
        path=[each.hex() for each in path],
        checkpoint=checkpoint.note,
    )


def binds(opened: Opened) -> bool:
    """Tell whether an operation binds somebody, by a signature or by what it is."""
    return opened.is_signed or opened.command in BINDING


async def is_sealed_soon(database: Database, opened: Opened) -> bool:
    """Wait a little until a committed operation is sealed; not at all while no sealer works.

    What goes wrong here changes nothing about what was committed, so it is no error.
    """
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await _is_sealed(database, opened)
    except (TimeoutError, OSError, SQLAlchemyError):
        return False


async def _is_sealed(database: Database, opened: Opened) -> bool:
    sealed = select(exists().where(SealEntry.operation_id == opened.operation_id))
    while True:
        async with database.session() as session:
            if not await has_sealer(session):
                return False
            await enter(session, opened.study_id)
            if await session.scalar(sealed):
                return True
        await asyncio.sleep(_LOOK_SECONDS)


async def list_checkpoints(session: AsyncSession, limit: int, cursor: str | None) -> Checkpoints:
    """Return a page of all checkpoints, the first signed first."""
    place = tuple_(SealCheckpoint.epoch, SealCheckpoint.size)
    query = select(SealCheckpoint).order_by(SealCheckpoint.epoch, SealCheckpoint.size)
    if cursor is not None:
        query = query.where(place > _place(cursor))
    found = list(await session.scalars(query.limit(limit + 1)))
    items, more = found[:limit], len(found) > limit
    rollbacks = select(SealRollback.note).order_by(SealRollback.epoch)
    return Checkpoints(
        items=items,
        next=_cursor(items[-1]) if more else None,
        rollbacks=list(await session.scalars(rollbacks)),
        verifier_key=await session.scalar(select(SealState.verifier_key)),
    )


def _cursor(last: SealCheckpoint) -> str:
    epoch, size = last.epoch.to_bytes(_EPOCH_BYTES, "big"), last.size.to_bytes(_SIZE_BYTES, "big")
    return write_cursor(epoch + size)


def _place(cursor: str) -> tuple[int, int]:
    """Read the epoch and the size of a cursor; raise invalid for numbers that cannot be."""
    raw = read_cursor(cursor, _EPOCH_BYTES + _SIZE_BYTES)
    epoch, size = raw[:_EPOCH_BYTES], raw[_EPOCH_BYTES:]
    if epoch[0] >= 0x80 or size[0] >= 0x80:
        raise bad_cursor()
    return int.from_bytes(epoch, "big"), int.from_bytes(size, "big")
