"""What a laboratory system has said before under an id or identifier of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import InboundMessage, InboxItem
from app.services.senders import CallingSender


async def answers_under(
    session: AsyncSession, caller: CallingSender, control_id: str
) -> Sequence[bytes]:
    """Return the answers kept for what was sent under a control id, the first one first.

    Until the transaction ends nobody else asks for the same, so that of two that are to be created
    only if there is none the second one sees the first.
    """
    name = f"fhir/{caller.actor.study_id}/{caller.sender_id}/{control_id}"
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
    )
    query = (
        select(InboundMessage.answer)
        .where(
            InboundMessage.study_id == caller.actor.study_id,
            InboundMessage.sender_id == caller.sender_id,
            InboundMessage.control_id == control_id,
            InboundMessage.answer.is_not(None),
        )
        .order_by(InboundMessage.id)
    )
    return [answer for answer in await session.scalars(query) if answer is not None]


async def filed_since(
    session: AsyncSession, study_id: UUID, item_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """Find the results that items of the inbox have become."""
    query = select(InboxItem.id, InboxItem.lab_result_id).where(
        InboxItem.study_id == study_id,
        InboxItem.id.in_(item_ids),
        InboxItem.lab_result_id.is_not(None),
    )
    return {row.id: row.lab_result_id for row in await session.execute(query)}
