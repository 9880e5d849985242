"""Deviations: derived from the records of each subject, never stored."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.deviations import (
    Deviation,
    DeviationCode,
    DeviationFacts,
    UnmetCriterion,
    derive_deviations,
)
from app.domain.errors import not_found
from app.domain.forbidden_dosing import forbidden_dosing
from app.schemas.deviations import DeviationView
from app.services.access import Actor
from app.services.eligibility import first_infusion_day, weigh
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.forbidden_doses import forbidden_doses
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.schedules import performed, plan_course

# What an infusion itself departs from; its visits and reports are the subject's.
_OF_INFUSIONS = frozenset(
    {
        DeviationCode.INFUSION_INTERVAL,
        DeviationCode.INFUSION_MISSED,
        DeviationCode.DOSE_OUT_OF_TOLERANCE,
        DeviationCode.PREMEDICATION_MISSING,
        DeviationCode.PREMEDICATION_DOSE,
        DeviationCode.PREMEDICATION_LATE,
    }
)


async def list_deviations(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID | None,
    at: datetime,
    past: datetime | None,
) -> list[DeviationView]:
    """Derive the deviations of all subjects or of one, by subject, day and key."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    found = await load_subjects(session, scope)
    if subject_id is not None and not found:
        raise not_found("subject")
    return [
        DeviationView(
            **{field.name: getattr(deviation, field.name) for field in fields(Deviation)},
            subject_id=evidence.subject_id,
            subject_number=evidence.subject.number,
            **protocol.basis(at),
        )
        for evidence in found
        if actor.sees(evidence.site_id)
        for deviation in (
            *_derive(evidence, protocol, at, await _unmet(session, actor, evidence)),
            *forbidden_dosing(
                await forbidden_doses(session, actor, evidence, past), protocol.rules.deviations
            ),
        )
    ]


def infusion_deviations(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> defaultdict[str, tuple[Deviation, ...]]:
    """Derive the deviations of each infusion of a subject, by the infusion's id."""
    found: defaultdict[str, tuple[Deviation, ...]] = defaultdict(tuple)
    for deviation in _derive(evidence, protocol, at):
        if deviation.code in _OF_INFUSIONS and deviation.evidence:
            found[deviation.evidence[0]] += (deviation,)
    return found


def _derive(
    evidence: SubjectEvidence,
    protocol: ActiveProtocol,
    at: datetime,
    unmet: tuple[UnmetCriterion, ...] = (),
) -> tuple[Deviation, ...]:
    """Derive a subject's deviations; no report is late as long as reports sent are not recorded."""
    rules = protocol.rules
    facts = DeviationFacts(
        schedule=plan_course(evidence, rules, protocol.local_day(at)),
        infusions=evidence.infusions,
        performed=performed(evidence, rules),
        unmet_criteria=unmet,
        reports=(),
    )
    return derive_deviations(facts, rules.deviations, rules.dosing)


async def _unmet(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence
) -> tuple[UnmetCriterion, ...]:
    """Find the criteria that an enrolled subject did not meet, by the records as they read today.

    The criteria are those of the protocol that was in force at the enrolment. Once the subject
    was infused they are held against the day of that infusion, and an open one departs as well:
    nobody may be treated on results that are too old.
    """
    place = evidence.place
    if place is None:
        return ()
    protocol = await active_protocol(session, actor.study_id, place.at, place.at)
    infused = first_infusion_day(evidence)
    criteria = weigh(evidence, protocol, place.at).criteria
    failed = [
        UnmetCriterion(criterion=criterion.id, day=place.day, evidence=criterion.evidence)
        for criterion in criteria
        if criterion.permits_entry is False
    ]
    unsettled = [
        UnmetCriterion(criterion=criterion.id, day=infused, evidence=criterion.evidence, open=True)
        for criterion in criteria
        if criterion.permits_entry is None and infused is not None
    ]
    return (*failed, *unsettled)
