"""Timelines: everything that happened to a subject, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.vocabulary import LabStatus
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    BagMovement,
    Change,
    Cohort,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Enrolment,
    FollowUp,
    Infusion,
    LabResult,
    ProductBag,
    ReportedDeviation,
    SafetyReport,
    StudyRecord,
    Subject,
    Transfusion,
)
from app.schemas.timelines import TimelineKind
from app.services.access import Actor
from app.services.evidence import Scope
from app.services.history import as_of, fetch, rows
from app.services.lab_versions import is_current
from app.services.paging import Page, PageRequest, bad_cursor, read_cursor, write_cursor
from app.services.report_clocks import retracted_ids
from app.services.timeline_items import Describer, Happening

Row = TypeVar("Row", bound=StudyRecord)

_KINDS = list(TimelineKind)
_WITHDRAWN = (LabStatus.CANCELLED, LabStatus.ENTERED_IN_ERROR)
# Of one day: what has no time came before everything else, but for the exit, which came last.
_FIRST, _TIMED, _LAST = range(3)


async def read_timeline(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    wanted: PageRequest,
    kind: TimelineKind | None,
) -> Page:
    """Read a page of what happened to a subject, all kinds or one; raise not_found.

    Records that were retracted, withdrawn or superseded did not happen.
    """
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), wanted.moment, subject_id)
    subject = await fetch(session, Subject, actor.study_id, subject_id, wanted.moment)
    found = [
        *Describer(scope.zone).subject(subject),
        *await _recorded(session, scope),
        *await _infusions(session, scope),
        *await _events(session, scope),
    ]
    ordered = sorted((item for item in found if kind in (None, item.kind)), key=_order)
    return _page(ordered, wanted)


async def _recorded(session: AsyncSession, scope: Scope) -> list[Happening]:
    """Describe what has one row each."""
    describe = Describer(scope.zone)
    lab = as_of(LabResult, scope.study_id, scope.past)
    labs = select(lab).where(
        lab.study_id == scope.study_id,
        lab.subject_id == scope.subject_id,
        lab.status.not_in(_WITHDRAWN),
        is_current(lab, scope.past),
    )
    medications = await _read(session, ConcomitantMedication, scope)
    return [
        *map(describe.attestation, await _read(session, Attestation, scope)),
        *await _enrolments(session, scope),
        *map(describe.lab, await session.scalars(labs)),
        *map(describe.assessment, await _read(session, Assessment, scope)),
        *map(describe.transfusion, await _read(session, Transfusion, scope)),
        *(item for row in medications for item in describe.medication(row)),
        *map(describe.deviation, await _read(session, ReportedDeviation, scope)),
        *map(describe.disposition, await _read(session, Disposition, scope)),
    ]


async def _enrolments(session: AsyncSession, scope: Scope) -> list[Happening]:
    found = await _read(session, Enrolment, scope)
    return [
        Describer(scope.zone).enrolment(
            row, await fetch(session, Cohort, scope.study_id, row.cohort_id)
        )
        for row in found
    ]


async def _infusions(session: AsyncSession, scope: Scope) -> list[Happening]:
    """Describe infusions; when one was cancelled only the trail tells."""
    found = await _read(session, Infusion, scope)
    query = (
        select(Change.record_id, Change.recorded_at)
        .where(
            Change.study_id == scope.study_id,
            Change.table_name == Infusion.__tablename__,
            Change.record_id.in_([row.id for row in found if row.cancelled]),
            Change.new["cancelled"].as_boolean(),
            Change.old["cancelled"].as_boolean().is_distinct_from(True),
        )
        .order_by(Change.id)
    )
    if scope.past is not None:
        query = query.where(Change.recorded_at <= scope.past)
    cancelled = {each.record_id: each.recorded_at for each in await session.execute(query)}
    describe = Describer(scope.zone)
    return [
        *(item for row in found for item in describe.infusion(row, cancelled.get(row.id))),
        *await _bag_checks(session, scope, {row.id: row.number for row in found}),
    ]


async def _bag_checks(
    session: AsyncSession, scope: Scope, numbers: Mapping[UUID, int]
) -> list[Happening]:
    """Describe the checks of bags before infusions, whose numbers are given by their ids."""
    step, bag = (as_of(model, scope.study_id, scope.past) for model in (BagMovement, ProductBag))
    query = (
        select(step, bag.bag_number)
        .join(bag, (bag.study_id == step.study_id) & (bag.id == step.bag_id))
        .where(step.study_id == scope.study_id, step.infusion_id.in_(numbers))
    )
    describe = Describer(scope.zone)
    return [
        item
        for row, bag_number in await session.execute(query)
        for item in describe.bag_check(row, bag_number, numbers[row.infusion_id])
    ]


async def _events(session: AsyncSession, scope: Scope) -> list[Happening]:
    """Describe events, what was signed about them, came to light since, and was reported."""
    describe = Describer(scope.zone)
    events = {row.id: row for row in await _read(session, AdverseEvent, scope)}
    taken_back = await retracted_ids(session, scope, list(events))

    async def read(model: type[Any]) -> list[Any]:
        entity = as_of(model, scope.study_id, scope.past)
        query = select(entity).where(
            entity.study_id == scope.study_id, entity.adverse_event_id.in_(events)
        )
        return [row for row in await session.scalars(query) if row.id not in taken_back]

    return [
        *(item for row in events.values() for item in describe.adverse_event(row)),
        *(describe.adjudication(row, events) for row in await read(DltAdjudication)),
        *(describe.follow_up(row, events) for row in await read(FollowUp)),
        *(describe.safety_report(row, events) for row in await read(SafetyReport)),
    ]


async def _read(session: AsyncSession, model: type[Row], scope: Scope) -> list[Row]:
    """Read the subject's rows of a table that are not retracted."""
    query = rows(model, scope.study_id, scope.past)
    entity = query.column_descriptions[0]["entity"]
    found: Iterable[Row] = await session.scalars(query.where(entity.subject_id == scope.subject_id))
    return [row for row in found if not getattr(row, "retracted", False)]


def _order(item: Happening) -> tuple[Any, ...]:
    if item.at is not None:
        rank = _TIMED
    else:
        rank = _LAST if item.kind is TimelineKind.DISPOSITION else _FIRST
    instant = item.at.timestamp() if item.at else 0
    return item.day, rank, instant, _KINDS.index(item.kind), item.record_id


def _page(ordered: Sequence[Happening], wanted: PageRequest) -> Page:
    """Cut a page out of the whole; a cursor names the last item of the page before."""
    start = 0
    if wanted.cursor is not None:
        last = read_cursor(wanted.cursor, 17)
        start = next(_after(ordered, last), -1)
        if start < 0:
            raise bad_cursor()
    items = ordered[start : start + wanted.limit]
    more = len(ordered) > start + wanted.limit
    return Page(items, write_cursor(_name(items[-1])) if more else None)


def _after(ordered: Sequence[Happening], last: bytes) -> Iterator[int]:
    return (place for place, item in enumerate(ordered, start=1) if _name(item) == last)


def _name(item: Happening) -> bytes:
    return item.record_id.bytes + bytes([_KINDS.index(item.kind)])
