"""The chain of identity: which bag of which lot went into a subject, by whose hands, and gaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.bag_ledger import BagMovement, account, bag_label, is_unchecked
from app.domain.chain_of_identity import (
    InfusedBag,
    chain_gaps,
    missing_bag_checks,
    unfit_product,
)
from app.domain.deviations import Deviation
from app.domain.dosing import DosingRules
from app.domain.errors import Reason
from app.domain.infusion_departures import volumes_beyond_bags
from app.domain.product_fitness import Lot, of_bag, unfit
from app.domain.vocabulary import BagStatus, BagStep
from app.models import Infusion, ProductBag, ProductLot, Subject
from app.schemas.product_tracing import (
    ChainOfIdentityView,
    TracedBag,
    TracedInfusion,
    TracedStep,
)
from app.services.access import Actor
from app.services.bag_allocation import IN_USE
from app.services.bag_ledger import LedgerLine, ledgers
from app.services.evidence import SubjectEvidence
from app.services.evidence_mapping import infusion as to_fact
from app.services.history import as_of, fetch
from app.services.lots_at_start import Use, lot_fact, lots_at_start
from app.services.protocols import ActiveProtocol, active_protocol


@dataclass(frozen=True, slots=True)
class _Link:
    """A bag as it is shown, and as the rules read it."""

    shown: TracedBag
    fact: InfusedBag


@dataclass(frozen=True, slots=True)
class _Found:
    """A bag of an infusion with its lot, now or as they were, and its steps."""

    infusion: facts.Infusion
    bag: ProductBag
    lot: ProductLot
    lines: Sequence[LedgerLine]

    @property
    def in_use(self) -> bool:
        """Tell whether the infusion uses the bag; else it was discarded, or taken back."""
        return self.bag.status in IN_USE

    @property
    def label(self) -> str:
        """Return what the code on the bag reads."""
        return bag_label(self.lot.lot_number, self.bag.bag_number)

    @property
    def allocated_at(self) -> datetime | None:
        """Return when the bag was allocated last, as it was recorded."""
        found = [line.recorded_at for line in self.lines if line.step is BagStep.ALLOCATED]
        return max(found, default=None)


class _Links:
    """The bags that infusions use, and those taken back from them, by the infusion's id."""

    def __init__(self) -> None:
        self.used: defaultdict[UUID, list[_Link]] = defaultdict(list)
        self.taken_back: defaultdict[UUID, list[_Link]] = defaultdict(list)


