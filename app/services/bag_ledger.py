"""The ledger of bags: a line for each step, written in the transaction that takes the step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.bag_ledger import Account, account, due, share_out, to_book
from app.domain.vocabulary import BagCheckMethod, BagStatus, BagStep
from app.models import BagMovement, Infusion, Operation, ProductBag, ProductLot
from app.services.access import Actor
from app.services.history import as_of, fetch
from app.services.site_wall import across_sites

_NOTHING = Decimal(0)
# The steps of one transaction in the order in which a bag takes them.
_ORDER = list(BagStep)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """A step of a bag, what was in the bag after it, and who took it and why.

    Of a step for another site's infusion the reader is shown what moved, and nobody's name or word.
    """

    id: UUID
    bag_id: UUID
    step: BagStep
    status_after: BagStatus
    infusion_id: UUID | None
    volume_ml: Decimal
    left_ml: Decimal
    method: BagCheckMethod | None
    checked_at: datetime | None
    actor_name: str | None
    role: str | None
    reason: str | None
    recorded_at: datetime

    def masked(self) -> LedgerLine:
        """Keep volumes, states and times, so that the balance can be followed."""
        return replace(
            self,
            infusion_id=None,
            method=None,
            checked_at=None,
            actor_name=None,
            role=None,
            reason=None,
        )


async def list_movements(
    session: AsyncSession, actor: Actor, bag_id: UUID, past: datetime | None
) -> list[LedgerLine]:
    """List every step of a bag, the first taken first; raise not_found."""
    await fetch(session, ProductBag, actor.study_id, bag_id, past)
    return (await ledgers(session, actor.study_id, [bag_id], past)).get(bag_id, [])


async def ledgers(
    session: AsyncSession, study_id: UUID, bag_ids: Iterable[UUID], past: datetime | None
) -> dict[UUID, list[LedgerLine]]:
    """Read the ledgers of bags, now or as they were, by the bag's id."""
    movement = as_of(BagMovement, study_id, past)
    query = (
        select(movement, Operation)
        .join(
            Operation,
            (Operation.study_id == movement.study_id) & (Operation.id == movement.operation_id),
        )
        .where(movement.study_id == study_id, movement.bag_id.in_(set(bag_ids)))
        .order_by(movement.recorded_at, movement.id)
    )
    # What is left in a bag rests on all of its steps, wherever they were taken.
    async with across_sites(session):
        rows = (await session.execute(query)).all()
    own = await own_infusions(session, study_id, {row.infusion_id for row, _ in rows})
    found: dict[UUID, list[LedgerLine]] = {}
    for row, operation in rows:
        lines = found.setdefault(row.bag_id, [])
        left = (lines[-1].left_ml if lines else _NOTHING) + row.volume_ml
        line = _shown(row, operation, left)
        lines.append(line if row.infusion_id in {None, *own} else line.masked())
    return found


def _shown(row: BagMovement, operation: Operation, left_ml: Decimal) -> LedgerLine:
    return LedgerLine(
        id=row.id,
        bag_id=row.bag_id,
        step=row.step,
        status_after=row.status_after,
        infusion_id=row.infusion_id,
        volume_ml=row.volume_ml,
        left_ml=left_ml,
        method=row.method,
        checked_at=row.checked_at,
        actor_name=operation.actor_name,
        role=operation.role,
        reason=operation.reason,
        recorded_at=row.recorded_at,
    )


async def own_infusions(
    session: AsyncSession, study_id: UUID, ids: Collection[UUID | None]
) -> frozenset[UUID]:
    """Find which of these infusions the session's reader may see: those of the own sites."""
    named = [each for each in ids if each is not None]
    query = select(Infusion.id).where(Infusion.study_id == study_id, Infusion.id.in_(named))
    return frozenset(await session.scalars(query))


