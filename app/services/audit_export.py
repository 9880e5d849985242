"""The export of a study's trail with all that proves it: lines of JSON, whole or visibly broken.

Each line is an object with its `kind`. The log comes in its order: of the study's own operations
the header and the rows with what opens their commitments, of all others the hashes of their leaves,
and which of these leaves have lost their operation.
The last line counts the lines before it and gives the SHA-256 of their bytes; without it an export
is not whole.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden
from app.domain.seal_format import moment_text
from app.models import Operation, SealCheckpoint, SealEntry, SealLeaf, SealRollback, SealState
from app.services.access import Actor
from app.services.seal_rows import current_shape, read_rows
from app.services.seal_sequence import holes_of
from app.services.seal_state import database_time
from app.services.verification_entries import Entry, read_entries
from app.services.walls import enter

FORMAT = 1
BATCH = 1000
# A reader may take a while for what was read; nobody else waits for a snapshot that only reads.
_PATIENCE = text(
    "SELECT set_config('statement_timeout', '60s', true),"
    " set_config('idle_in_transaction_session_timeout', '300s', true)"
)
Line = dict[str, Any]


def require_whole_study(actor: Actor) -> None:
    """Refuse who sees some sites only: the rows of the others would be missing from the proof."""
    if actor.site_ids is not None:
        raise forbidden(
            "whole_study_needed",
            "This export proves the whole trail; it takes a role that is not bound to sites.",
        )


async def export_lines(session: AsyncSession, actor: Actor) -> AsyncIterator[bytes]:
    """Write the export of the actor's study from a session that holds one snapshot."""
    digest, count = hashlib.sha256(), 0
    await enter(session, actor.study_id)
    await session.execute(_PATIENCE)
    async for line in _lines(session, actor):
        written = _written(line)
        digest.update(written)
        count += 1
        yield written
    yield _written({"kind": "end", "rows": count, "sha256": digest.hexdigest()})


def _written(line: Line) -> bytes:
    """Write one line."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def _lines(session: AsyncSession, actor: Actor) -> AsyncIterator[Line]:
    log_id = await session.scalar(select(SealState.log_id))
    yield {
        "kind": "export",
        "format": FORMAT,
        "study": actor.study_key,
        "study_id": str(actor.study_id),
        "log_id": str(log_id),
        "exported_at": moment_text(await database_time(session)),
    }
    for note in await session.scalars(select(SealRollback.note).order_by(SealRollback.epoch)):
        yield {"kind": "rollback", "note": note}
    order = (SealCheckpoint.epoch.desc(), SealCheckpoint.size.desc())
    last = await session.scalar(select(SealCheckpoint.note).order_by(*order).limit(1))
    if last is not None:
        yield {"kind": "checkpoint", "note": last}
    async for line in _log(session):
        yield line
    async for line in _pending(session, actor.study_id):
        yield line


async def _log(session: AsyncSession) -> AsyncIterator[Line]:
    """Write the log: the study's own operations between the leaves of the others."""
    start, lost = 0, set(await holes_of(session))
    async for batch in read_entries(session):
        for each in batch:
            async for line in _leaves(session, start, each.entry.index, lost):
                yield line
            for line in _operation(each):
                yield line
            start = each.entry.index + 1
    size = await session.scalar(select(func.coalesce(func.max(SealLeaf.index) + 1, 0)))
    async for line in _leaves(session, start, size or 0, lost):
        yield line


async def _leaves(
    session: AsyncSession, start: int, end: int, lost: Collection[int]
) -> AsyncIterator[Line]:
    """Write the hashes of a range of leaves; a lost one is of no study, so it may be of this."""
    for first in range(start, end, BATCH):
        query = select(SealLeaf.hash).where(
            SealLeaf.index >= first, SealLeaf.index < min(first + BATCH, end)
        )
        found = (await session.scalars(query.order_by(SealLeaf.index))).all()
        line = {"kind": "leaves", "from": first, "hashes": [each.hex() for each in found]}
        places = range(first, min(first + BATCH, end))
        gone = [place for place in places if place in lost]
        yield line | ({"lost": gone} if gone else {})


def _operation(each: Entry) -> list[Line]:
    """Write an operation and its rows: first what its header names, then whatever else is there."""
    index = each.entry.index
    salts = {(row.table_name, str(row.record_id), row.number): row.salt for row in each.kept}
    lines: list[Line] = [{"kind": "operation", "index": index, "header": each.entry.header}]
    for key in sorted(each.rows):
        table, record_id, number = key
        salt = salts.get(key)
        lines.append(
            {
                "kind": "row",
                "index": index,
                "table": table,
                "record_id": record_id,
                "number": number,
                "salt": salt.hex() if salt is not None else None,
                "text": each.rows[key],
            }
        )
    return lines


async def _pending(session: AsyncSession, study_id: UUID) -> AsyncIterator[Line]:
    """Write what waits for its seal: nothing proves it yet."""
    unsealed = (
        select(Operation.id)
        .outerjoin(SealEntry, SealEntry.operation_id == Operation.id)
        .where(Operation.study_id == study_id, SealEntry.index.is_(None))
        .order_by(Operation.id)
    )
    waiting = (await session.scalars(unsealed)).all()
    for first in range(0, len(waiting), BATCH):
        for line in await _unsealed(session, study_id, waiting[first : first + BATCH]):
            yield line


async def _unsealed(session: AsyncSession, study_id: UUID, ids: Sequence[UUID]) -> list[Line]:
    rows = defaultdict(list)
    for row in await read_rows(session, current_shape(), ids, [study_id]):
        rows[row.operation_id].append([row.table, row.text])
    return [{"kind": "pending", "operation_id": str(each), "rows": rows[each]} for each in ids]
