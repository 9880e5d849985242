"""Schedules: a subject's planned infusions and visits, from the records known at a moment."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import end_days
from app.domain.protocol import ProtocolDefinition
from app.domain.schedule import Course, Schedule, plan
from app.domain.visits import PerformedDay, performed_days
from app.schemas.schedules import ScheduleView
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subject
from app.services.protocols import active_protocol


async def read_schedule(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> ScheduleView:
    """Plan a subject's infusions and visits; without an enrolment nothing is planned yet."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    evidence = await load_subject(session, scope)
    found = plan_course(evidence, protocol.rules, protocol.local_day(at))
    return ScheduleView(
        subject_id=subject_id,
        number=evidence.subject.number,
        dose_level=evidence.place.dose_level if evidence.place else None,
        planned_first_infusion_date=evidence.subject.planned_first_infusion_day,
        infusions=found.infusions,
        last_infusion=found.last_infusion,
        visits=found.visits,
        completion_from=found.completion_from,
        end_of_safety_follow_up=found.end_of_safety_follow_up,
        contraception_end=found.contraception_end,
        left_study_on=found.left_study_on,
        study_day=found.as_of,
        **protocol.basis(at),
    )


def plan_course(evidence: SubjectEvidence, rules: ProtocolDefinition, today: date) -> Schedule:
    """Plan a subject's course at the level of its enrolment, as it stands on `today`."""
    place, ends = evidence.place, end_days(evidence.dispositions)
    course = Course(
        sex=evidence.subject.sex,
        level=rules.dosing.level(place.dose_level) if place else None,
        planned_first_day=evidence.subject.planned_first_infusion_day,
        infusions=evidence.infusions,
        performed=performed(evidence, rules),
        treatment_ended_on=ends.treatment,
        left_study_on=ends.study,
    )
    return plan(course, rules.schedule, today)


def performed(evidence: SubjectEvidence, rules: ProtocolDefinition) -> tuple[PerformedDay, ...]:
    """Collect the days on which a subject was seen."""
    return performed_days(evidence.labs, evidence.assessments, rules.schedule.visits)
