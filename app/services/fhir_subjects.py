"""Subjects as the FHIR façade reads them: where each stands, and when that was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import end_days
from app.domain.errors import not_found
from app.domain.vocabulary import SubjectStatus
from app.models import Disposition, Infusion, Subject
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.fhir_search import changed_at, read_id
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.subjects import status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectStanding:
    """A subject's row with its status, its arm and when it left the study."""

    row: Subject
    status: SubjectStatus
    dose_level: str | None
    treated: bool
    left_on: date | None
    updated_at: datetime


async def list_standings(
    session: AsyncSession, actor: Actor, now: datetime, subject_id: str | None = None
) -> Sequence[SubjectStanding]:
    """Read all subjects of the study, or the one, in the order of their numbers.

    The status is derived from the records, so a search for it has to look at every subject.
    """
    query = select(Subject).where(Subject.study_id == actor.study_id).order_by(Subject.id)
    only = read_id(subject_id) if subject_id is not None else None
    if subject_id is not None:
        query = query.where(Subject.id == only)
    rows = (await session.scalars(query)).all()
    if not rows:
        return []
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, only)
    known = await load_subjects(session, scope, (Infusion, Disposition))
    evidence = {each.subject_id: each for each in known}
    changed = await changed_at(session, Subject, actor.study_id, evidence)
    return [
        _standing(row, evidence[row.id], protocol, changed.get(row.id, row.recorded_at))
        for row in rows
    ]


async def read_standing(
    session: AsyncSession, actor: Actor, now: datetime, subject_id: str
) -> SubjectStanding:
    """Read one subject; raise not_found."""
    found = await list_standings(session, actor, now, subject_id)
    if not found:
        raise not_found("subject")
    return found[0]


def _standing(
    row: Subject, evidence: SubjectEvidence, protocol: ActiveProtocol, updated_at: datetime
) -> SubjectStanding:
    return SubjectStanding(
        row=row,
        status=status_of(evidence, protocol.rules),
        dose_level=evidence.place.dose_level if evidence.place else None,
        treated=any(infusion.given for infusion in evidence.infusions),
        left_on=end_days(evidence.dispositions).study,
        updated_at=updated_at,
    )
