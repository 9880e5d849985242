"""The check of a bag before its infusion, by a scan of its label or by a second person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.bag_ledger import bag_label, precedes_allocation
from app.domain.errors import conflict, invalid
from app.domain.vocabulary import BagCheckMethod, BagStep
from app.models import BagMovement, Infusion, Operation, ProductBag, ProductLot
from app.services.access import Actor
from app.services.bag_allocation import IN_USE
from app.services.bag_ledger import LedgerLine, allocated_at, ensure_begun, ledgers
from app.services.history import fetch, lock
from app.services.locks import lock_study


async def check_bag(
    session: AsyncSession, actor: Actor, bag_id: UUID, values: Mapping[str, Any], now: datetime
) -> LedgerLine:
    """Record that a bag was checked to be one of an infusion, from its allocation on.

    Raises not_found, invalid for a check in the future or before the bag could be checked, and
    conflict for a bag of another infusion, another bag's label, or a check by who allocated the
    bag. Nothing is stored then.
    """
    await lock_study(session, actor.study_id)
    infusion = await fetch(session, Infusion, actor.study_id, values["infusion_id"])
    bag = await lock(session, ProductBag, actor.study_id, bag_id, None)
    checked_at = values["checked_at"] or now
    _check_not_ahead(checked_at, now)
    if bag.status not in IN_USE or bag.infusion_id != infusion.id:
        raise conflict(
            "bag_of_another_infusion",
            "This bag is not allocated to this infusion; take the right one, or allocate it.",
        )
    if values["checked_at"] is not None:
        await _check_moment(session, actor, (bag, infusion), checked_at)
    if values["method"] is BagCheckMethod.SCAN:
        await _match_label(session, bag, values["scanned_code"])
    else:
        await _second_person(session, actor, bag)
    await ensure_begun(session, bag, bag.status, infusion.id)
    row = BagMovement(
        study_id=actor.study_id,
        id=new_id(),
        bag_id=bag.id,
        step=BagStep.CHECKED,
        status_after=bag.status,
        infusion_id=infusion.id,
        volume_ml=0,
        method=values["method"],
        checked_at=checked_at,
    )
    session.add(row)
    await session.flush()
    return (await ledgers(session, actor.study_id, [bag.id], None))[bag.id][-1]


def _check_not_ahead(checked_at: datetime, now: datetime) -> None:
    if checked_at > now:
        raise invalid(
            "future_instant",
            "checked_at lies in the future; give when the bag was checked.",
            "/body/checked_at",
        )


async def _check_moment(
    session: AsyncSession, actor: Actor, use: tuple[ProductBag, Infusion], checked_at: datetime
) -> None:
    """Refuse a claim that the bag was checked before it was made, or before it was allocated."""
    bag, infusion = use
    lot = await fetch(session, ProductLot, actor.study_id, bag.lot_id)
    if checked_at.astimezone(ZoneInfo(actor.time_zone)).date() < lot.manufactured_on:
        raise invalid(
            "check_before_lot",
            "The bag's lot was made after this; give the moment of the check.",
            "/body/checked_at",
        )
    allocated = (await allocated_at(session, actor.study_id, [bag.id])).get(bag.id)
    started_at = infusion.started_at
    if started_at is not None and precedes_allocation(checked_at, allocated, started_at):
        raise invalid(
            "check_before_allocation",
            "The bag was allocated to this infusion after this; give the moment of the check.",
            "/body/checked_at",
        )


async def _match_label(session: AsyncSession, bag: ProductBag, code: str) -> None:
    """Refuse a code unless it is that of this bag, and of no other one of the study."""
    query = (
        select(ProductBag.id, ProductLot.lot_number, ProductBag.bag_number)
        .join(
            ProductLot,
            (ProductLot.study_id == ProductBag.study_id) & (ProductLot.id == ProductBag.lot_id),
        )
        .where(ProductBag.study_id == bag.study_id)
    )
    found = {
        each_id
        for each_id, lot_number, bag_number in await session.execute(query)
        if bag_label(lot_number, bag_number) == code
    }
    if found != {bag.id}:
        raise conflict(
            "wrong_label", "The scanned code is not this bag's; stop, and compare label and order."
        )


async def _second_person(session: AsyncSession, actor: Actor, bag: ProductBag) -> None:
    """Refuse who allocated the bag, and everybody if that is not known."""
    query = (
        select(Operation.actor_id)
        .join(
            BagMovement,
            (Operation.study_id == BagMovement.study_id)
            & (Operation.id == BagMovement.operation_id),
        )
        .where(
            BagMovement.study_id == actor.study_id,
            BagMovement.bag_id == bag.id,
            BagMovement.step == BagStep.ALLOCATED,
        )
        .order_by(BagMovement.recorded_at.desc(), BagMovement.id.desc())
        .limit(1)
    )
    allocated_by = await session.scalar(query)
    if allocated_by is None or allocated_by == actor.principal_id:
        raise conflict(
            "second_person_needed",
            "Two persons are needed: whoever allocated the bag does not check it; let another"
            " person check, or scan the label.",
        )
