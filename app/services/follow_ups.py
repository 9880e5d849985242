"""Follow-up information on adverse events: append-only, a mistaken one is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, invalid, not_found
from app.models import AdverseEvent, FollowUp, SafetyRetraction
from app.schemas.safety_reports import FollowUpCreate
from app.services.access import Actor
from app.services.evidence import Scope
from app.services.history import as_of, fetch, lock
from app.services.paging import Page, PageRequest, page
from app.services.report_clocks import retracted_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFollowUp:
    """A row of follow-up information, and whether it was taken back."""

    row: FollowUp
    retracted: bool
    retraction_reason: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the information's."""
        return getattr(self.row, name)


async def list_follow_ups(
    session: AsyncSession, actor: Actor, event_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of what came to light about an event, the first recorded first."""
    await fetch(session, AdverseEvent, actor.study_id, event_id, wanted.moment)
    entity = as_of(FollowUp, actor.study_id, wanted.moment)
    query = select(entity).where(
        entity.study_id == actor.study_id, entity.adverse_event_id == event_id
    )
    found = await page(session, query, entity.id, wanted)
    taken_back = await retracted_ids(session, _scope(actor, wanted.moment), [event_id])
    items = [
        RecordedFollowUp(
            row=row,
            retracted=row.id in taken_back,
            retraction_reason=taken_back[row.id].reason if row.id in taken_back else None,
        )
        for row in found.items
    ]
    return Page(items, found.next)


async def create_follow_up(
    session: AsyncSession, actor: Actor, event_id: UUID, wanted: FollowUpCreate, now: datetime
) -> RecordedFollowUp:
    """Record information that came later; it starts the clocks of new information.

    Raises invalid for the future and for what the site knew of when it learned of the event, and
    conflict for a retracted event.
    """
    event = await lock(session, AdverseEvent, actor.study_id, event_id, None)
    if event.retracted:
        raise conflict(
            "event_retracted", "The event was retracted; take that back before adding to it."
        )
    if wanted.received_at > now:
        raise invalid(
            "future_moment",
            "received_at lies in the future; give when the information came.",
            "/body/received_at",
        )
    if wanted.received_at < event.aware_at:
        raise invalid(
            "received_before_awareness",
            "What came before the site knew of the event is no follow-up; put it in the event.",
            "/body/received_at",
        )
    row = FollowUp(
        study_id=actor.study_id, id=new_id(), adverse_event_id=event_id, **wanted.model_dump()
    )
    session.add(row)
    await session.flush()
    return RecordedFollowUp(row=row, retracted=False, retraction_reason=None)


async def retract_follow_up(
    session: AsyncSession, actor: Actor, event_id: UUID, follow_up_id: UUID, reason: str
) -> SafetyRetraction:
    """Take mistaken information back, so that it starts no clock; raise conflict the second time.

    Raises not_found for information on another event.
    """
    await lock(session, AdverseEvent, actor.study_id, event_id, None)
    follow_up = await fetch(session, FollowUp, actor.study_id, follow_up_id)
    if follow_up.adverse_event_id != event_id:
        raise not_found("follow up")
    if follow_up_id in await retracted_ids(session, _scope(actor, None), [event_id]):
        raise conflict(
            "retracted_already",
            "This follow-up information was taken back already; leave it as it is.",
        )
    row = SafetyRetraction(
        study_id=actor.study_id,
        id=new_id(),
        adverse_event_id=event_id,
        follow_up_id=follow_up_id,
        reason=reason,
    )
    session.add(row)
    await session.flush()
    return row


def _scope(actor: Actor, past: datetime | None) -> Scope:
    return Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
