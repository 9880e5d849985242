"""Infusions as they are read: the record, its bags, and the deviations that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.deviations import Deviation
from app.domain.dosing import nominal_cells, weight_change_needs_new_dose
from app.domain.errors import not_found
from app.domain.forbidden_dosing import ForbiddenDose, forbidden_dosing
from app.domain.infusion_reactions import InfusionReaction, infusion_reactions
from app.domain.weighing import last_weighing, weighings
from app.models import Infusion, ProductBag, ProductLot
from app.services.access import Actor
from app.services.bag_allocation import IN_USE
from app.services.chain_of_identity import check_deviations
from app.services.deviations import Basis, infusion_deviations
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.forbidden_doses import forbidden_doses
from app.services.history import as_of
from app.services.paging import Page, PageRequest, page
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.role_matrix import Area, Right


@dataclass(frozen=True, slots=True)
class InfusionKey:
    """Which infusion: of whom, and which number."""

    subject_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class InfusedBag:
    """A bag of an infusion with the number of its lot."""

    id: UUID
    lot_id: UUID
    lot_number: str
    bag_number: str
    status: str


@dataclass(frozen=True, slots=True)
class InfusionWithConduct:
    """An infusion's row beside its bags and what follows from the records."""

    row: Infusion
    bags: Sequence[InfusedBag]
    given: bool
    nominal_cells: Decimal | None
    new_dose_needed: bool
    deviations: tuple[Deviation, ...]
    reactions: tuple[InfusionReaction, ...] | None
    protocol_version: int
    protocol_digest: str
    as_of: datetime

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the infusion's."""
        return getattr(self.row, name)


async def list_infusions(
    session: AsyncSession, actor: Actor, subject_id: UUID, wanted: PageRequest, at: datetime
) -> Page:
    """List a page of a subject's infusions in the order of their numbers."""
    reading = await _open(session, actor, subject_id, at, wanted.moment)
    entity = as_of(Infusion, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.subject_id == subject_id)
    found = await page(session, query, entity.id, wanted)
    return Page(await _with_conduct(session, found.items, reading), found.next)


async def read_infusion(
    session: AsyncSession, actor: Actor, key: InfusionKey, at: datetime, past: datetime | None
) -> InfusionWithConduct:
    """Read one infusion, now or as it was; raise not_found."""
    reading = await _open(session, actor, key.subject_id, at, past)
    entity = as_of(Infusion, actor.study_id, past)
    row = await session.scalar(
        select(entity).where(
            entity.study_id == actor.study_id,
            entity.subject_id == key.subject_id,
            entity.number == key.number,
        )
    )
    if row is None:
        raise not_found("infusion")
    (infusion,) = await _with_conduct(session, [row], reading)
    return infusion


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the infusions of one subject are read against."""

    study_id: UUID
    evidence: SubjectEvidence
    protocol: ActiveProtocol
    at: datetime
    past: datetime | None
    departures: Mapping[str, tuple[Deviation, ...]]
    forbidden: tuple[ForbiddenDose, ...]
    unchecked: tuple[Deviation, ...]
    shows_events: bool


async def _open(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> _Reading:
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    evidence = await load_subject(session, scope)
    departures = await infusion_deviations(session, actor, evidence, Basis(protocol, at, past))
    forbidden = await forbidden_doses(session, actor, evidence, past)
    unchecked = await check_deviations(session, actor, evidence, protocol, past)
    shows_events = actor.may(Area.ADVERSE_EVENT, Right.READ, evidence.site_id)
    return _Reading(
        actor.study_id, evidence, protocol, at, past, departures, forbidden, unchecked, shows_events
    )


async def _with_conduct(
    session: AsyncSession, rows: Iterable[Infusion], reading: _Reading
) -> list[InfusionWithConduct]:
    """Put bags and conclusions beside each row."""
    rows = list(rows)
    bags = await _bags_of(session, rows, reading)
    rules, weights = reading.protocol.rules, _weights(reading.evidence)
    deviations = defaultdict(tuple, reading.departures)
    against_ladder = forbidden_dosing(reading.forbidden, rules.deviations)
    for deviation in (*against_ladder, *reading.unchecked):
        deviations[deviation.evidence[0]] += (deviation,)
    reactions = _reactions(reading)
    return [
        InfusionWithConduct(
            row=row,
            bags=bags[row.id],
            given=row.started_at is not None and bool(row.volume_ml),
            nominal_cells=None
            if row.volume_ml is None
            else nominal_cells(row.volume_ml, rules.dosing),
            new_dose_needed=row.started_at is None
            and not row.cancelled
            and any(
                weight_change_needs_new_dose(row.weight_kg, weight, rules.dosing)
                for weight in weights
            ),
            deviations=deviations[str(row.id)],
            reactions=reactions.get(str(row.id)),
            **reading.protocol.basis(reading.at),
        )
        for row in rows
    ]


def _reactions(reading: _Reading) -> dict[str, tuple[InfusionReaction, ...]]:
    """Find the reactions to each infusion, by its id; none for a role that reads no events."""
    if not reading.shows_events:
        return {}
    evidence, rules = reading.evidence, reading.protocol.rules.dosing
    return {
        infusion.id: infusion_reactions(infusion, evidence.events, rules)
        for infusion in evidence.infusions
    }


def _weights(evidence: SubjectEvidence) -> tuple[Decimal, ...]:
    """Return the subject's recorded weight and the one measured last: a dose has to suit both."""
    last = last_weighing(weighings(evidence.assessments))
    found = (evidence.subject.weight_kg, last.weight_kg if last else None)
    return tuple(weight for weight in found if weight is not None)


async def _bags_of(
    session: AsyncSession, rows: Sequence[Infusion], reading: _Reading
) -> defaultdict[UUID, list[InfusedBag]]:
    """Find the bags that infusions use, now or as it was."""
    bag = as_of(ProductBag, reading.study_id, reading.past)
    lot = as_of(ProductLot, reading.study_id, reading.past)
    wanted = (
        select(bag)
        .where(
            bag.study_id == reading.study_id,
            bag.infusion_id.in_([row.id for row in rows]),
            bag.status.in_(IN_USE),
        )
        .order_by(bag.id)
    )
    found = (await session.scalars(wanted)).all()
    lots = select(lot).where(
        lot.study_id == reading.study_id, lot.id.in_({item.lot_id for item in found})
    )
    numbers = {item.id: item.lot_number for item in await session.scalars(lots)}
    grouped: defaultdict[UUID, list[InfusedBag]] = defaultdict(list)
    for item in found:
        grouped[item.infusion_id].append(
            InfusedBag(item.id, item.lot_id, numbers[item.lot_id], item.bag_number, item.status)
        )
    return grouped
