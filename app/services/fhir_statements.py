"""What a laboratory system has said before under an id or identifier of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inbound import InboxStatus
from app.models import InboxItem
from app.services.senders import CallingSender

_KNOWN = text(
    """
    SELECT control_id, answer FROM inbound_message
    WHERE study_id = :study_id AND sender_id = :sender_id AND door = 'fhir'
      AND CASE WHEN door = 'fhir' AND answer IS NOT NULL THEN
        jsonb_exists_any(convert_from(answer, 'UTF8')::jsonb -> 'names', :names) END
    ORDER BY id
    """
).bindparams(bindparam("names", type_=ARRAY(Text)))
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
# A bundle has up to a thousand names, and a database has not that many locks to give.
_LOCKS = 16


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer that is kept, and the control id of what it answered."""

    control_id: str | None
    answer: bytes


async def statements_under(
    session: AsyncSession, caller: CallingSender, names: Collection[str]
) -> list[Statement]:
    """Return the answers kept for what was sent under names of a sender's, the first one first.

    Until the transaction ends nobody else asks for the same, so that of two that are to be created
    only if there is none the second one sees the first.
    """
    for number in sorted({crc32(name.encode()) % _LOCKS for name in names}):
        name = f"fhir/{caller.actor.study_id}/{caller.sender_id}/{number}"
        await session.execute(_LOCK, {"name": name})
    given = {"study_id": caller.actor.study_id, "sender_id": caller.sender_id}
    found = await session.execute(_KNOWN, {**given, "names": list(names)})
    return [Statement(row.control_id, bytes(row.answer)) for row in found]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an item of the inbox stands, and the result that it has become."""

    status: InboxStatus
    lab_result_id: UUID | None


async def standings_of(
    session: AsyncSession, study_id: UUID, item_ids: Collection[UUID]
) -> dict[UUID, Standing]:
    """Find where items of the inbox stand."""
    query = select(InboxItem.id, InboxItem.status, InboxItem.lab_result_id).where(
        InboxItem.study_id == study_id, InboxItem.id.in_(item_ids)
    )
    rows = await session.execute(query)
    return {row.id: Standing(row.status, row.lab_result_id) for row in rows}
