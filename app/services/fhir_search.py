"""Searching as the FHIR façade needs it: totals, pages, spans of time, subjects by id or number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Change, Subject
from app.services.paging import PageRequest, page


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time from `low` up to, and without, `high`; None is open."""

    low: datetime | None = None
    high: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Tell whether an instant lies in the span."""
        return (self.low is None or self.low <= at) and (self.high is None or at < self.high)


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Which page is wanted; a limit of 0 asks for the total only."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found, the total, and the cursor of the next page, None on the last."""

    total: int
    items: Sequence[Any] = ()
    next: str | None = None


async def search(session: AsyncSession, query: Select[Any], key: Any, wanted: SearchPage) -> Found:
    """Run a query for its total and one page of it, in the order of the id column `key`."""
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    total = await session.scalar(counted) or 0
    if wanted.limit == 0:
        return Found(total)
    found = await page(session, query, key, PageRequest(wanted.limit, wanted.cursor))
    return Found(total, found.items, found.next)


def within(moment: Any, spans: Collection[Span]) -> list[ColumnElement[bool]]:
    """Return the conditions that a column of instants lies in all spans."""
    conditions = [moment >= span.low for span in spans if span.low is not None]
    return conditions + [moment < span.high for span in spans if span.high is not None]


def subjects_named(study_id: UUID, names: Collection[str]) -> Select[Any]:
    """Select the ids of the subjects that are named by id or by number."""
    ids = [found for found in map(read_id, names) if found is not None]
    return select(Subject.id).where(
        Subject.study_id == study_id, or_(Subject.id.in_(ids), Subject.number.in_(names))
    )


def last_change(model: Any) -> ScalarSelect[datetime]:
    """Select when the row at hand was changed last; creating is a change, too."""
    return (
        select(func.max(Change.recorded_at))
        .where(
            Change.study_id == model.study_id,
            Change.table_name == model.__tablename__,
            Change.record_id == model.id,
        )
        .correlate(model)
        .scalar_subquery()
    )


async def changed_at(
    session: AsyncSession, model: Any, study_id: UUID, ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Find when each of a table's rows was changed last."""
    query = (
        select(Change.record_id, func.max(Change.recorded_at).label("at"))
        .where(
            Change.study_id == study_id,
            Change.table_name == model.__tablename__,
            Change.record_id.in_(ids),
        )
        .group_by(Change.record_id)
    )
    return {row.record_id: row.at for row in await session.execute(query)}


async def numbers_of(
    session: AsyncSession, study_id: UUID, subject_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Find the numbers of subjects."""
    query = select(Subject.id, Subject.number).where(
        Subject.study_id == study_id, Subject.id.in_(subject_ids)
    )
    return {row.id: row.number for row in await session.execute(query)}


def read_id(text: str) -> UUID | None:
    """Read an id as the service writes it, None if it is none."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
