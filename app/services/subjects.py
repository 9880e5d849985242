"""Subjects: screened under the next number, changed with a reason, read with a derived status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.disposition import derive_status
from app.domain.errors import DomainError
from app.domain.protocol import ProtocolDefinition
from app.domain.subject_record import check_subject
from app.domain.vocabulary import SubjectStatus
from app.models import Subject
from app.services import evidence_mapping as to_fact
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.history import as_of, fetch, lock
from app.services.locks import lock_study
from app.services.paging import Page, PageRequest, page
from app.services.protocols import active_protocol
from app.services.site_wall import across_sites
from app.services.sites import own_site


@dataclass(frozen=True, slots=True)
class SubjectWithStatus:
    """A subject's row beside what follows from the records."""

    row: Subject
    status: SubjectStatus
    dose_level: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the subject's."""
        return getattr(self.row, name)


async def create_subject(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> SubjectWithStatus:
    """Register a subject for screening under the next number of the study.

    `site` is the code of its hospital; raises invalid for one where the actor does not work, and
    where there are several to choose from and none is named.
    """
    await lock_study(session, actor.study_id)
    async with across_sites(session):
        count = await session.scalar(
            select(func.count()).select_from(Subject).where(Subject.study_id == actor.study_id)
        )
    recorded = {name: value for name, value in values.items() if name != "site"}
    row = Subject(
        study_id=actor.study_id,
        id=new_id(),
        number=f"S-{(count or 0) + 1:03d}",
        site_id=await own_site(session, actor, values.get("site")),
        **recorded,
    )
    await _check(session, actor, row, now)
    session.add(row)
    await session.flush()
    return SubjectWithStatus(row, SubjectStatus.SCREENING, None)


async def _check(session: AsyncSession, actor: Actor, row: Subject, now: datetime) -> None:
    """Refuse a record that contradicts itself before anything of it is written."""
    protocol = await active_protocol(session, actor.study_id, now)
    try:
        check_subject(to_fact.subject(row), protocol.local_day(now), protocol.rules.dosing.weight)
    except DomainError as error:
        raise error.below("/body") from None


async def change_subject(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    version: int,
    values: Mapping[str, Any],
    now: datetime,
) -> SubjectWithStatus:
    """Change the given fields of a subject; raise version_stale if somebody was faster."""
    row = await lock(session, Subject, actor.study_id, subject_id, version)
    for name, value in values.items():
        setattr(row, name, value)
    await _check(session, actor, row, now)
    await session.flush()
    return await read_subject(session, actor, subject_id, now, None)


async def read_subject(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> SubjectWithStatus:
    """Read one subject, now or as it was."""
    row = await fetch(session, Subject, actor.study_id, subject_id, past)
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    (evidence,) = await load_subjects(session, scope)
    return with_status(row, evidence, protocol.rules)


async def list_subjects(
    session: AsyncSession, actor: Actor, wanted: PageRequest, at: datetime
) -> Page:
    """List a page of subjects in the order of their numbers."""
    entity = as_of(Subject, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    protocol = await active_protocol(session, actor.study_id, at, wanted.moment)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), wanted.moment)
    evidence = {item.subject_id: item for item in await load_subjects(session, scope)}
    return Page(
        [with_status(row, evidence[row.id], protocol.rules) for row in found.items], found.next
    )


def with_status(
    row: Subject, evidence: SubjectEvidence, rules: ProtocolDefinition
) -> SubjectWithStatus:
    """Put the derived status beside a row."""
    level = evidence.place.dose_level if evidence.place else None
    return SubjectWithStatus(row, status_of(evidence, rules), level)


def status_of(evidence: SubjectEvidence, rules: ProtocolDefinition) -> SubjectStatus:
    """Derive where a subject stands."""
    place = evidence.place
    planned = rules.dosing.level(place.dose_level).planned_infusions if place else 0
    return derive_status(place is not None, evidence.infusions, planned, evidence.dispositions)
