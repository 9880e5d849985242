"""Sealing: operations become leaves of the log, a batch at a time, each batch one transaction.

Operations are followed by their transactions, never by their ids or times: whatever lies below the
oldest transaction that still runs will not get anything older beside it. An id watermark would pass
by the rows of a slow transaction for ever.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, insert, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_if_new
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.seal_key import SealKey
from app.domain.seal_format import (
    SALT_BYTES,
    Header,
    SealedRow,
    commitment,
    header_text,
    leaf_of,
    moment_text,
    shape_digest,
)
from app.domain.seal_note import Checkpoint, checkpoint_text, origin
from app.domain.seal_tree import append, fold
from app.models import (
    Operation,
    SealCheckpoint,
    SealCommitment,
    SealEntry,
    SealLeaf,
    SealNode,
    SealShape,
    SealState,
)
from app.services.seal_log import log_size, peaks_at
from app.services.seal_restore import LogRefusedError
from app.services.seal_rows import Columns, RowText, current_shape, read_rows
from app.services.seal_sequence import Sequences, read_sequences
from app.services.seal_state import database_time, hold_state, say_alive

# Few enough that a batch is a short transaction.
BATCH = 500
_OLDEST_RUNNING = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_LONG = text("SELECT set_config('statement_timeout', '60s', true)")
_IN_HEADER = attrgetter("table", "record_id", "number")
_BEFORE_ALL = (-1, UUID(int=0))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one batch sealed, the note that was signed over it, and what that note states."""

    operations: int
    note: str | None = None
    stated: Checkpoint | None = None

    @property
    def is_full(self) -> bool:
        """Tell whether more is waiting."""
        return self.operations == BATCH


class Sealing:
    """Seals what a database holds; knows between batches only how far the first look got.

    The first look takes every operation that is to be seen and has no seal: after a restore into
    another cluster the numbers of its transactions mean nothing. What commits meanwhile has its
    transaction above the horizon that was noted at the beginning. After an error begin anew.
    """

    def __init__(self, key: SealKey) -> None:
        self._key = key
        self._shape = current_shape()
        self._reached: tuple[int, UUID] | None = _BEFORE_ALL
        self._noted: int | None = None
        self._sequences: Sequences | None = None

    async def seal(self, session: AsyncSession, published: Checkpoint | None) -> Sealed:
        """Seal one batch; the caller commits, and only then has it happened.

        `published` is what was published last. Raises LogRefusedError when the log is not that.
        """
        state = await hold_state(session)
        await session.execute(_LONG)
        found = await self._find(session, state)
        sealed = Sealed(len(found))
        if found:
            size, peaks = await _published(session, state, published)
            sealed = await self._write(session, state, found, (size, peaks))
        say_alive(state, await database_time(session))
        await session.flush()
        return sealed

    async def _find(self, session: AsyncSession, state: SealState) -> Sequence[Operation]:
        """Return the next operations to seal and move on behind them."""
        # Before the operations are read, in a snapshot that is older: what is below is settled.
        horizon = (await session.scalars(_OLDEST_RUNNING)).one()
        if self._reached is None:
            found = await _settled(session, state.horizon, horizon)
            state.horizon = found[-1].transaction if len(found) == BATCH else horizon
            return found
        if self._noted is None:
            self._noted = horizon
        found = await _unsealed(session, self._reached)
        if len(found) == BATCH:
            self._reached = (found[-1].transaction, found[-1].id)
        else:
            self._reached, state.horizon = None, self._noted
        return found

    async def _write(
        self,
        session: AsyncSession,
        state: SealState,
        operations: Sequence[Operation],
        log: tuple[int, list[bytes]],
    ) -> Sealed:
        """Write the leaves of some operations behind the log, and the checkpoint over them."""
        shape = shape_digest(self._shape)
        await session.execute(
            insert_if_new(SealShape)
            .values(digest=shape, columns=self._shape)
            .on_conflict_do_nothing()
        )
        rows = await _rows_of(session, self._shape, operations)
        if self._sequences is None:
            self._sequences = await read_sequences(session)
        size, peaks = log
        written = _Written(self._sequences)
        for index, operation in enumerate(operations, size):
            await asyncio.sleep(0)  # in development the API's requests go on in between
            leaf = written.add(index, operation, rows[operation.id], shape)
            peaks, nodes = append(peaks, index, leaf)
            written.nodes += [
                {"level": level, "index": place, "hash": value}
                for (level, place), value in nodes
                if level
            ]
        await written.store(session)
        size += len(operations)
        return await self._sign(session, state, (size, fold(peaks)), len(operations))

    async def _sign(
        self, session: AsyncSession, state: SealState, log: tuple[int, bytes], added: int
    ) -> Sealed:
        """Sign and keep the checkpoint of the log as it is now."""
        (size, root), now = log, await database_time(session)
        stated = Checkpoint(
            str(state.log_id), size, root, moment_text(now), state.epoch, added == BATCH
        )
        note = self._key.note(origin(stated.log_id), checkpoint_text(stated))
        values = {"epoch": state.epoch, "size": size, "root": root, "note": note, "signed_at": now}
        await session.execute(insert(SealCheckpoint).values(**values))
        return Sealed(added, note, stated)


