"""Deviations: derived from the records of each subject, beside what people reported and noted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.deviations import (
    Deviation,
    DeviationCode,
    DeviationFacts,
    ReportState,
    UnmetCriterion,
    derive_deviations,
)
from app.domain.errors import not_found
from app.domain.forbidden_dosing import forbidden_dosing
from app.domain.infusion_departures import infusion_departures
from app.domain.weighing import KnownWeights, Weighing, outdated_doses, weighings
from app.schemas.deviations import DeviationView
from app.services.access import Actor
from app.services.chain_of_identity import check_deviations
from app.services.deviation_records import Viewer, read_kept
from app.services.eligibility import first_infusion_day, weigh
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.forbidden_doses import forbidden_doses
from app.services.infusion_trail import weights_at_starts
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.report_clocks import report_states
from app.services.schedules import performed, plan_course

# What an infusion itself departs from; its visits and reports are the subject's.
_OF_INFUSIONS = frozenset(
    {
        DeviationCode.INFUSION_INTERVAL,
        DeviationCode.INFUSION_MISSED,
        DeviationCode.INFUSION_BEYOND_LEVEL,
        DeviationCode.DOSE_OUT_OF_TOLERANCE,
        DeviationCode.DOSE_NOT_RECALCULATED,
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
    """Show the deviations of all subjects and of the study, or of one subject, with their notes.

    By subject, day and key; those of no subject come last.
    """
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    found = [each for each in await load_subjects(session, scope) if actor.sees(each.site_id)]
    if subject_id is not None and not found:
        raise not_found("subject")
    numbers = {evidence.subject_id: evidence.subject.number for evidence in found}
    kept = await read_kept(session, actor, subject_id, past)
    viewer = Viewer(kept, numbers, protocol.basis(at))
    shown = [*viewer.reported()]
    for evidence in found:
        derived = await derive_of_subject(session, actor, evidence, Basis(protocol, at, past))
        shown += viewer.derived(evidence.subject_id, derived)
    return sorted(shown, key=_order)


def _order(view: DeviationView) -> tuple[bool, str, date, str]:
    return view.subject_id is None, str(view.subject_id), view.day, view.key


@dataclass(frozen=True, slots=True)
class Basis:
    """What deviations are derived by: the protocol in force at a moment, and what was known."""

    protocol: ActiveProtocol
    at: datetime
    past: datetime | None


async def derive_of_subject(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence, basis: Basis
) -> tuple[Deviation, ...]:
    """Derive every deviation of one subject: those against the ladder and unchecked bags last."""
    unmet = await _unmet(session, actor, evidence)
    reports = await _reports(session, actor, evidence, basis)
    forbidden = await forbidden_doses(session, actor, evidence, basis.past)
    weights = await _weights_at_starts(session, actor, evidence, basis.past)
    return (
        *_derive(evidence, basis, weights, unmet, reports),
        *forbidden_dosing(forbidden, basis.protocol.rules.deviations),
        *await check_deviations(session, actor, evidence, basis.protocol, basis.past),
    )


async def infusion_deviations(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence, basis: Basis
) -> defaultdict[str, tuple[Deviation, ...]]:
    """Derive the deviations of each infusion of a subject, by the infusion's id."""
    weights = await _weights_at_starts(session, actor, evidence, basis.past)
    found: defaultdict[str, tuple[Deviation, ...]] = defaultdict(tuple)
    for deviation in _derive(evidence, basis, weights):
        if deviation.code in _OF_INFUSIONS and deviation.evidence:
            found[deviation.evidence[0]] += (deviation,)
    return found


def _derive(
    evidence: SubjectEvidence,
    basis: Basis,
    weights: Mapping[str, Weighing],
    unmet: tuple[UnmetCriterion, ...] = (),
    reports: tuple[ReportState, ...] = (),
) -> tuple[Deviation, ...]:
    """Derive a subject's deviations from its records; `weights` are those on record at starts."""
    rules, place, infusions = basis.protocol.rules, evidence.place, evidence.infusions
    facts = DeviationFacts(
        schedule=plan_course(evidence, rules, basis.protocol.local_day(basis.at)),
        performed=performed(evidence, rules),
        unmet_criteria=unmet,
        reports=reports,
    )
    level = rules.dosing.level(place.dose_level) if place else None
    known = KnownWeights(weighings(evidence.assessments), weights)
    return (
        *derive_deviations(facts, rules.deviations),
        *infusion_departures(infusions, level, rules.deviations, rules.dosing),
        *outdated_doses(infusions, known, rules.deviations, rules.dosing),
    )


async def _weights_at_starts(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence, past: datetime | None
) -> Mapping[str, Weighing]:
    """Find the weight on the subject's own record at each start, by the infusion's id."""
    infusions = evidence.infusions
    return await weights_at_starts(session, actor.study_id, evidence.subject_id, infusions, past)


async def _reports(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence, basis: Basis
) -> tuple[ReportState, ...]:
    """Tell what became of the safety reports that are due on a subject's events."""
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), basis.past, evidence.subject_id)
    return await report_states(session, scope, evidence.events, basis.protocol.rules, basis.at)


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
