"""Eligibility: the criteria weighed on a subject's records, and people's answers to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import check_observation, end_days
from app.domain.eligibility import CriterionResult, Eligibility, evaluate
from app.domain.eligibility_answers import needs_reason
from app.domain.eligibility_evidence import EligibilityFacts
from app.domain.eligibility_rules import Criterion
from app.domain.errors import invalid, not_found
from app.models import Attestation
from app.schemas.eligibility import AttestationCreate
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.protocols import ActiveProtocol, active_protocol


async def read_eligibility(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> dict[str, Any]:
    """Weigh all criteria on what was known, from the study day of `at`."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    return draw_eligibility(await load_subject(session, scope), protocol, at)


def draw_eligibility(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> dict[str, Any]:
    """Weigh all criteria on a subject's facts, from the study day of `at`."""
    found = weigh(evidence, protocol, at)
    return {
        "subject_id": evidence.subject_id,
        "number": evidence.subject.number,
        "verdict": found.verdict,
        "reference_date": found.reference_date,
        "criteria": found.criteria,
        "failed": found.failed,
        "unknown": found.unknown,
        "flags": found.flags,
        **protocol.basis(at),
    }


def weigh(evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime) -> Eligibility:
    """Weigh all criteria on a subject's evidence."""
    facts = EligibilityFacts(
        subject=evidence.subject,
        labs=evidence.labs,
        transfusions=evidence.transfusions,
        medications=evidence.medications,
        assessments=evidence.assessments,
        attestations=evidence.attestations,
        first_infusion_day=first_infusion_day(evidence),
    )
    return evaluate(facts, protocol.rules.eligibility, protocol.local_day(at))


def first_infusion_day(evidence: SubjectEvidence) -> date | None:
    """Return the day of the first infusion, or None; a start that gave nothing is none."""
    started = (
        each.day for each in evidence.infusions if each.day is not None and each.may_have_entered
    )
    return min(started, default=None)


async def attest_criterion(
    session: AsyncSession,
    actor: Actor,
    place: tuple[UUID, str],
    answer: AttestationCreate,
    now: datetime,
) -> CriterionResult:
    """Add a person's answer for (subject, criterion) and return what the criterion comes to.

    Raises not_found for a criterion that the trial does not have, and invalid when the answer
    goes against or beyond the records without a reason.
    """
    subject_id, criterion_id = place
    protocol = await active_protocol(session, actor.study_id, now)
    criterion = protocol.rules.eligibility.criterion(criterion_id)
    if criterion is None:
        raise not_found("criterion")
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, subject_id)
    evidence = await load_subject(session, scope)
    check_observation(protocol.local_day(now), end_days(evidence.dispositions))
    before = _result(weigh(evidence, protocol, now), criterion)
    if answer.reason is None and needs_reason(criterion, before.computed_outcome, answer.met):
        raise invalid(
            "reason_required",
            "This goes against the records, or they should decide and do not; give the reason.",
            "/body/reason",
        )
    session.add(
        Attestation(
            study_id=actor.study_id,
            subject_id=subject_id,
            criterion=criterion.id,
            met=answer.met,
            reason=answer.reason,
        )
    )
    await session.flush()
    return _result(weigh(await load_subject(session, scope), protocol, now), criterion)


def _result(eligibility: Eligibility, criterion: Criterion) -> CriterionResult:
    return next(each for each in eligibility.criteria if each.id == criterion.id)
