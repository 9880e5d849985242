"""Bags of the product: each is allocated to one infusion, then used once or discarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, invalid, not_found
from app.domain.vocabulary import BagStatus, BagStep
from app.models import Infusion, ProductBag, ProductLot
from app.schemas.lists import Listing
from app.schemas.product_bags import BagView
from app.services import bag_ledger
from app.services.access import Actor
from app.services.bag_allocation import Allocation, allocate, count_change
from app.services.history import as_of, fetch, lock
from app.services.locks import lock_study
from app.services.paging import PageRequest, page
from app.services.protocols import active_protocol

# What a person may do with a bag; it becomes infused with its infusion, never by hand.
_STEPS = {
    (BagStatus.AVAILABLE, BagStatus.ALLOCATED),
    (BagStatus.ALLOCATED, BagStatus.AVAILABLE),
    (BagStatus.AVAILABLE, BagStatus.DISCARDED),
    (BagStatus.ALLOCATED, BagStatus.DISCARDED),
}


@dataclass(frozen=True, slots=True)
class BagFilter:
    """Which bags are wanted; None does not filter."""

    lot_id: UUID | None = None
    status: BagStatus | None = None
    infusion_id: UUID | None = None


async def list_bags(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: BagFilter
) -> Listing[BagView]:
    """List a page of bags, the first registered first."""
    entity = as_of(ProductBag, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    for name in ("lot_id", "status", "infusion_id"):
        value = getattr(only, name)
        if value is not None:
            query = query.where(getattr(entity, name) == value)
    if only.infusion_id is not None:
        query = query.where(entity.infusion_id.in_(_infusions(actor)))
    found = await page(session, query, entity.id, wanted)
    items = await _shown(session, actor, found.items)
    return Listing[BagView](items=items, next=found.next)


def _infusions(actor: Actor) -> Select[Any]:
    """Select the infusions that the actor sees."""
    return select(Infusion.id).where(Infusion.study_id == actor.study_id)


async def _shown(session: AsyncSession, actor: Actor, bags: Sequence[ProductBag]) -> list[BagView]:
    """Show bags, which are of no site, without the infusions of sites that are not the actor's."""
    named = {bag.infusion_id for bag in bags}
    own = await bag_ledger.own_infusions(session, actor.study_id, named)
    views = [BagView.model_validate(bag) for bag in bags]
    return [
        view if view.infusion_id in own else view.model_copy(update={"infusion_id": None})
        for view in views
    ]


async def create_bag(session: AsyncSession, actor: Actor, values: Mapping[str, Any]) -> ProductBag:
    """Register a bag of a lot; the database refuses unknown lots and repeated numbers."""
    row = ProductBag(study_id=actor.study_id, id=new_id(), **values)
    session.add(row)
    await session.flush()
    lot = await fetch(session, ProductLot, actor.study_id, row.lot_id)
    await bag_ledger.enter(session, row, lot.bag_volume_ml)
    return row


async def read_bag(
    session: AsyncSession, actor: Actor, bag_id: UUID, past: datetime | None
) -> BagView:
    """Read one bag, now or as it was."""
    row = await fetch(session, ProductBag, actor.study_id, bag_id, past)
    (view,) = await _shown(session, actor, [row])
    return view


async def change_bag(
    session: AsyncSession,
    actor: Actor,
    bag_id: UUID,
    version: int,
    values: Mapping[str, Any],
    now: datetime,
) -> BagView:
    """Move a bag one step or correct its number; raise conflict for a step it may not take."""
    await lock_study(session, actor.study_id)
    row = await lock(session, ProductBag, actor.study_id, bag_id, version)
    row.bag_number = values.get("bag_number", row.bag_number)
    status, infusion_id = values.get("status"), values.get("infusion_id")
    if (infusion_id is not None) != (status is BagStatus.ALLOCATED):
        raise invalid(
            "infusion_and_status",
            "Name an infusion with the status allocated, and only then.",
            "/body/infusion_id",
        )
    if status is not None and (status, infusion_id) != (row.status, row.infusion_id):
        await _step(session, actor, row, (status, infusion_id), now)
    await session.flush()
    (view,) = await _shown(session, actor, [row])
    return view


async def _step(
    session: AsyncSession,
    actor: Actor,
    row: ProductBag,
    to: tuple[BagStatus, UUID | None],
    now: datetime,
) -> None:
    """Take one step and count it on the infusion that it concerns."""
    status, infusion_id = to
    if (row.status, status) not in _STEPS:
        raise conflict(
            "bag_step_not_allowed",
            f"A bag that is {row.status} cannot become {status}; infused and discarded are final, "
            "and a bag becomes infused with its infusion.",
        )
    concerned = infusion_id or row.infusion_id
    if concerned is not None:
        await _check_shown(session, row, infusion_id)
        infusion = await lock(session, Infusion, actor.study_id, concerned, None)
        count_change(infusion)
        if status is BagStatus.ALLOCATED:
            protocol = await active_protocol(session, actor.study_id, now)
            await allocate(session, [row], Allocation(infusion, protocol, now))
            return
        if status is BagStatus.AVAILABLE and infusion.thawed_at is not None:
            raise conflict("bag_thawed", "The bag was thawed and is never kept; discard it.")
    row.status = status
    row.infusion_id = None if status is BagStatus.AVAILABLE else row.infusion_id
    row.discarded_at = now if status is BagStatus.DISCARDED else None
    step = BagStep.DISCARDED if status is BagStatus.DISCARDED else BagStep.RETURNED
    await bag_ledger.record(session, row, step, concerned)


async def _check_shown(session: AsyncSession, row: ProductBag, named: UUID | None) -> None:
    """Refuse a bag that another site holds; who names an infusion is told about that one."""
    holder = row.infusion_id if named is None else None
    if holder is None:
        return
    if not await bag_ledger.own_infusions(session, row.study_id, {holder}):
        raise not_found("product bag")
