"""Coverage of source verification: of each subject's records, how many items stand verified."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.domain.source_verification import (
    SOURCE_ITEMS,
    Coverage,
    ItemState,
    Verification,
    cover,
    item_states,
)
from app.domain.vocabulary import USABLE_LAB_STATUSES
from app.models import LabResult, SourceVerification, StudyRecord, Subject
from app.services.access import Actor
from app.services.history import as_of
from app.services.source_verifications import changes_of, counting
from app.services.subject_records import RECORD_MODELS

States = Mapping[str, ItemState]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLine(Coverage):
    """The coverage of one subject's records of a type."""

    subject_id: UUID
    subject_number: str
    record_type: str


async def read_coverage(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID | None,
    at: datetime,
    past: datetime | None,
) -> dict[str, Any]:
    """Count the items of all subjects or of one, by subject and type; raise not_found."""
    subject = as_of(Subject, actor.study_id, past)
    query = select(subject.id, subject.number).where(subject.study_id == actor.study_id)
    if subject_id is not None:
        query = query.where(subject.id == subject_id)
    numbers = {row.id: row.number for row in await session.execute(query.order_by(subject.number))}
    if subject_id is not None and not numbers:
        raise not_found("subject")
    states = await _states(session, actor, past)
    lines = [
        CoverageLine(
            subject_id=id_,
            subject_number=number,
            record_type=record_type,
            **_counts(cover(states[id_, record_type])),
        )
        for id_, number in numbers.items()
        for record_type in SOURCE_ITEMS
        if (id_, record_type) in states
    ]
    counted = [each for (id_, _), found in states.items() if id_ in numbers for each in found]
    return {"items": lines, "total": cover(counted), "as_of": at}


def _counts(coverage: Coverage) -> dict[str, int]:
    return {field.name: getattr(coverage, field.name) for field in fields(Coverage)}


async def _states(
    session: AsyncSession, actor: Actor, past: datetime | None
) -> dict[tuple[UUID, str], list[States]]:
    """Say of every item of every record where it stands, by subject and type."""
    made = await _made(session, actor, past)
    changes = await changes_of(session, actor, list(made), past)
    states: defaultdict[tuple[UUID, str], list[States]] = defaultdict(list)
    for record_type, items in SOURCE_ITEMS.items():
        for id_, of in await _live(session, actor, RECORD_MODELS[record_type], past):
            state = item_states(items, made.get(id_, []), changes.get(id_, []))
            states[of, record_type].append(state)
    return dict(states)


async def _made(
    session: AsyncSession, actor: Actor, past: datetime | None
) -> dict[UUID, list[Verification]]:
    entity = as_of(SourceVerification, actor.study_id, past)
    query = select(entity).where(entity.study_id == actor.study_id)
    made: defaultdict[UUID, list[Verification]] = defaultdict(list)
    for row in await session.scalars(query):
        made[row.record_id].append(Verification(row.record_version, frozenset(row.fields)))
    return made


async def _live(
    session: AsyncSession, actor: Actor, model: type[StudyRecord], past: datetime | None
) -> list[tuple[UUID, UUID]]:
    """List the records of a table that count, each with its subject."""
    entity = as_of(model, actor.study_id, past)
    of = entity.id if model is Subject else entity.subject_id
    query = select(entity.id, of.label("of")).where(
        entity.study_id == actor.study_id, *counting(model, entity, past)
    )
    if model is LabResult:
        query = query.where(entity.status.in_(USABLE_LAB_STATUSES))
    return [(row.id, row.of) for row in await session.execute(query.order_by(entity.id))]