async def allocated_at(
    session: AsyncSession, study_id: UUID, bag_ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Find when each bag was allocated last, as it was recorded."""
    query = (
        select(BagMovement.bag_id, func.max(BagMovement.recorded_at))
        .where(
            BagMovement.study_id == study_id,
            BagMovement.bag_id.in_(bag_ids),
            BagMovement.step == BagStep.ALLOCATED,
        )
        .group_by(BagMovement.bag_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def enter(session: AsyncSession, bag: ProductBag, content_ml: Decimal) -> None:
    """Begin the ledger of a bag that was just registered."""
    await _write(session, bag, {BagStep.REGISTERED: content_ml}, None)


async def record(
    session: AsyncSession,
    bag: ProductBag,
    step: BagStep | None,
    infusion_id: UUID | None,
    share_ml: Decimal | None = None,
) -> None:
    """Write a bag's step, and what its account lacks by how it stands now; None only settles.

    `bag` has its new status already, `infusion_id` is the infusion that the step concerns.
    """
    booked = await ensure_begun(session, bag, _before(bag, step, infusion_id), infusion_id)
    wanted = due(bag.status, await _content(session, bag), share_ml)
    gained = dict(to_book(booked, wanted, bag.status))
    if step is not None:
        gained.setdefault(step, _NOTHING)
    await _write(session, bag, gained, infusion_id)


async def ensure_begun(
    session: AsyncSession, bag: ProductBag, status: BagStatus, infusion_id: UUID | None
) -> Account:
    """Return a bag's account; one from before the ledger gets its first line, as it stood."""
    query = select(BagMovement.step, BagMovement.volume_ml).where(
        BagMovement.study_id == bag.study_id, BagMovement.bag_id == bag.id
    )
    async with across_sites(session):
        booked = (await session.execute(query)).all()
    if booked:
        return account((step, volume) for step, volume in booked)
    content = await _content(session, bag)
    concerned = None if status is BagStatus.AVAILABLE else infusion_id
    session.add(_line(bag, BagStep.OPENED, (status, concerned), content))
    return Account(filled_ml=content)


def _before(bag: ProductBag, step: BagStep | None, infusion_id: UUID | None) -> BagStatus:
    """Say how a bag stood before a step that it has taken."""
    if step is None:
        return bag.status
    if step is BagStep.ALLOCATED or infusion_id is None:
        return BagStatus.AVAILABLE
    if step is BagStep.INFUSION_RETRACTED:
        return BagStatus.INFUSED
    return BagStatus.ALLOCATED


async def settle_infusion(
    session: AsyncSession, infusion: Infusion, bags: Sequence[ProductBag], fresh: set[UUID]
) -> None:
    """Account for the bags of a started infusion by the volume that is recorded for it.

    `bags` are all of its infused bags in the order of their ids; those in `fresh` became infused
    in this very step.
    """
    shares: Sequence[Decimal | None] = [None] * len(bags)
    if infusion.volume_ml is not None:
        contents = await _contents(session, bags)
        shares = share_out(infusion.volume_ml, [contents[bag.lot_id] for bag in bags])
    for bag, share in zip(bags, shares, strict=True):
        step = BagStep.INFUSED if bag.id in fresh else None
        await record(session, bag, step, infusion.id, share)


async def recount(session: AsyncSession, lot: ProductLot) -> None:
    """Book the corrected content of a lot's bags; what was given of each is settled anew."""
    bags = await _bags(session, lot.study_id, ProductBag.lot_id == lot.id)
    given = {bag.infusion_id for bag in bags if bag.status is BagStatus.INFUSED}
    query = select(Infusion).where(Infusion.study_id == lot.study_id, Infusion.id.in_(given))
    async with across_sites(session):
        for bag in bags:
            if bag.status is not BagStatus.INFUSED:
                await record(session, bag, None, bag.infusion_id)
        for infusion in (await session.scalars(query.order_by(Infusion.id))).all():
            own = (ProductBag.infusion_id == infusion.id) & (ProductBag.status == BagStatus.INFUSED)
            used = await _bags(session, lot.study_id, own)
            await settle_infusion(session, infusion, used, set())


async def _content(session: AsyncSession, bag: ProductBag) -> Decimal:
    return (await _contents(session, [bag]))[bag.lot_id]


async def _contents(session: AsyncSession, bags: Sequence[ProductBag]) -> Mapping[UUID, Decimal]:
    """Read what a bag of each lot holds, in mL, by the lot's id."""
    query = select(ProductLot.id, ProductLot.bag_volume_ml).where(
        ProductLot.study_id.in_({bag.study_id for bag in bags}),
        ProductLot.id.in_({bag.lot_id for bag in bags}),
    )
    return {row.id: row.bag_volume_ml for row in await session.execute(query)}


async def _bags(session: AsyncSession, study_id: UUID, condition: Any) -> Sequence[ProductBag]:
    query = select(ProductBag).where(ProductBag.study_id == study_id, condition)
    locked = query.order_by(ProductBag.id).with_for_update(key_share=True)
    return (await session.scalars(locked)).all()


async def _write(
    session: AsyncSession,
    bag: ProductBag,
    gained: Mapping[BagStep, Decimal],
    infusion_id: UUID | None,
) -> None:
    after = bag.status, infusion_id
    session.add_all(
        _line(bag, step, after, gained[step]) for step in sorted(gained, key=_ORDER.index)
    )
    await session.flush()


def _line(
    bag: ProductBag, step: BagStep, after: tuple[BagStatus, UUID | None], volume_ml: Decimal
) -> BagMovement:
    status, infusion_id = after
    return BagMovement(
        study_id=bag.study_id,
        id=new_id(),
        bag_id=bag.id,
        step=step,
        status_after=status,
        infusion_id=infusion_id,
        volume_ml=volume_ml,
    )
