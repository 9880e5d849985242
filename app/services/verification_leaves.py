"""Whether every leaf is the hash of its header, and every row what its commitment says.

Runs through the log in order, some hundred operations at a time, so that memory stays small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_format import Header, MalformedHeaderError, commitment, leaf_of, parse_header
from app.models import SealCommitment, SealEntry, SealLeaf
from app.services.seal_sequence import holes_of
from app.services.verification_entries import Entry, RowKey, read_entries
from app.services.verification_redactions import (
    Blinded,
    SealedRedaction,
    explain,
    read_redactions,
)
from app.services.verification_report import Check
from app.services.verification_times import Timeline, check_times

# Of what the header says of the operation, what the operation's own row says as well.
_LIKE_ITS_OPERATION = ("actor_id", "command", "organisation", "role", "study_id")


class LeafChecks(NamedTuple):
    """Where findings go: of leaves and rows, and of the times that they say."""

    leaves: Check
    times: Check


class _Known(NamedTuple):
    """What every operation is held against, and where findings go."""

    redactions: list[SealedRedaction]
    timeline: Timeline
    checks: LeafChecks
    counted: dict[str, int]


async def check_leaves(
    session: AsyncSession, checks: LeafChecks, complete: bool, timeline: Timeline
) -> list[SealedRedaction]:
    """Open every commitment of the log that can be seen; `complete` if that is all of it.

    Returns the redactions with the rows that each explains.
    """
    check = checks.leaves
    redactions = await read_redactions(session, check)
    await _check_holes(session, check, complete)
    known = _Known(redactions, timeline, checks, {})
    async for batch in read_entries(session):
        for each in batch:
            check.looked_at += 1
            _check_entry(each, known)
    return redactions


async def _check_holes(session: AsyncSession, check: Check, complete: bool) -> None:
    """See that leaves are counted without a gap, and that each has its header.

    Who does not see every study's headers has the database tell which are there at all.
    """
    last, count = (await session.execute(select(func.max(SealLeaf.index), func.count()))).one()
    if count and last + 1 != count:
        check.fail(f"{last + 1 - count} leaves are missing from the log.")
    missing = (
        select(SealLeaf.index)
        .outerjoin(SealEntry, SealEntry.index == SealLeaf.index)
        .where(SealEntry.index.is_(None))
        .order_by(SealLeaf.index)
    )
    holes = await session.scalars(missing) if complete else await holes_of(session)
    for index in holes:
        check.fail(f"Leaf {index} has lost the header of its operation.")


def _check_entry(each: Entry, known: _Known) -> None:
    """Hold one operation against its leaf, its header and its commitments."""
    entry, check = each.entry, known.checks.leaves
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
    _check_sequence(header, known.counted, check)
    _check_rows(each, header, known)
    _check_header(header, each.rows, check)
    check_times(entry.index, header, each.rows, known.timeline, known.checks.times)


def _check_sequence(header: Header, counted: dict[str, int], check: Check) -> None:
    """See that no operation of the study is left out before this one."""
    due = counted.get(header.study_id, 0) + 1
    if header.sequence != due:
        check.fail(
            f"Operation {header.operation_id} is number {header.sequence} of study"
            f" {header.study_id}, but number {due} is missing from the log."
        )
    counted[header.study_id] = header.sequence


def _check_rows(each: Entry, header: Header, known: _Known) -> None:
    """Hold the rows of an operation against the commitments."""
    what, check = f"operation {header.operation_id}", known.checks.leaves
    sealed = {(row.table, row.record_id, row.number): row.commit for row in header.rows}
    kept = {(row.table_name, str(row.record_id), row.number): row for row in each.kept}
    if {key: row.commit.hex() for key, row in kept.items()} != sealed:
        check.fail(f"The commitments kept for {what} are not those of its header.")
    for table, record_id, _ in each.rows.keys() - sealed.keys():
        check.fail(f"A row of {table} {record_id} names {what}, but is not in its seal.")
    written = {(table, record_id) for table, record_id, _ in sealed}
    for key, commit in sealed.items():
        name, text = f"{key[0]} {key[1]}", each.rows.get(key)
        if text is None:
            check.fail(f"A row of {name} is gone; it was sealed with {what}.")
        elif not _is_blinded(kept.get(key)):
            if commitment(kept[key].salt or b"", text).hex() != commit:
                check.fail(f"A row of {name} is not what was sealed with {what}.")
        elif not explain(Blinded(key, text, written), known.redactions):
            check.fail(
                f"A row of {name} cannot be opened, and no redaction explains it; only a sealed"
                " one counts."
            )


def _is_blinded(kept: SealCommitment | None) -> bool:
    return kept is None or kept.salt is None


def _check_header(header: Header, rows: Mapping[RowKey, str], check: Check) -> None:
    """See that the header says of the operation what the operation's own row says."""
    text = rows.get(("operation", header.operation_id, 0))
    if text is None:
        return
    row: dict[str, Any] = json.loads(text)
    differing = [name for name in _LIKE_ITS_OPERATION if row.get(name) != getattr(header, name)]
    if differing:
        check.fail(f"The header of operation {header.operation_id} differs in {differing[0]}.")
