"""Lots of the product: registered, released, and fit for use on a day or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.dosing import DosingRules, viability_suffices, within_administered_tolerance
from app.domain.errors import Reason, conflict, invalid
from app.models import ProductLot
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
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
    """Change the given fields; raise conflict if the lot would be released against the protocol."""
    row = await lock(session, ProductLot, actor.study_id, lot_id, version)
    for name, value in values.items():
        setattr(row, name, value)
    await _check(session, actor, row, now)
    await session.flush()
    return row


def unfit(lot: ProductLot, day: date, rules: DosingRules) -> Iterator[Reason]:
    """Give every reason for which no bag of a lot may be infused on a day."""
    if not lot.released:
        yield Reason("lot_not_released", "The lot of a bag is not released.")
    if day > lot.expires_on:
        yield Reason("lot_expired", "The lot of a bag has expired by the day of the infusion.")
    if day < lot.manufactured_on:
        yield Reason("lot_not_made", "The lot of a bag was made after the day of the infusion.")
    yield from _below_specification(lot, rules)


def _below_specification(lot: ProductLot, rules: DosingRules) -> Iterator[Reason]:
    """Compare a lot with the protocol's minimum viability and nominal content (C6).

    Volumes are prescribed at the nominal content, so a lot whose cells per millilitre lie outside
    the tolerance of a dose would miss every dose.
    """
    if not viability_suffices(lot.viability_percent, rules):
        yield Reason("viability_too_low", "The lot's viability is below the protocol's minimum.")
    nominal = rules.bag.cells * lot.bag_volume_ml / rules.bag.volume_ml
    if not within_administered_tolerance(nominal, lot.cells_per_bag, rules):
        yield Reason(
            "content_out_of_tolerance",
            "The lot's cells per millilitre differ too much from the protocol's bag.",
        )


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
    reasons = tuple(_below_specification(lot, protocol.rules.dosing))
    if reasons:
        raise conflict(
            "lot_below_specification",
            "The lot does not meet the protocol and cannot be released; see errors.",
            reasons,
        )
