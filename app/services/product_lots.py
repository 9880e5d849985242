"""Lots of the product: registered, corrected, and released if they meet the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, invalid
from app.domain.product_fitness import below_specification
from app.models import ProductLot
from app.services import bag_ledger
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
from app.services.locks import lock_study
from app.services.lots_at_start import lot_fact
from app.services.paging import Page, PageRequest, page
from app.services.protocols import active_protocol


async def list_lots(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of lots, the first registered first."""
    entity = as_of(ProductLot, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    return await page(session, query, entity.id, wanted)


async def create_lot(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> ProductLot:
    """Register a lot; raise conflict if it is released without meeting the protocol."""
    row = ProductLot(study_id=actor.study_id, id=new_id(), **values)
    await _check(session, actor, row, now)
    session.add(row)
    await session.flush()
    return row


async def read_lot(
    session: AsyncSession, actor: Actor, lot_id: UUID, past: datetime | None
) -> ProductLot:
    """Read one lot, now or as it was."""
    return await fetch(session, ProductLot, actor.study_id, lot_id, past)


async def change_lot(
    session: AsyncSession,
    actor: Actor,
    lot_id: UUID,
    version: int,
    values: Mapping[str, Any],
    now: datetime,
) -> ProductLot:
    """Change the given fields; raise conflict if the lot would be released against the protocol.

    A corrected volume is booked in the ledger of each of the lot's bags.
    """
    recounts = "bag_volume_ml" in values
    if recounts:
        await lock_study(session, actor.study_id)
    row = await lock(session, ProductLot, actor.study_id, lot_id, version)
    for name, value in values.items():
        setattr(row, name, value)
    await _check(session, actor, row, now)
    await session.flush()
    if recounts:
        await bag_ledger.recount(session, row)
    return row


async def _check(session: AsyncSession, actor: Actor, lot: ProductLot, now: datetime) -> None:
    if lot.manufactured_on > now.astimezone(ZoneInfo(actor.time_zone)).date():
        raise invalid("future_date", "manufactured_on lies in the future.", "/body/manufactured_on")
    if lot.expires_on < lot.manufactured_on:
        raise invalid(
            "expires_before_made", "A lot cannot expire before it was made.", "/body/expires_on"
        )
    if not lot.released:
        return
    protocol = await active_protocol(session, actor.study_id, now)
    reasons = tuple(below_specification(lot_fact(lot), protocol.rules.dosing))
    if reasons:
        raise conflict(
            "lot_below_specification",
            "The lot does not meet the protocol and cannot be released; see errors.",
            reasons,
        )
