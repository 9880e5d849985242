"""Which bags go into which infusion, and whether their lots may be infused on its day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from app.domain.errors import conflict, invalid
from app.domain.vocabulary import BagStatus
from app.models import Infusion, ProductBag, ProductLot
from app.services.product_lots import unfit
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


def count_change(infusion: Infusion) -> None:
    """Count a version of the infusion although only its bags changed."""
    flag_modified(infusion, "note")


async def replace_bags(
    session: AsyncSession, bag_ids: Sequence[UUID], allocation: Allocation
) -> None:
    """Make `bag_ids` the bags of an infusion; bags no longer named become available again.

    Raises invalid for unknown or repeated bags, conflict for a bag that is taken, of an unfit
    lot, or already infused and now left out.
    """
    wanted = set(bag_ids)
    infusion = allocation.infusion
    rows = await _lock_bags(session, infusion, wanted)
    if len(wanted) != len(bag_ids) or not wanted <= {row.id for row in rows}:
        raise invalid("bags_unknown", "Name registered bags, each once.", "/body/bag_ids")
    dropped = [row for row in rows if row.id not in wanted]
    if any(row.status is BagStatus.INFUSED for row in dropped):
        raise conflict(
            "bag_infused", "A bag that was infused stays with its infusion; name it again."
        )
    for row in dropped:
        row.status, row.infusion_id = BagStatus.AVAILABLE, None
    fresh = [row for row in rows if row.id in wanted and row.infusion_id != infusion.id]
    await allocate(session, fresh, allocation)
    count_change(infusion)
    await session.flush()


async def allocate(
    session: AsyncSession, bags: Iterable[ProductBag], allocation: Allocation
) -> None:
    """Allocate locked bags to an infusion; raise conflict if one is taken or its lot unfit."""
    bags = list(bags)
    if any(bag.status is not BagStatus.AVAILABLE for bag in bags):
        raise conflict(
            "bag_not_available",
            "A bag is not available any more; read the bags and choose another one.",
        )
    if bags and allocation.infusion.cancelled:
        raise conflict("infusion_cancelled", "The infusion is cancelled; it takes no bags.")
    await _check_lots(session, bags, allocation)
    for bag in bags:
        bag.status, bag.infusion_id = BagStatus.ALLOCATED, allocation.infusion.id


async def infuse_bags(session: AsyncSession, allocation: Allocation) -> None:
    """Mark the bags of a started infusion as infused.

    Raises conflict without any bag, and if a lot became unfit after its bag was allocated.
    """
    rows = await _lock_bags(session, allocation.infusion, set())
    if not rows:
        raise conflict("bags_missing", "Name the bags of the infusion, with its start or before.")
    allocated = [row for row in rows if row.status is BagStatus.ALLOCATED]
    await _check_lots(session, allocated, allocation)
    for row in allocated:
        row.status = BagStatus.INFUSED


async def free_bags(session: AsyncSession, infusion: Infusion) -> None:
    """Make the bags of a cancelled infusion available again."""
    for row in await _lock_bags(session, infusion, set()):
        row.status, row.infusion_id = BagStatus.AVAILABLE, None


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
    """Refuse unfit lots; a release cannot be taken back while this transaction runs."""
    query = (
        select(ProductLot)
        .where(
            ProductLot.study_id == allocation.infusion.study_id,
            ProductLot.id.in_({bag.lot_id for bag in bags}),
        )
        .order_by(ProductLot.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    rules = allocation.protocol.rules.dosing
    reasons = {
        reason: None
        for lot in await session.scalars(query)
        for reason in unfit(lot, allocation.day, rules)
    }
    if reasons:
        raise conflict(
            "lot_not_usable",
            "A bag's lot may not be infused on the day of the infusion; see errors.",
            tuple(reasons),
        )
