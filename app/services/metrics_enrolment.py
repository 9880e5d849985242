"""Enrolment: who was screened and enrolled, why screening failed, and how the trial fills."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.metrics_enrolment import (
    ScreenedSubject,
    count_dispositions,
    count_statuses,
    monthly_enrolment,
    planned_enrolment,
    screen_failures,
)
from app.domain.metrics_levels import EnrolledSubject, level_enrolments
from app.domain.vocabulary import DispositionEvent, SubjectStatus
from app.schemas.metrics import EnrolmentMetricsView
from app.services.access import Actor
from app.services.eligibility import weigh
from app.services.evidence import Scope, SubjectEvidence, load_subject, load_subjects
from app.services.metrics_levels import COUNTED_TABLES, enrolled_subjects, level_names
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.site_wall import across_sites
from app.services.subjects import status_of


async def read_enrolment(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> EnrolmentMetricsView:
    """Count everybody who was screened."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    rules, today = protocol.rules, protocol.local_day(at)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    found = await load_subjects(session, scope, COUNTED_TABLES)
    places = enrolled_subjects(found, rules, today)
    enrolled = list(places.values())
    first_days = {key: subject.first_infusion_day for key, subject in places.items()}
    failed = await _failed_criteria(session, scope, found, protocol)
    screened = [
        ScreenedSubject(
            status=status_of(evidence, rules),
            screened_on=evidence.subject.screening_day,
            enrolled_on=evidence.place.day if evidence.place else None,
            first_infusion_on=first_days.get(evidence.subject_id),
            left=frozenset(fact.event for fact in evidence.dispositions),
            failed_criteria=failed.get(evidence.subject_id, ()),
        )
        for evidence in found
    ]
    return EnrolmentMetricsView(
        planned=planned_enrolment(rules.study.registered_enrolment, rules.escalation),
        screened=len(screened),
        enrolled=len(enrolled),
        treated=sum(subject.treated for subject in enrolled),
        statuses=count_statuses(screened),
        dispositions=count_dispositions(screened),
        screen_failures=screen_failures(screened, rules.eligibility.criteria),
        levels=level_enrolments(enrolled, level_names(rules)),
        months=monthly_enrolment(screened, today),
        study_day=today,
        evidence_digest=_digest(screened, enrolled),
        **protocol.basis(at) | {"as_of": past},
    )


async def _failed_criteria(
    session: AsyncSession,
    scope: Scope,
    found: list[SubjectEvidence],
    protocol: ActiveProtocol,
) -> dict[UUID, tuple[str, ...]]:
    """Weigh the criteria of each failed screening on the day it failed; few need all records."""
    failed = {}
    for evidence in found:
        if status_of(evidence, protocol.rules) is SubjectStatus.SCREEN_FAILED:
            day = next(
                fact.day
                for fact in evidence.dispositions
                if fact.event is DispositionEvent.SCREEN_FAILED
            )
            own = Scope(scope.study_id, scope.zone, scope.past, evidence.subject_id)
            noon = datetime.combine(day, time(12), scope.zone)
            async with across_sites(session):
                whole = await load_subject(session, own)
            failed[evidence.subject_id] = weigh(whole, protocol, noon).failed
    return failed


def _digest(screened: list[ScreenedSubject], enrolled: list[EnrolledSubject]) -> str:
    places = [(subject.phase, subject.replaced, subject.facts) for subject in enrolled]
    return digest({"screened": screened, "enrolled": places})
