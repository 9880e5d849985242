"""Look-back: which subjects got product of a lot, and what happened to each of them since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.dlt_standing import DltStanding
from app.domain.response import derive_response
from app.models import Infusion, ProductBag, ProductLot
from app.schemas.product_tracing import (
    BagOfLookBack,
    EventSince,
    Exit,
    ExposedSubject,
    LookBackView,
    LotOfLookBack,
    TracedInfusion,
)
from app.services.access import Actor
from app.services.adverse_event_conclusions import dlt_course
from app.services.bag_allocation import IN_USE
from app.services.bag_ledger import own_infusions
from app.services.chain_of_identity import trace
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.history import as_of, fetch
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.response import response_facts


async def read_look_back(
    session: AsyncSession, actor: Actor, lot_id: UUID, at: datetime, past: datetime | None
) -> LookBackView:
    """Follow a lot to the subjects and what happened since; raise not_found.

    Bags that are allocated count too: who waits for an infusion has to know as well. Whoever is
    bound to sites is shown the subjects of these.
    """
    lot = await fetch(session, ProductLot, actor.study_id, lot_id, past)
    bag = as_of(ProductBag, actor.study_id, past)
    of_lot = select(bag).where(bag.study_id == actor.study_id, bag.lot_id == lot_id)
    bags = (await session.scalars(of_lot.order_by(bag.id))).all()
    protocol = await active_protocol(session, actor.study_id, at, past)
    used = {row.infusion_id for row in bags if row.status in IN_USE}
    own = await own_infusions(session, actor.study_id, {row.infusion_id for row in bags})
    infusions = await _infusions(session, actor, used, protocol, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    found = await load_subjects(session, scope) if infusions else []
    today = protocol.local_day(at)
    return LookBackView(
        lot=_lot(lot),
        bags=tuple(_bag(row, own) for row in bags),
        subjects=tuple(
            _follow(evidence, infusions[evidence.subject_id], protocol, today)
            for evidence in found
            if evidence.subject_id in infusions
        ),
        **protocol.basis(at),
    )


async def _infusions(
    session: AsyncSession,
    actor: Actor,
    ids: set[UUID | None],
    protocol: ActiveProtocol,
    past: datetime | None,
) -> defaultdict[UUID, list[TracedInfusion]]:
    """Trace infusions that the actor may see, by the subject's id and in order."""
    infusion = as_of(Infusion, actor.study_id, past)
    query = (
        select(infusion)
        .where(infusion.study_id == actor.study_id, infusion.id.in_(ids))
        .order_by(infusion.number, infusion.id)
    )
    rows = (await session.scalars(query)).all()
    found: defaultdict[UUID, list[TracedInfusion]] = defaultdict(list)
    traced = await trace(session, actor, rows, protocol, past)
    for row, each in zip(rows, traced, strict=True):
        found[row.subject_id].append(each)
    return found


def _follow(
    evidence: SubjectEvidence,
    infusions: Sequence[TracedInfusion],
    protocol: ActiveProtocol,
    today: date,
) -> ExposedSubject:
    """Tell what happened to a subject since the first infusion from the lot."""
    exposed_on = min((each.day for each in infusions if each.day is not None), default=None)
    rules = protocol.rules
    standings = dlt_course(evidence, rules).standings
    events = [] if exposed_on is None else _since(evidence.events, exposed_on)
    return ExposedSubject(
        subject_id=evidence.subject_id,
        subject_number=evidence.subject.number,
        dose_level=evidence.place.dose_level if evidence.place else None,
        exposed_on=exposed_on,
        infusions=tuple(infusions),
        events=tuple(_event(event, days, standings[event.id]) for event, days in events),
        response=derive_response(response_facts(evidence, rules), rules.response, today).best,
        exits=tuple(Exit(event=each.event, day=each.day) for each in evidence.dispositions),
    )


def _since(
    events: Sequence[facts.AdverseEvent], exposed_on: date
) -> list[tuple[facts.AdverseEvent, int]]:
    """Pick the events from a day on, each with the days since; what lasted on that day counts too.

    It can have got worse since, and a grade is the worst of an event's whole course.
    """
    return [
        (event, (event.onset_day - exposed_on).days)
        for event in events
        if event.onset_day >= exposed_on or event.end_day is None or event.end_day >= exposed_on
    ]


def _event(event: facts.AdverseEvent, days_since: int, dlt: DltStanding) -> EventSince:
    return EventSince(
        id=UUID(event.id),
        term=event.term,
        soc=event.soc,
        grade=event.grade,
        onset_at=event.onset_at,
        onset_day=event.onset_day,
        end_day=event.end_day,
        days_since=days_since,
        began_before=days_since < 0,
        serious=bool(event.seriousness),
        seriousness=tuple(sorted(event.seriousness)),
        causality=event.causality,
        dlt=dlt,
    )


def _lot(row: ProductLot) -> LotOfLookBack:
    return LotOfLookBack(**{each.name: getattr(row, each.name) for each in fields(LotOfLookBack)})


def _bag(row: ProductBag, own: frozenset[UUID]) -> BagOfLookBack:
    """Show a bag, and its infusion only to whoever may see that."""
    return BagOfLookBack(
        id=row.id,
        bag_number=row.bag_number,
        status=row.status,
        infusion_id=row.infusion_id if row.infusion_id in own else None,
    )