async def read_chain(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> ChainOfIdentityView:
    """Trace the product of a subject's infusions, now or as it was; raise not_found."""
    subject = await fetch(session, Subject, actor.study_id, subject_id, past)
    infusion = as_of(Infusion, actor.study_id, past)
    query = (
        select(infusion)
        .where(infusion.study_id == actor.study_id, infusion.subject_id == subject_id)
        .order_by(infusion.number)
    )
    protocol = await active_protocol(session, actor.study_id, at, past)
    rows = (await session.scalars(query)).all()
    traced = await trace(session, actor, rows, protocol, past)
    return ChainOfIdentityView(
        subject_id=subject_id,
        subject_number=subject.number,
        unbroken=not any(each.gaps for each in traced),
        infusions=tuple(traced),
        as_of=at,
    )


async def trace(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[Infusion],
    protocol: ActiveProtocol,
    past: datetime | None,
) -> list[TracedInfusion]:
    """Find, in this order, the bags that infusions use with their steps, and what is missing."""
    zone, rules = ZoneInfo(actor.time_zone), protocol.rules.dosing
    given = {row.id: to_fact(row, zone) for row in rows}
    links = await _links(session, actor.study_id, given, rules, past)
    return [
        TracedInfusion(
            infusion_id=row.id,
            number=row.number,
            dose_level=row.dose_level,
            planned_date=row.planned_date,
            started_at=row.started_at,
            day=given[row.id].day,
            volume_ml=row.volume_ml,
            cancelled=row.cancelled,
            bags=tuple(link.shown for link in links.used[row.id]),
            taken_back=tuple(link.shown for link in links.taken_back[row.id]),
            gaps=chain_gaps(given[row.id], [link.fact for link in links.used[row.id]], rules),
        )
        for row in rows
    ]


async def check_deviations(
    session: AsyncSession,
    actor: Actor,
    evidence: SubjectEvidence,
    protocol: ActiveProtocol,
    past: datetime | None,
) -> tuple[Deviation, ...]:
    """Report a subject's infusions with unchecked bags, unfit product, or more than bags held."""
    rules = protocol.rules
    started = {UUID(fact.id): fact for fact in evidence.infusions if fact.started_at is not None}
    links = await _links(session, actor.study_id, started, rules.dosing, past)
    infused = [(fact, [link.fact for link in links.used[key]]) for key, fact in started.items()]
    return (
        *missing_bag_checks(infused, rules.deviations),
        *unfit_product(infused, rules.deviations, rules.dosing),
        *volumes_beyond_bags(infused, rules.deviations),
    )


async def _links(
    session: AsyncSession,
    study_id: UUID,
    infusions: Mapping[UUID, facts.Infusion],
    rules: DosingRules,
    past: datetime | None,
) -> _Links:
    """Find the bags allocated to infusions, infused with them, or taken back from them."""
    links = _Links()
    found = await _find(session, study_id, infusions, past)
    uses = [
        Use(each.bag.id, each.lot.id, each.infusion.started_at, each.allocated_at)
        for each in found
        if each.infusion.started_at is not None
    ]
    known = await lots_at_start(session, study_id, uses, past)
    for each in found:
        group = links.used if each.in_use else links.taken_back
        faults = _faults(each, known.get(each.bag.id), rules)
        group[UUID(each.infusion.id)].append(_link(each, faults))
    return links


async def _find(
    session: AsyncSession,
    study_id: UUID,
    infusions: Mapping[UUID, facts.Infusion],
    past: datetime | None,
) -> list[_Found]:
    """Read the bags of infusions; of the discarded ones those that were taken back."""
    if not infusions:
        return []
    bag, lot = (as_of(model, study_id, past) for model in (ProductBag, ProductLot))
    query = (
        select(bag, lot)
        .join(lot, (lot.study_id == bag.study_id) & (lot.id == bag.lot_id))
        .where(bag.study_id == study_id, bag.infusion_id.in_(infusions))
        .order_by(bag.id)
    )
    rows = (await session.execute(query)).all()
    steps = await ledgers(session, study_id, [row.id for row, _ in rows], past)
    found = [
        _Found(infusions[row.infusion_id], row, of_lot, steps.get(row.id, []))
        for row, of_lot in rows
    ]
    taken_back = BagStep.INFUSION_RETRACTED
    return [
        each for each in found if each.in_use or any(line.step is taken_back for line in each.lines)
    ]


def _faults(found: _Found, at_start: Lot | None, rules: DosingRules) -> tuple[Reason, ...]:
    """Give the reasons against a lot on the day of an infusion, by what is known of it now.

    A release is the one thing that is not corrected but ends: what was recalled later was fit.
    """
    day = found.infusion.day
    if day is None:
        return ()
    lot = replace(lot_fact(found.lot), released=at_start.released if at_start else None)
    return of_bag(found.label, unfit(lot, day, rules))


def _link(found: _Found, faults: tuple[Reason, ...]) -> _Link:
    row, lot, started_at = found.bag, found.lot, found.infusion.started_at
    movements = [_movement(line) for line in found.lines]
    content = account((each.step, each.volume_ml) for each in movements)
    shown = TracedBag(
        bag_id=row.id,
        lot_id=lot.id,
        lot_number=lot.lot_number,
        bag_number=row.bag_number,
        label=found.label,
        status=row.status,
        filled_ml=content.filled_ml,
        infused_ml=content.infused_ml,
        discarded_ml=content.discarded_ml,
        left_ml=content.left_ml,
        steps=tuple(_step(line) for line in found.lines),
    )
    # Of a moment before the ledger began nothing is known, which accuses nobody.
    fact = InfusedBag(
        id=str(row.id),
        label=found.label,
        account=content,
        unchecked=bool(movements)
        and started_at is not None
        and is_unchecked(movements, started_at),
        unfit=faults,
        before_ledger=not movements or _was_infused_before(movements),
    )
    return _Link(shown, fact)


def _was_infused_before(movements: Sequence[BagMovement]) -> bool:
    first = movements[0]
    return first.step is BagStep.OPENED and first.status_after is BagStatus.INFUSED


def _movement(line: LedgerLine) -> BagMovement:
    return BagMovement(
        step=line.step,
        status_after=line.status_after,
        infusion_id=None if line.infusion_id is None else str(line.infusion_id),
        volume_ml=line.volume_ml,
        checked_at=line.checked_at,
        recorded_at=line.recorded_at,
    )


def _step(line: LedgerLine) -> TracedStep:
    return TracedStep(
        step=line.step,
        status_after=line.status_after,
        infusion_id=line.infusion_id,
        left_ml=line.left_ml,
        method=line.method,
        checked_at=line.checked_at,
        actor_name=line.actor_name,
        role=line.role,
        recorded_at=line.recorded_at,
    )
