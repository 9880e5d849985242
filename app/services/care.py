"""What transfusions, medications and assessments share: when, of whom, and how they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.models import Assessment, ConcomitantMedication, Record, Transfusion
from app.services.access import Actor
from app.services.evidence_mapping import local_day
from app.services.history import as_of, fetch, lock
from app.services.observations import check_observed
from app.services.paging import Page, PageRequest, page

CareRecord = TypeVar("CareRecord", Transfusion, ConcomitantMedication, Assessment)

# The moments at which something was observed; the first one gives a record its day.
_MOMENTS: dict[type[Record], tuple[str, ...]] = {
    Transfusion: ("given_at",),
    ConcomitantMedication: ("started_at", "ended_at"),
    Assessment: ("performed_at",),
}


@dataclass(frozen=True, slots=True)
class OnDay:
    """A row beside the study day it belongs to."""

    row: Any
    day: date

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the record's."""
        return getattr(self.row, name)


async def list_records(
    session: AsyncSession,
    actor: Actor,
    model: type[CareRecord],
    only: Mapping[str, Any],
    wanted: PageRequest,
) -> Page:
    """List a page of a table in the order of recording; `only` are columns, None does not filter.

    Retracted records are shown, marked as such.
    """
    entity = as_of(model, actor.study_id, wanted.moment)
    same = [getattr(entity, name) == value for name, value in only.items() if value is not None]
    query = select(entity).where(entity.study_id == actor.study_id, *same)
    found = await page(session, query, entity.id, wanted)
    return Page([_on_day(actor, row) for row in found.items], found.next)


async def read_record(
    session: AsyncSession,
    actor: Actor,
    model: type[CareRecord],
    record_id: UUID,
    past: datetime | None,
) -> OnDay:
    """Read one record, now or as it was."""
    return _on_day(actor, await fetch(session, model, actor.study_id, record_id, past))


async def create_record(
    session: AsyncSession,
    actor: Actor,
    model: type[CareRecord],
    values: Mapping[str, Any],
    now: datetime,
    settle: Callable[[CareRecord], None] | None = None,
) -> OnDay:
    """Record what was observed of a subject; `settle` puts the row in order or refuses it."""
    row = model(study_id=actor.study_id, id=new_id(), **values)
    if settle is not None:
        settle(row)
    moments = {name: values[name] for name in _MOMENTS[model]}
    await check_observed(session, actor, row.subject_id, moments, now)
    session.add(row)
    await session.flush()
    return _on_day(actor, row)


@dataclass(frozen=True, slots=True)
class CareChange:
    """A change of the record that was read in a version."""

    record_id: UUID
    version: int
    values: Mapping[str, Any]


async def change_record(
    session: AsyncSession,
    actor: Actor,
    model: type[CareRecord],
    change: CareChange,
    now: datetime,
    settle: Callable[[CareRecord], None] | None = None,
) -> OnDay:
    """Change the given fields; `settle` puts the row in order or refuses it.

    Only moments that change are checked, so that what was recorded can always be retracted.
    """
    row = await lock(session, model, actor.study_id, change.record_id, change.version)
    for name, value in change.values.items():
        setattr(row, name, value)
    if settle is not None:
        settle(row)
    moments = {name: change.values.get(name) for name in _MOMENTS[model]}
    await check_observed(session, actor, row.subject_id, moments, now)
    await session.flush()
    return _on_day(actor, row)


def _on_day(actor: Actor, row: Any) -> OnDay:
    moment = getattr(row, _MOMENTS[type(row)][0])
    return OnDay(row, local_day(moment, ZoneInfo(actor.time_zone)))
