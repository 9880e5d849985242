"""Dispositions: how and when a subject leaves, held against all that is known of the subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import takewhile
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.disposition import KnownDays, ProposedDisposition, check_disposition, end_days
from app.domain.errors import DomainError, conflict, invalid, not_found
from app.domain.protocol import ProtocolDefinition
from app.domain.schedule import Course, plan
from app.models import Disposition, Subject
from app.schemas.subjects import DispositionCreate
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.history import as_of, fetch, lock
from app.services.locks import lock_study
from app.services.paging import Page, PageRequest, page
from app.services.protocols import active_protocol
from app.services.subjects import status_of

# What an exit has to show; the rest of a record can be corrected at any time.
_CHECKED = frozenset({"event", "event_date", "contact_attempts"})


@dataclass(frozen=True, slots=True)
class DispositionKey:
    """An exit of a subject, as its address names both."""

    subject_id: UUID
    disposition_id: UUID


async def list_dispositions(
    session: AsyncSession, actor: Actor, subject_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of a subject's exits in the order of recording; retracted ones are marked."""
    await fetch(session, Subject, actor.study_id, subject_id, wanted.moment)
    entity = as_of(Disposition, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.subject_id == subject_id)
    return await page(session, query, entity.id, wanted)


async def read_disposition(
    session: AsyncSession, actor: Actor, key: DispositionKey, past: datetime | None
) -> Disposition:
    """Read one exit of a subject, now or as it was."""
    row = await fetch(session, Disposition, actor.study_id, key.disposition_id, past)
    return _of(row, key.subject_id)


async def record_disposition(
    session: AsyncSession, actor: Actor, subject_id: UUID, exit_: DispositionCreate, now: datetime
) -> Disposition:
    """Record an exit; raises conflict when the subject's status or records rule it out."""
    row = Disposition(
        study_id=actor.study_id, id=new_id(), subject_id=subject_id, **exit_.model_dump()
    )
    await _lock(session, actor, subject_id)
    await _check(session, actor, row, now)
    session.add(row)
    await session.flush()
    return row


async def change_disposition(
    session: AsyncSession,
    actor: Actor,
    key: DispositionKey,
    version: int,
    values: Mapping[str, Any],
    now: datetime,
) -> Disposition:
    """Correct an exit, checked like a new one, or retract it, which is final.

    Raises conflict when the exit as corrected could not have been recorded in its place.
    """
    await _lock(session, actor, key.subject_id)
    row = await lock(session, Disposition, actor.study_id, key.disposition_id, version)
    if _of(row, key.subject_id).retracted:
        raise conflict(
            "disposition_retracted", "This exit is retracted; record it again if it happened."
        )
    for name, value in values.items():
        setattr(row, name, value)
    if not row.retracted and _CHECKED & values.keys():
        await _check(session, actor, row, now)
    await session.flush()
    return row


async def _lock(session: AsyncSession, actor: Actor, subject_id: UUID) -> None:
    """Keep everything out that an exit decides on, or that may contradict it."""
    await lock_study(session, actor.study_id)
    # Whoever records what was observed of the subject holds a share of this lock.
    await lock(session, Subject, actor.study_id, subject_id, None)


def _of(row: Disposition, subject_id: UUID) -> Disposition:
    if row.subject_id != subject_id:
        raise not_found("disposition")
    return row


async def _check(session: AsyncSession, actor: Actor, row: Disposition, now: datetime) -> None:
    """Hold an exit against the exits recorded before it and all else that is known.

    What was recorded after it stands by itself: late news of a death may follow any exit.
    """
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, row.subject_id)
    # A death that a fatal event tells of is what may now be recorded.
    evidence = (await load_subject(session, scope)).as_recorded()
    before = takewhile(lambda fact: fact.id != str(row.id), evidence.dispositions)
    evidence = replace(evidence, dispositions=tuple(before))
    today = protocol.local_day(now)
    if row.event_date > today:
        raise invalid("future_date", "event_date lies in the future.", "/body/event_date")
    if row.event_date < evidence.subject.screening_day:
        raise invalid(
            "before_screening", "event_date lies before the screening.", "/body/event_date"
        )
    proposed = ProposedDisposition(
        event=row.event, day=row.event_date, contact_attempts=row.contact_attempts
    )
    known = _known_days(evidence, protocol.rules, today)
    try:
        check_disposition(
            status_of(evidence, protocol.rules), proposed, known, protocol.rules.disposition
        )
    except DomainError as refusal:
        raise refusal.below("/body") from None


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
