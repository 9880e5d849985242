"""Signatures on casebooks whose records are others now than those that were signed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import from_json
from app.domain.casebook import CasebookState
from app.domain.hindsight import moved_fields
from app.domain.signing import says_the_same
from app.models import Signature
from app.services.access import Actor
from app.services.casebook_content import casebook_content
from app.services.hindsight import Hindsight
from app.services.moved_signatures import (
    BOOKKEEPING,
    CASEBOOK,
    SignedContent,
    as_moved,
    series_of,
)
from app.services.movements import (
    Move,
    Moved,
    Write,
    difference,
    movement,
    newer,
    plain,
    writes_since,
)

Content = Mapping[str, Any]


async def moved_casebooks(
    session: AsyncSession,
    actor: Actor,
    past: Hindsight,
    signed: Sequence[SignedContent],
    moment: datetime | None,
) -> list[Moved]:
    """Find the signatures on casebooks that were opened since and are not what they were.

    While a casebook is frozen or locked the database keeps it as it is; only those that were open
    after the signature are read.
    """
    rows = [each.row for each in signed if each.row.record_type == CASEBOOK]
    series: defaultdict[tuple[Any, ...], list[tuple[datetime, UUID]]] = defaultdict(list)
    for row in rows:
        series[series_of(row)].append((row.recorded_at, row.id))
    opened = [row for row in rows if _was_open_since(past, row)]
    documents = await _documents(session, actor.study_id, [row.id for row in opened])
    present = {
        subject_id: plain(await casebook_content(session, actor, subject_id, moment))
        for subject_id in {row.record_id for row in opened}
    }
    found = []
    for row in opened:
        content, now = documents[row.id], present[row.record_id]
        if says_the_same(content, now):
            continue
        moves = tuple(_moves(past, row, content, now))
        parts = difference("records", "as signed", {"moved": len(moves)}, row.record_id)
        moved = as_moved(row, parts, moves, row.record_id)
        found.append(replace(moved, renewed_by=newer(row.id, series[series_of(row)])))
    return found


def _was_open_since(past: Hindsight, row: Any) -> bool:
    """Tell whether records could be written to the casebook at any time after the signature."""
    course = [
        version
        for versions in past.versions.by_table[CASEBOOK].values()
        for version in versions
        if version.image["subject_id"] == row.record_id
    ]
    before = [version for version in course if version.since < row.recorded_at]
    states = [version.image["state"] for version in (*before[-1:], *course[len(before) :])]
    return not before or CasebookState.OPEN in states


async def _documents(
    session: AsyncSession, study_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Content]:
    query = select(Signature.id, Signature.document).where(
        Signature.study_id == study_id, Signature.id.in_(ids)
    )
    return {row.id: from_json(row.document)["content"] for row in await session.execute(query)}


def _moves(past: Hindsight, row: Any, signed: Content, present: Content) -> Iterator[Move]:
    """Name every record of a casebook that is not as it was signed."""
    old_tables = _by_table(signed)
    for table, records in _by_table(present).items():
        before = {each["id"]: each for each in old_tables.get(table, ())}
        for record in records:
            old = before.get(record["id"])
            changes = moved_fields(old, record, record.keys() - BOOKKEEPING)
            if old is None or changes:
                record_id = UUID(record["id"])
                yield Move(
                    record_type=table,
                    record_id=record_id,
                    subject_id=row.record_id,
                    movement=movement(old, None if record.get("retracted") else record),
                    version_before=old.get("version") if old else None,
                    changes=changes,
                    writes=writes_since(past, record_id, row.recorded_at) or (_written(record),),
                )


def _by_table(content: Content) -> dict[str, list[Content]]:
    return {"subject": [content["subject"]], **content["records"]}


def _written(record: Content) -> Write:
    """Tell who wrote a row that never changes."""
    recorded_at = datetime.fromisoformat(record["recorded_at"])
    return Write(record.get("result_version"), recorded_at, UUID(record["operation_id"]))
