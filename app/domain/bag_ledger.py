"""The ledger of a bag: what each step put in or took out, in mL, and what has yet to be booked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.vocabulary import BagStatus, BagStep

_NOTHING = Decimal(0)
# What a bag was filled with, what entered a subject, what was thrown away: the rest moves nothing.
_FILLED = frozenset({BagStep.OPENED, BagStep.REGISTERED, BagStep.RECOUNTED})
_DISCARDED = frozenset({BagStep.DISCARDED, BagStep.REMAINDER_DISCARDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class BagMovement:
    """One step of one bag and how it stood after it; `volume_ml` is what the bag gained by it.

    `infusion_id` is the infusion concerned, which a returned bag has left; `recorded_at` is when
    the step was entered, None where that does not count.
    """

    step: BagStep
    status_after: BagStatus
    infusion_id: str | None = None
    volume_ml: Decimal = _NOTHING
    checked_at: datetime | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the content of a bag went, in mL; `left_ml` is what is still to be accounted for."""

    filled_ml: Decimal = _NOTHING
    infused_ml: Decimal = _NOTHING
    discarded_ml: Decimal = _NOTHING

    @property
    def left_ml(self) -> Decimal:
        """Return what is in the bag by the ledger; below zero more was given than it held."""
        return self.filled_ml - self.infused_ml - self.discarded_ml


def account(volumes: Iterable[tuple[BagStep, Decimal]]) -> Account:
    """Sum up a bag's ledger, given as (step, mL gained by it)."""
    filled = infused = discarded = _NOTHING
    for step, gained in volumes:
        if step in _FILLED:
            filled += gained
        elif step in _DISCARDED:
            discarded -= gained
        else:
            infused -= gained
    return Account(filled_ml=filled, infused_ml=infused, discarded_ml=discarded)


def share_out(given_ml: Decimal, contents_ml: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Say how much of a given volume came from each bag: one is emptied before the next is opened.

    What exceeds all bags together is charged to the last one, whose account then shows it.
    """
    shares: list[Decimal] = []
    rest = given_ml
    for content in contents_ml[:-1]:
        shares.append(min(content, rest))
        rest -= shares[-1]
    if contents_ml:
        shares.append(rest)
    return tuple(shares)


def due(status: BagStatus, content_ml: Decimal, share_ml: Decimal | None) -> Account:
    """Say what a bag's account should read; `share_ml` is None until the given volume is known.

    An opened bag is never kept: what of it was not given is discarded (C6).
    """
    if status is BagStatus.DISCARDED:
        return Account(filled_ml=content_ml, discarded_ml=content_ml)
    if status is BagStatus.INFUSED and share_ml is not None:
        remainder = max(content_ml - share_ml, _NOTHING)
        return Account(filled_ml=content_ml, infused_ml=share_ml, discarded_ml=remainder)
    return Account(filled_ml=content_ml)


def to_book(booked: Account, wanted: Account, status: BagStatus) -> Mapping[BagStep, Decimal]:
    """Return the volumes, by step, whose booking turns one account into the other.

    A ledger is only ever added to, so a correction is booked as a difference of either sign.
    """
    given, thrown = BagStep.INFUSED, BagStep.REMAINDER_DISCARDED
    if status is BagStatus.DISCARDED:
        given, thrown = BagStep.INFUSION_RETRACTED, BagStep.DISCARDED
    gained = {
        BagStep.RECOUNTED: wanted.filled_ml - booked.filled_ml,
        given: booked.infused_ml - wanted.infused_ml,
        thrown: booked.discarded_ml - wanted.discarded_ml,
    }
    return {step: volume for step, volume in gained.items() if volume != 0}


def bag_label(lot_number: str, bag_number: str) -> str:
    """Return what the code on a bag's label reads: the lot's number, a slash, the bag's number."""
    return f"{lot_number}/{bag_number}"


def is_unchecked(movements: Sequence[BagMovement], started_at: datetime) -> bool:
    """Tell whether a bag went into an infusion without a check from its allocation to the start.

    `movements` are the bag's, oldest first, and lead to the infusion that began at `started_at`. A
    check before the last allocation does not count; of a bag that was infused before the ledger
    began none was asked for.
    """
    infusion_id = movements[-1].infusion_id
    checks: list[datetime] = []
    for movement in reversed(movements):
        if movement.infusion_id != infusion_id:
            break
        if movement.step is BagStep.ALLOCATED:
            allocated_at = movement.recorded_at
            return all(precedes_allocation(each, allocated_at, started_at) for each in checks)
        if movement.step is BagStep.OPENED:
            return movement.status_after is not BagStatus.INFUSED and not checks
        if movement.checked_at is not None and movement.checked_at <= started_at:
            checks.append(movement.checked_at)
    return not checks


def precedes_allocation(
    checked_at: datetime, allocated_at: datetime | None, started_at: datetime
) -> bool:
    """Tell whether a check is said to be from before anybody knew what the bag was for.

    That counts where the allocation was recorded by the start; one that was entered after it says
    nothing about when it was made. People write down minutes.
    """
    if allocated_at is None or allocated_at > started_at:
        return False
    return checked_at < allocated_at.replace(second=0, microsecond=0)
