"""The sealed operations as they are kept: header, leaf, commitments, and the rows of now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CompoundSelect, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_format import MalformedHeaderError, commitment, leaf_of, parse_header
from app.models import SealCommitment, SealEntry, SealLeaf, SealShape
from app.services.seal_rows import RowText, current_shape, read_rows

BATCH = 200
RowKey = tuple[str, str, int]


class Entry(NamedTuple):
    """One sealed operation with what opens its commitments and the rows that are there now."""

    entry: SealEntry
    leaf: bytes | None
    kept: list[SealCommitment]
    rows: dict[RowKey, str]


async def read_entries(
    session: AsyncSession, only: CompoundSelect[UUID] | None = None
) -> AsyncIterator[list[Entry]]:
    """Read the sealed operations that can be seen, in the order of the log, in batches.

    `only` selects the ids of those that are wanted.
    """
    wanted = true() if only is None else SealEntry.operation_id.in_(only)
    shapes = {row.digest: row.columns for row in await session.scalars(select(SealShape))}
    after = -1
    while True:
        query = (
            select(SealEntry, SealLeaf.hash)
            .outerjoin(SealLeaf, SealLeaf.index == SealEntry.index)
            .where(SealEntry.index > after, wanted)
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


def opened_rows(each: Entry) -> dict[RowKey, str]:
    """Return the rows that open what a header commits to, if the header is the one of its leaf."""
    try:
        header = parse_header(each.entry.header)
    except MalformedHeaderError:
        return {}
    sealed = {(row.table, row.record_id, row.number): row.commit for row in header.rows}
    opened = {}
    for row in each.kept if each.leaf == leaf_of(each.entry.header) else ():
        key = row.table_name, str(row.record_id), row.number
        salt, text = row.salt, each.rows.get(key)
        if salt and text is not None and commitment(salt, text).hex() == sealed.get(key):
            opened[key] = text
    return opened
