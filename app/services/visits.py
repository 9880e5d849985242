"""The worklist: which subject is expected for what on a day, over all subjects in sight."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import invalid, not_found
from app.domain.visit_worklist import WorkItem, WorkStatus, worklist
from app.models import Assessment, Disposition, Infusion, LabResult
from app.schemas.visits import VisitView
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.schedules import performed, plan_course

# What a plan rests on.
_TABLES = (Infusion, LabResult, Assessment, Disposition)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFilter:
    """Which items are wanted; None does not filter, `day` is then today."""

    status: WorkStatus | None = None
    day: date | None = None
    subject_id: UUID | None = None


async def list_visits(
    session: AsyncSession, actor: Actor, wanted: VisitFilter, at: datetime, past: datetime | None
) -> list[VisitView]:
    """List what subjects are expected for, by target day and subject; what has no day comes last.

    Raises not_found for a subject out of sight, and invalid for a day before that of the moment:
    how things stood then is asked for with `as_of`.
    """
    protocol = await active_protocol(session, actor.study_id, at, past)
    today = protocol.local_day(at)
    day = wanted.day or today
    if day < today:
        raise invalid("past_day", "This day has passed; ask for it with as_of.", "/query/day")
    counted = frozenset(protocol.rules.schedule.visits.cbc_analytes)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, wanted.subject_id, counted)
    found = await load_subjects(session, scope, _TABLES)
    seen = [evidence for evidence in found if actor.sees(evidence.site_id)]
    if wanted.subject_id is not None and not seen:
        raise not_found("subject")
    views = [
        VisitView(
            **{field.name: getattr(item, field.name) for field in fields(WorkItem)},
            subject_id=evidence.subject_id,
            subject_number=evidence.subject.number,
            on=day,
            **protocol.basis(at),
        )
        for evidence in seen
        for item in _items(evidence, protocol, day)
        if wanted.status in (None, item.status)
    ]
    return sorted(views, key=_order)


def _items(evidence: SubjectEvidence, protocol: ActiveProtocol, day: date) -> tuple[WorkItem, ...]:
    rules = protocol.rules
    return worklist(
        plan_course(evidence, rules, day),
        performed(evidence, rules),
        rules.deviations.blood_count_visits,
    )


def _order(view: VisitView) -> tuple[date, str]:
    return view.target_day or date.max, view.subject_number
