"""Which bags go into which infusion, and whether their lots may be infused on its day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from app.domain.bag_ledger import bag_label
from app.domain.errors import Reason, conflict, invalid
from app.domain.product_fitness import Lot, not_yet_made, of_bag, unfit
from app.domain.vocabulary import BagStatus, BagStep
from app.models import Infusion, ProductBag, ProductLot
from app.services import bag_ledger
from app.services.lots_at_start import Use, lot_fact, lots_at_start
from app.services.protocols import ActiveProtocol

IN_USE = (BagStatus.ALLOCATED, BagStatus.INFUSED)


@dataclass(frozen=True, slots=True)
class Allocation:
    """The infusion that bags are for, under the protocol in force now."""

    infusion: Infusion
    protocol: ActiveProtocol
    now: datetime

    @property
    def day(self) -> date:
        """The day of use: of the start, or the later of the plan and today."""
        if self.infusion.started_at is not None:
            return self.protocol.local_day(self.infusion.started_at)
        return max(self.infusion.planned_date, self.protocol.local_day(self.now))

    @property
    def is_late_entry(self) -> bool:
        """Tell whether the infusion began on an earlier day: what happened is entered then."""
        return self.infusion.started_at is not None and self.day < self.protocol.local_day(self.now)


def count_change(infusion: Infusion) -> None:
    """Count a version of the infusion although only its bags changed."""
    flag_modified(infusion, "note")


async def replace_bags(
    session: AsyncSession, bag_ids: Sequence[UUID], allocation: Allocation
) -> None:
    """Make `bag_ids` the bags of an infusion, and drop those that are no longer named.

    Raises invalid for unknown or repeated bags, conflict for a bag that is taken or discarded, or
    of an unfit lot.
    """
    wanted = set(bag_ids)
    infusion = allocation.infusion
    rows = await _lock_bags(session, infusion, wanted)
    if len(wanted) != len(bag_ids) or not wanted <= {row.id for row in rows}:
        raise invalid("bags_unknown", "Name registered bags, each once.", "/body/bag_ids")
    # Before the bags are written, so that the infusion is written once.
    count_change(infusion)
    kept = {row.id for row in rows if row.infusion_id == infusion.id and row.status in IN_USE}
    await _drop(session, [row for row in rows if row.id in kept - wanted], allocation)
    await allocate(session, [row for row in rows if row.id in wanted - kept], allocation)
    await session.flush()


async def allocate(
    session: AsyncSession, bags: Iterable[ProductBag], allocation: Allocation
) -> None:
    """Allocate locked bags to an infusion; raise conflict if one is taken or its lot unfit."""
    bags = list(bags)
    taken = [bag for bag in bags if bag.status is not BagStatus.AVAILABLE]
    if taken:
        lots = await _lots(session, taken)
        labels = ", ".join(_label(bag, lots) for bag in taken)
        raise conflict(
            "bag_not_available",
            f"Not available any more: bag {labels}; read the bags and choose another one.",
        )
    if bags and allocation.infusion.cancelled:
        raise conflict(
            "infusion_cancelled",
            "The infusion is cancelled and takes no bags; send cancelled: false with them, or name "
            "another infusion.",
        )
    await _check_lots(session, bags, allocation)
    for bag in bags:
        bag.status, bag.infusion_id = BagStatus.ALLOCATED, allocation.infusion.id
        await bag_ledger.record(session, bag, BagStep.ALLOCATED, bag.infusion_id)


async def infuse_bags(session: AsyncSession, allocation: Allocation) -> None:
    """Mark the bags of a started infusion as infused, and account for what was given of each.

    Raises conflict without any bag, and if a lot was found unfit between allocation and start.
    """
    rows = await _lock_bags(session, allocation.infusion, set())
    if not rows:
        raise conflict("bags_missing", "Name the bags of the infusion, with its start or before.")
    allocated = [row for row in rows if row.status is BagStatus.ALLOCATED]
    await _check_lots(session, allocated, allocation)
    for row in allocated:
        row.status = BagStatus.INFUSED
    fresh = {row.id for row in allocated}
    await bag_ledger.settle_infusion(session, allocation.infusion, rows, fresh)


async def free_bags(session: AsyncSession, allocation: Allocation) -> None:
    """Drop the bags of a cancelled infusion."""
    await _drop(session, await _lock_bags(session, allocation.infusion, set()), allocation)


async def _drop(session: AsyncSession, bags: Iterable[ProductBag], allocation: Allocation) -> None:
    """Take bags from an infusion: they are available again only if they were never thawed (C6).

    One that was recorded as infused by mistake went through hands that nobody knows; it is
    discarded, and its ledger tells both.
    """
    infusion = allocation.infusion
    for bag in bags:
        step = BagStep.RETURNED
        if bag.status is BagStatus.INFUSED:
            step = BagStep.INFUSION_RETRACTED
        elif infusion.thawed_at is not None:
            step = BagStep.DISCARDED
        if step is BagStep.RETURNED:
            bag.status, bag.infusion_id = BagStatus.AVAILABLE, None
        else:
            bag.status, bag.discarded_at = BagStatus.DISCARDED, allocation.now
        await bag_ledger.record(session, bag, step, infusion.id)


async def _lock_bags(
    session: AsyncSession, infusion: Infusion, more: set[UUID]
) -> Sequence[ProductBag]:
    """Lock the bags that an infusion uses and those named, in the order of their ids."""
    own = (ProductBag.infusion_id == infusion.id) & ProductBag.status.in_(IN_USE)
    query = (
        select(ProductBag)
        .where(ProductBag.study_id == infusion.study_id, or_(own, ProductBag.id.in_(more)))
        .order_by(ProductBag.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).all()


async def _check_lots(
    session: AsyncSession, bags: Sequence[ProductBag], allocation: Allocation
) -> None:
    """Refuse unfit lots; a release cannot be taken back while this transaction runs.

    A start of today is judged by what was known then: product that was recalled after it was
    given. What began on an earlier day is entered in any case, unless the lot did not exist yet;
    that it was unfit shows as a deviation.
    """
    lots = await _lots(session, bags)
    known = await _known_at_start(session, bags, allocation)
    rules = allocation.protocol.rules.dosing
    reasons: list[Reason] = []
    for bag in bags:
        lot = known.get(bag.id, lot_fact(lots[bag.lot_id]))
        late = allocation.is_late_entry
        found = not_yet_made(lot, allocation.day) if late else unfit(lot, allocation.day, rules)
        reasons += of_bag(_label(bag, lots), found)
    if reasons:
        raise conflict(
            "lot_not_usable",
            "A bag's lot may not be infused on the day of the infusion; see errors.",
            tuple(reasons),
        )


async def _lots(session: AsyncSession, bags: Iterable[ProductBag]) -> Mapping[UUID, ProductLot]:
    """Read the lots of bags by their ids, and let nobody change them meanwhile."""
    bags = list(bags)
    query = (
        select(ProductLot)
        .where(
            ProductLot.study_id.in_({bag.study_id for bag in bags}),
            ProductLot.id.in_({bag.lot_id for bag in bags}),
        )
        .order_by(ProductLot.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    return {lot.id: lot for lot in await session.scalars(query)}


def _label(bag: ProductBag, lots: Mapping[UUID, ProductLot]) -> str:
    return bag_label(lots[bag.lot_id].lot_number, bag.bag_number)


async def _known_at_start(
    session: AsyncSession, bags: Sequence[ProductBag], allocation: Allocation
) -> Mapping[UUID, Lot]:
    """Find the lots as they were known at a start of today that is entered after it."""
    infusion = allocation.infusion
    started_at = infusion.started_at
    if started_at is None or started_at >= allocation.now or allocation.is_late_entry:
        return {}
    waiting = [bag.id for bag in bags if bag.status is BagStatus.ALLOCATED]
    moments = await bag_ledger.allocated_at(session, infusion.study_id, waiting)
    uses = [Use(bag.id, bag.lot_id, started_at, moments.get(bag.id)) for bag in bags]
    return await lots_at_start(session, infusion.study_id, uses, None)
