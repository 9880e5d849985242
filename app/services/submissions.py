"""What became of a message, for the sender that sent it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.models import InboundMessage, InboxItem
from app.services.history import fetch
from app.services.senders import CallingSender


@dataclass(frozen=True, slots=True)
class Submission:
    """A message beside what of it waited or waits for a person."""

    row: InboundMessage
    items: Sequence[InboxItem]

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the submission's."""
        return getattr(self.row, name)


async def read_submission(
    session: AsyncSession, caller: CallingSender, message_id: UUID
) -> Submission:
    """Read one of the caller's own messages; another sender's are not found, as absent ones."""
    study_id = caller.actor.study_id
    row = await fetch(session, InboundMessage, study_id, message_id)
    if row.sender_id != caller.sender_id:
        raise not_found("inbound message")
    items = select(InboxItem).where(
        InboxItem.study_id == study_id, InboxItem.message_id == message_id
    )
    found = await session.scalars(items.order_by(InboxItem.id))
    return Submission(row, found.all())
