"""Adverse events as the FHIR façade reads them: each with the infusion that came before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.models import AdverseEvent, Infusion
from app.services.access import Actor
from app.services.fhir_search import (
    Found,
    SearchPage,
    Span,
    changed_at,
    last_change,
    numbers_of,
    read_id,
    search,
    subjects_named,
    within,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOfSubject:
    """An event with its subject's number and the number of the last infusion begun before it."""

    row: AdverseEvent
    subject_number: str
    infusion_number: int | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """Which events are wanted; None does not filter, spans have to hold together."""

    ids: Collection[str] | None = None
    subjects: Collection[str] | None = None
    terms: Collection[str] | None = None
    onset: tuple[Span, ...] = ()
    updated: tuple[Span, ...] = ()


async def search_events(
    session: AsyncSession, actor: Actor, wanted: EventSearch, on_page: SearchPage
) -> Found:
    """Search the events that are not retracted, in the order of recording."""
    query = select(AdverseEvent).where(*_standing(actor), *_conditions(actor, wanted))
    found = await search(session, query, AdverseEvent.id, on_page)
    return Found(found.total, await _with_surroundings(session, actor, found.items), found.next)


async def read_event(session: AsyncSession, actor: Actor, event_id: str) -> EventOfSubject:
    """Read one event; raise not_found, also for a retracted one."""
    query = select(AdverseEvent).where(*_standing(actor), AdverseEvent.id == read_id(event_id))
    row = await session.scalar(query)
    if row is None:
        raise not_found("adverse event")
    (event,) = await _with_surroundings(session, actor, [row])
    return event


def _standing(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return AdverseEvent.study_id == actor.study_id, AdverseEvent.retracted.is_(False)


def _conditions(actor: Actor, wanted: EventSearch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.ids is not None:
        ids = [found for found in map(read_id, wanted.ids) if found is not None]
        conditions.append(AdverseEvent.id.in_(ids))
    if wanted.subjects is not None:
        named = subjects_named(actor.study_id, wanted.subjects)
        conditions.append(AdverseEvent.subject_id.in_(named))
    if wanted.terms is not None:
        conditions.append(
            func.lower(AdverseEvent.term).in_({term.lower() for term in wanted.terms})
        )
    updated = func.coalesce(last_change(AdverseEvent), AdverseEvent.recorded_at)
    return [
        *conditions,
        *within(AdverseEvent.onset_at, wanted.onset),
        *within(updated, wanted.updated),
    ]


async def _with_surroundings(
    session: AsyncSession, actor: Actor, rows: Collection[AdverseEvent]
) -> list[EventOfSubject]:
    subjects = {row.subject_id for row in rows}
    numbers = await numbers_of(session, actor.study_id, subjects)
    infusions = await _infusions(session, actor.study_id, subjects)
    updated = await changed_at(session, AdverseEvent, actor.study_id, {row.id for row in rows})
    return [
        EventOfSubject(
            row=row,
            subject_number=numbers[row.subject_id],
            infusion_number=max(
                (number for number, begun in infusions[row.subject_id] if begun <= row.onset_at),
                default=None,
            ),
            updated_at=updated.get(row.id, row.recorded_at),
        )
        for row in rows
    ]


async def _infusions(
    session: AsyncSession, study_id: UUID, subject_ids: Collection[UUID]
) -> defaultdict[UUID, list[tuple[int, Any]]]:
    """Find the infusions that were begun, by subject: number and start."""
    query = select(Infusion.subject_id, Infusion.number, Infusion.started_at).where(
        Infusion.study_id == study_id,
        Infusion.subject_id.in_(subject_ids),
        Infusion.started_at.is_not(None),
    )
    begun: defaultdict[UUID, list[tuple[int, Any]]] = defaultdict(list)
    for subject_id, number, started_at in await session.execute(query):
        begun[subject_id].append((number, started_at))
    return begun
