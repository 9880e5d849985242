"""Whether every leaf is the hash of its header, and every row what its commitment says.

Runs through the log in order, some hundred operations at a time, so that memory stays small.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_format import Header, MalformedHeaderError, commitment, leaf_of, parse_header
from app.models import Redaction, SealCommitment, SealEntry, SealLeaf, SealShape
from app.services.seal_rows import RowText, current_shape, read_rows
from app.services.verification_report import Check

BATCH = 200
RowKey = tuple[str, str, int]
# What redactions left of the rows whose commitments cannot be opened any more.
Left = Mapping[RowKey, set[str]]
# Of what the header says of the operation, what the operation's own row says as well.
_LIKE_ITS_OPERATION = ("actor_id", "command", "organisation", "role", "study_id")


class Entry(NamedTuple):
    """One sealed operation with what opens its commitments and the rows that are there now."""

    entry: SealEntry
    leaf: bytes | None
    kept: list[SealCommitment]
    rows: dict[RowKey, str]


async def left_by_redactions(session: AsyncSession) -> dict[RowKey, set[str]]:
    """Read which rows redactions touched, and the digests of what they left."""
    left: dict[RowKey, set[str]] = defaultdict(set)
    for scrubbed in await session.scalars(select(Redaction.scrubbed)):
        for table, record_id, number, digest in scrubbed:
            left[table, record_id, int(number)].add(digest)
    return left


async def check_leaves(session: AsyncSession, check: Check, complete: bool) -> None:
    """Open every commitment of the log that can be seen; `complete` if that is all of it."""
    left = await left_by_redactions(session)
    if complete:
        await _check_holes(session, check)
    async for batch in read_entries(session):
        for each in batch:
            check.looked_at += 1
            _check_entry(each, left, check)


async def _check_holes(session: AsyncSession, check: Check) -> None:
    """See that leaves are counted without a gap, and that each has its header."""
    last, count = (await session.execute(select(func.max(SealLeaf.index), func.count()))).one()
    if count and last + 1 != count:
        check.fail(f"{last + 1 - count} leaves are missing from the log.")
    missing = (
        select(SealLeaf.index)
        .outerjoin(SealEntry, SealEntry.index == SealLeaf.index)
        .where(SealEntry.index.is_(None))
        .order_by(SealLeaf.index)
    )
    for index in await session.scalars(missing):
        check.fail(f"Leaf {index} has lost the header of its operation.")


async def read_entries(session: AsyncSession) -> AsyncIterator[list[Entry]]:
    """Read the sealed operations that can be seen, in the order of the log, in batches."""
    shapes = {row.digest: row.columns for row in await session.scalars(select(SealShape))}
    after = -1
    while True:
        query = (
            select(SealEntry, SealLeaf.hash)
            .outerjoin(SealLeaf, SealLeaf.index == SealEntry.index)
            .where(SealEntry.index > after)
            .order_by(SealEntry.index)
            .limit(BATCH)
        )
        found = (await session.execute(query)).all()
        if not found:
            return
        after = found[-1][0].index
        yield await _with_rows(session, [(entry, leaf) for entry, leaf in found], shapes)
        session.expunge_all()


async def _with_rows(
    session: AsyncSession,
    found: Sequence[tuple[SealEntry, bytes | None]],
    shapes: Mapping[str, Mapping[str, Sequence[str]]],
) -> list[Entry]:
    """Put the commitments and the rows that are there now beside the headers."""
    kept = defaultdict(list)
    query = select(SealCommitment).where(
        SealCommitment.index.in_([entry.index for entry, _ in found])
    )
    for commit in await session.scalars(query.order_by(SealCommitment.position)):
        kept[commit.index].append(commit)
    by_shape = defaultdict(list)
    for entry, _ in found:
        by_shape[shape_of(entry)].append(entry)
    rows: dict[UUID, dict[RowKey, str]] = defaultdict(dict)
    for digest, entries in by_shape.items():
        columns = current_shape() | dict(shapes.get(digest, {}))
        for row in await _rows_of(session, columns, entries):
            rows[row.operation_id][row.table, str(row.record_id), row.number] = row.text
    return [
        Entry(entry, leaf, kept[entry.index], rows[entry.operation_id]) for entry, leaf in found
    ]


async def _rows_of(
    session: AsyncSession, columns: Mapping[str, Sequence[str]], entries: Sequence[SealEntry]
) -> list[RowText]:
    studies = {entry.study_id for entry in entries}
    return await read_rows(
        session, columns, [entry.operation_id for entry in entries], list(studies)
    )


def shape_of(entry: SealEntry) -> str:
    """Return the digest of the shape that a header names, empty when it names none."""
    try:
        return str(json.loads(entry.header)["shape"])
    except (ValueError, KeyError, TypeError):
        return ""


def _check_entry(each: Entry, left: Left, check: Check) -> None:
    """Hold one operation against its leaf, its header and its commitments."""
    entry = each.entry
    what = f"operation {entry.operation_id}"
    if each.leaf is None:
        check.fail(f"The leaf of {what} is missing from the log.")
    elif leaf_of(entry.header) != each.leaf:
        check.fail(f"The header of {what} is not the one that was sealed.")
    try:
        header = parse_header(entry.header)
    except MalformedHeaderError as error:
        check.fail(f"The header of {what} is malformed: {error}.")
        return
    if (header.operation_id, header.study_id) != (str(entry.operation_id), str(entry.study_id)):
        check.fail(f"The header kept for {what} is of another operation.")
    sealed = {(row.table, row.record_id, row.number): row.commit for row in header.rows}
    kept = {(row.table_name, str(row.record_id), row.number): row for row in each.kept}
    if {key: row.commit.hex() for key, row in kept.items()} != sealed:
        check.fail(f"The commitments kept for {what} are not those of its header.")
    for table, record_id, _ in each.rows.keys() - sealed.keys():
        check.fail(f"A row of {table} {record_id} names {what}, but is not in its seal.")
    for key, commit in sealed.items():
        _check_row(key, commit, (kept.get(key), each.rows.get(key), left), (what, check))
    _check_header(header, each.rows, check)


def _check_row(
    key: RowKey,
    commit: str,
    found: tuple[SealCommitment | None, str | None, Left],
    told: tuple[str, Check],
) -> None:
    """Hold one row against its commitment, or against what its redaction left of it."""
    (kept, text, left), (what, check) = found, told
    name = f"{key[0]} {key[1]}"
    if text is None:
        check.fail(f"A row of {name} is gone; it was sealed with {what}.")
    elif kept is None or kept.salt is None:
        if hashlib.sha256(text.encode()).hexdigest() not in left.get(key, ()):
            check.fail(f"A row of {name} cannot be opened, and no redaction explains it.")
    elif commitment(kept.salt, text).hex() != commit:
        check.fail(f"A row of {name} is not what was sealed with {what}.")


def _check_header(header: Header, rows: Mapping[RowKey, str], check: Check) -> None:
    """See that the header says of the operation what the operation's own row says."""
    text = rows.get(("operation", header.operation_id, 0))
    if text is None:
        return
    row: dict[str, Any] = json.loads(text)
    differing = [name for name in _LIKE_ITS_OPERATION if row.get(name) != getattr(header, name)]
    if differing:
        check.fail(f"The header of operation {header.operation_id} differs in {differing[0]}.")
