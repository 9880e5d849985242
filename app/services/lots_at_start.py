"""Lots as they were known when an infusion with their bags began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.product_fitness import Lot
from app.models import ProductLot
from app.services.history import apart, as_of


@dataclass(frozen=True, slots=True)
class Use:
    """A bag of a lot for an infusion that began; None where no allocation is on record yet."""

    bag_id: UUID
    lot_id: UUID
    started_at: datetime
    allocated_at: datetime | None


def lot_fact(row: ProductLot) -> Lot:
    """Read a lot."""
    return Lot(
        manufactured_on=row.manufactured_on,
        expires_on=row.expires_on,
        viability_percent=row.viability_percent,
        cells_per_bag=row.cells_per_bag,
        bag_volume_ml=row.bag_volume_ml,
        released=row.released,
    )


async def lots_at_start(
    session: AsyncSession, study_id: UUID, uses: Iterable[Use], past: datetime | None
) -> dict[UUID, Lot]:
    """Find the lot of each bag as it was known when its infusion began, by the bag's id.

    A lot that was entered only afterwards is taken as it was when the bag was allocated. What was
    not on record at either moment is left out.
    """
    known: dict[datetime, Mapping[UUID, Lot]] = {}
    found: dict[UUID, Lot] = {}
    for use in uses:
        for moment in (use.started_at, use.allocated_at):
            if moment is None or use.bag_id in found:
                continue
            then = min(moment, past or moment)
            if then not in known:
                known[then] = await _known(session, study_id, then)
            if use.lot_id in known[then]:
                found[use.bag_id] = known[then][use.lot_id]
    return found


async def _known(session: AsyncSession, study_id: UUID, moment: datetime) -> Mapping[UUID, Lot]:
    lot = as_of(ProductLot, study_id, moment)
    async with apart(session) as reader:
        rows = await reader.scalars(select(lot).where(lot.study_id == study_id))
        return {row.id: lot_fact(row) for row in rows}