async def _published(
    session: AsyncSession, state: SealState, published: Checkpoint | None
) -> tuple[int, list[bytes]]:
    """Return size and frontier of the log; refuse one that is not what was published last.

    Whoever cuts or rewrites the log while the sealer works would have it state two histories.
    """
    size = await log_size(session)
    peaks = await peaks_at(session, size)
    said = (published.epoch, published.size, published.root) if published else None
    if (said or (state.epoch, 0, fold([]))) != (state.epoch, size, fold(peaks)):
        raise LogRefusedError(
            f"The log is not the one that was published last: it has {size} operations in epoch"
            f" {state.epoch}, and nothing is sealed behind them. Run msc-icaht verify-audit: it"
            " tells false nodes, which msc-icaht seal --rebuild-nodes mends, from a log that was"
            " cut or rewritten; a restore is put on record with --acknowledge-rollback REASON."
        )
    return size, peaks


class _Written:
    """The rows of a batch for each of the seal's tables."""

    def __init__(self, sequences: Sequences) -> None:
        self._sequences = sequences
        self.leaves: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.commitments: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []

    def add(self, index: int, operation: Operation, rows: Sequence[RowText], shape: str) -> bytes:
        """Write one operation down; return its leaf hash."""
        sealed = []
        for position, row in enumerate(
            sorted(rows, key=attrgetter("table", "record_id", "number"))
        ):
            salt = secrets.token_bytes(SALT_BYTES)
            commit = commitment(salt, row.text)
            sealed.append(SealedRow(row.table, str(row.record_id), row.number, commit.hex()))
            self.commitments.append(
                {
                    "index": index, "position": position, "study_id": operation.study_id,
                    "table_name": row.table, "record_id": row.record_id, "number": row.number,
                    "salt": salt, "commit": commit,
                }
            )  # fmt: skip
        sequence = self._sequences.take(operation.study_id, index)
        header = _header(operation, sealed, shape, sequence)
        leaf = leaf_of(header)
        self.leaves.append({"index": index, "hash": leaf})
        self.entries.append(
            {
                "index": index, "study_id": operation.study_id, "operation_id": operation.id,
                "header": header,
            }
        )  # fmt: skip
        return leaf

    async def store(self, session: AsyncSession) -> None:
        """Insert everything."""
        parts = (
            (SealLeaf, self.leaves),
            (SealEntry, self.entries),
            (SealCommitment, self.commitments),
            (SealNode, self.nodes),
        )
        for model, values in parts:
            if values:
                await session.execute(insert(model), values)


def _header(operation: Operation, rows: Sequence[SealedRow], shape: str, sequence: int) -> str:
    """Write what the leaf of an operation says in the clear."""
    return header_text(
        Header(
            actor_id=str(operation.actor_id) if operation.actor_id else None,
            command=operation.command,
            operation_id=str(operation.id),
            organisation=operation.organisation,
            recorded_at=moment_text(operation.recorded_at),
            role=operation.role,
            rows=tuple(rows),
            sequence=sequence,
            shape=shape,
            study_id=str(operation.study_id),
            transaction=operation.transaction,
        )
    )


async def _rows_of(
    session: AsyncSession, shape: Columns, operations: Sequence[Operation]
) -> dict[UUID, list[RowText]]:
    """Return the rows that each operation wrote; its own row is always among them."""
    rows: dict[UUID, list[RowText]] = {operation.id: [] for operation in operations}
    studies = {operation.study_id for operation in operations}
    for row in await read_rows(session, shape, list(rows), list(studies)):
        rows[row.operation_id].append(row)
    return rows


_IS_UNSEALED = ~exists().where(SealEntry.operation_id == Operation.id)
_IN_ORDER = select(Operation).where(_IS_UNSEALED).order_by(Operation.transaction, Operation.id)


async def _settled(session: AsyncSession, start: int, horizon: int) -> Sequence[Operation]:
    """Return the next operations without a seal whose transactions are below the horizon."""
    between = and_(Operation.transaction >= start, Operation.transaction < horizon)
    return (await session.scalars(_IN_ORDER.where(between).limit(BATCH))).all()


async def _unsealed(session: AsyncSession, after: tuple[int, UUID]) -> Sequence[Operation]:
    """Return the next operations without a seal, whatever their transactions."""
    beyond = tuple_(Operation.transaction, Operation.id) > tuple_(*after)
    return (await session.scalars(_IN_ORDER.where(beyond).limit(BATCH))).all()
