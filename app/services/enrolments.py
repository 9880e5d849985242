"""Enrolment: an eligible subject takes the next place of the open cohort, never one too many.

The study's lock makes enrolments and decisions follow one another, so that places are counted on
data that nobody changes; unique constraints on place and subject back it up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.serialization import digest
from app.domain.disposition import check_enrolment
from app.domain.eligibility import Eligibility
from app.domain.eligibility_evidence import FlagCode
from app.domain.errors import DomainError, Reason, conflict, invalid
from app.domain.escalation_steps import LadderAction
from app.domain.evaluability import EvaluabilityState
from app.domain.protocol import ProtocolDefinition
from app.models import Cohort, Enrolment
from app.schemas.enrolments import EnrolmentCreate, EnrolmentView
from app.services.access import Actor
from app.services.eligibility import weigh
from app.services.escalation import halts
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.ladder import Ladder, read_ladder
from app.services.locks import lock_study
from app.services.subjects import status_of


async def enrol_subject(
    session: AsyncSession, actor: Actor, subject_id: UUID, wish: EnrolmentCreate, now: datetime
) -> EnrolmentView:
    """Give a subject the next place, or refuse with every reason there is.

    Raises conflict, and invalid when a place beyond the planned total is taken without a reason.
    """
    await lock_study(session, actor.study_id)
    ladder = await read_ladder(session, actor, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, subject_id)
    evidence = await load_subject(session, scope)
    eligibility = weigh(evidence, ladder.protocol, now)
    refusals = (
        *_subject_refusals(evidence, ladder.protocol.rules),
        *_plan_refusals(eligibility, wish),
        *_eligibility_refusals(evidence, eligibility),
        *_place_refusals(ladder, wish.dose_level),
    )
    if refusals:
        raise conflict(
            "enrolment_refused", "The subject cannot be enrolled; see errors for why.", refusals
        )
    _check_reason(ladder, wish)
    row = await _take_place(session, actor, ladder, (subject_id, eligibility))
    return _view(row, evidence.subject.number, ladder, eligibility)


def _subject_refusals(evidence: SubjectEvidence, rules: ProtocolDefinition) -> Iterator[Reason]:
    """Say whether the subject is enrolled already or has left."""
    if evidence.place is not None:
        text = f"The subject is enrolled already, on level {evidence.place.dose_level}."
        yield Reason("already_enrolled", text)
        return
    try:
        check_enrolment(status_of(evidence, rules))
    except DomainError as refusal:
        yield Reason(refusal.code, refusal.message)


def _plan_refusals(eligibility: Eligibility, wish: EnrolmentCreate) -> Iterator[Reason]:
    """Refuse an eligibility that counts back from a day gone by, unless this is late entry."""
    passed = any(flag.code is FlagCode.PLANNED_INFUSION_PASSED for flag in eligibility.flags)
    if passed and wish.reason is None:
        yield Reason(
            "plan_passed",
            "The planned first infusion day has passed; plan a new day, or give `reason` if the"
            " infusion was given on that day and is recorded late.",
            "/body/reason",
        )


def _eligibility_refusals(evidence: SubjectEvidence, eligibility: Eligibility) -> Iterator[Reason]:
    """List the missing consent and every criterion that shuts the subject out or is open."""
    if evidence.subject.consent_day is None:
        yield Reason("consent_missing", "No consent is recorded.")
    for criterion in eligibility.criteria:
        if criterion.permits_entry is False:
            text = f"{criterion.id} shuts the subject out: {criterion.text}."
            yield Reason("criterion_failed", text, f"/criteria/{criterion.id}")
        elif criterion.permits_entry is None:
            text = f"{criterion.id} is open: {criterion.text}. {criterion.note}".rstrip()
            yield Reason("criterion_unknown", text, f"/criteria/{criterion.id}")


def _place_refusals(ladder: Ladder, expected_level: str | None) -> Iterator[Reason]:
    """Say why the ladder has no place to give, or not on the level that was expected."""
    place = ladder.open_place
    if place is None:
        yield Reason("no_open_cohort", "No cohort is open; the committee has to open one.")
    elif expected_level not in (None, place[0]):
        yield Reason("other_level_open", f"Level {place[0]} is open.", "/body/dose_level")
    found = ladder.recommendation
    if found.action is LadderAction.ENROL:
        return
    blocked = (
        Reason(each.code, f"Level {each.level}: {each.message}") for each in found.blocked_by
    )
    yield from dict.fromkeys((*found.reasons, *halts(found), *_full(ladder), *blocked))


def _full(ladder: Ladder) -> Iterator[Reason]:
    """Say whether all places of the open cohort are taken."""
    found, state = ladder.recommendation, ladder.state
    size = ladder.protocol.rules.escalation.expansion.size
    full = [
        (level.capacity, level.level)
        for level in found.levels
        if level.level == state.open_level and not level.free_slots
    ] + [
        (size, expansion.level)
        for expansion in found.expansions
        if expansion.level == state.expansion_level and expansion.slots_held >= size
    ]
    for places, level in full:
        yield Reason("cohort_full", f"All {places} places of level {level} are taken.")


def _check_reason(ladder: Ladder, wish: EnrolmentCreate) -> None:
    """Ask for a reason beyond the planned total (C2)."""
    beyond = any(each.code == "beyond_planned_total" for each in ladder.recommendation.warnings)
    if beyond and wish.reason is None:
        raise invalid(
            "reason_required",
            "This enrolment goes beyond the planned total; give the reason.",
            "/body/reason",
        )


async def _take_place(
    session: AsyncSession, actor: Actor, ladder: Ladder, entrant: tuple[UUID, Eligibility]
) -> Enrolment:
    """Write the enrolment with the eligibility it rests on."""
    assert ladder.open_place is not None
    level, phase = ladder.open_place
    cohort = Cohort.study_id == actor.study_id, Cohort.dose_level == level, Cohort.phase == phase
    cohort_id = (await session.scalars(select(Cohort.id).where(*cohort))).one()
    slot, replaces_id = next_slot(ladder, cohort_id)
    subject_id, eligibility = entrant
    snapshot = {
        "eligibility": eligibility,
        "protocol": {"number": ladder.protocol.number, "digest": ladder.protocol.digest},
        "ladder_digest": ladder.digest,
        "study_day": ladder.recommendation.today,
    }
    row = Enrolment(
        study_id=actor.study_id,
        id=new_id(),
        subject_id=subject_id,
        cohort_id=cohort_id,
        slot=slot,
        replaces_id=replaces_id,
        protocol_version_id=ladder.protocol.id,
        evidence=snapshot,
        evidence_digest=digest(snapshot),
    )
    session.add(row)
    await session.flush()
    return row


def next_slot(ladder: Ladder, cohort_id: UUID) -> tuple[int, UUID | None]:
    """Choose the slot of a subject to be replaced, with that enrolment's id, or else a new one."""
    held = [each for each in ladder.subjects if each.place.cohort_id == cohort_id]
    replaced = {each.place.replaces_id for each in held}
    for each in sorted(held, key=lambda each: each.place.slot):
        gives_up = each.evaluability.state is EvaluabilityState.NOT_EVALUABLE
        if gives_up and each.place.enrolment_id not in replaced:
            return each.place.slot, each.place.enrolment_id
    return sum(each.place.replaces_id is None for each in held) + 1, None


def _view(row: Enrolment, number: str, ladder: Ladder, eligibility: Eligibility) -> EnrolmentView:
    assert ladder.open_place is not None
    level, phase = ladder.open_place
    return EnrolmentView(
        id=row.id,
        subject_id=row.subject_id,
        number=number,
        cohort_id=row.cohort_id,
        dose_level=level,
        phase=phase,
        slot=row.slot,
        replaces_id=row.replaces_id,
        warnings=ladder.recommendation.warnings,
        flags=eligibility.flags,
        protocol_version=ladder.protocol.number,
        evidence_digest=row.evidence_digest,
        recorded_at=row.recorded_at,
    )
