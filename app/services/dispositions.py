"""Dispositions: how and when a subject leaves, held against all that is known of the subject."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.disposition import KnownDays, ProposedDisposition, check_disposition, end_days
from app.domain.errors import DomainError, invalid
from app.domain.protocol import ProtocolDefinition
from app.domain.schedule import Course, plan
from app.models import Disposition, Subject
from app.schemas.subjects import DispositionCreate
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.history import lock
from app.services.locks import lock_study
from app.services.protocols import active_protocol
from app.services.subjects import status_of


async def record_disposition(
    session: AsyncSession, actor: Actor, subject_id: UUID, exit_: DispositionCreate, now: datetime
) -> Disposition:
    """Record an exit; raises conflict when the subject's status or records rule it out."""
    await lock_study(session, actor.study_id)
    # Whoever records what was observed of the subject holds a share of this lock.
    await lock(session, Subject, actor.study_id, subject_id, None)
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, subject_id)
    # A death that a fatal event tells of is what may now be recorded.
    evidence = (await load_subject(session, scope)).as_recorded()
    today = protocol.local_day(now)
    if exit_.event_date > today:
        raise invalid("future_date", "event_date lies in the future.", "/body/event_date")
    if exit_.event_date < evidence.subject.screening_day:
        raise invalid(
            "before_screening", "event_date lies before the screening.", "/body/event_date"
        )
    proposed = ProposedDisposition(
        event=exit_.event, day=exit_.event_date, contact_attempts=exit_.contact_attempts
    )
    known = _known_days(evidence, protocol.rules, today)
    try:
        check_disposition(
            status_of(evidence, protocol.rules), proposed, known, protocol.rules.disposition
        )
    except DomainError as refusal:
        raise refusal.below("/body") from None
    row = Disposition(
        study_id=actor.study_id, id=new_id(), subject_id=subject_id, **exit_.model_dump()
    )
    session.add(row)
    await session.flush()
    return row


def _known_days(evidence: SubjectEvidence, rules: ProtocolDefinition, today: date) -> KnownDays:
    """Find the days that an exit may contradict."""
    given = [fact.day for fact in evidence.infusions if fact.given and fact.day]
    return KnownDays(
        last_infusion=max(given, default=None),
        last_observation=max(_observed(evidence), default=None),
        completion_from=_completion_from(evidence, rules, today),
    )


def _observed(evidence: SubjectEvidence) -> Iterator[date]:
    """List the days on which the subject was seen alive."""
    yield from (fact.day for fact in evidence.infusions if fact.day)
    yield from (fact.day for fact in evidence.labs)
    yield from (fact.day for fact in evidence.transfusions)
    yield from (fact.day for fact in evidence.assessments)
    yield from (fact.start_day for fact in evidence.medications)
    yield from (fact.onset_day for fact in evidence.events)


def _completion_from(
    evidence: SubjectEvidence, rules: ProtocolDefinition, today: date
) -> date | None:
    """Find the first day on which the subject can complete, if an infusion was given."""
    if evidence.place is None:
        return None
    ends = end_days(evidence.dispositions)
    course = Course(
        sex=evidence.subject.sex,
        level=rules.dosing.level(evidence.place.dose_level),
        planned_first_day=evidence.subject.planned_first_infusion_day,
        infusions=evidence.infusions,
        performed=(),
        treatment_ended_on=ends.treatment,
        left_study_on=ends.study,
    )
    return plan(course, rules.schedule, today).completion_from
