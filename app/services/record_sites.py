"""At which sites records are: found by their ids alone, past the wall of whoever names them.

It says where something is and shows nothing of it, so that rights can be held against that site.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AdverseEvent,
    Base,
    Casebook,
    Sender,
    Site,
    StudyRecord,
    Subject,
    UnlockRequest,
)
from app.services.site_wall import across_sites

# A record is at the site that it names, or at that of what it names by one of these columns.
_HOLDERS = {
    "sender_id": Sender,
    "subject_id": Subject,
    "adverse_event_id": AdverseEvent,
    "casebook_id": Casebook,
    "request_id": UnlockRequest,
}
# No way to write an id is longer.
_LONGEST = len("urn:uuid:00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class Named:
    """What a request names: records by their ids, and a site by its code."""

    ids: frozenset[UUID]
    site: str | None


def ids_in(value: Any) -> Iterator[UUID]:
    """Find every id in the parameters of an address or in what a JSON body says."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from ids_in(each)
    elif isinstance(value, str) and len(value) <= _LONGEST:
        try:
            yield UUID(value)
        except ValueError:
            return


async def sites_of(session: AsyncSession, study_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return the sites of the records with these ids; what is of no site adds none."""
    if not ids:
        return set()
    query = select(_LOCATED.c.site_id).where(
        _LOCATED.c.study_id == study_id, _LOCATED.c.id.in_(ids), _LOCATED.c.site_id.is_not(None)
    )
    async with across_sites(session):
        return set(await session.scalars(query))


async def site_of(session: AsyncSession, study_id: UUID, record_id: UUID) -> UUID | None:
    """Return the site of a record, None for what is of no site and for what is not there."""
    return next(iter(await sites_of(session, study_id, {record_id})), None)


async def site_with_code(session: AsyncSession, study_id: UUID, code: str) -> UUID | None:
    """Return the site of a code, None where there is none."""
    site_id: UUID | None = await session.scalar(
        select(Site.id).where(Site.study_id == study_id, Site.code == code)
    )
    return site_id


def _located(table: FromClause) -> Select[Any] | None:
    """Select the ids of a table beside their sites; None for a table that is of no site."""
    source, sites = table, _own_site(table)
    for name, model in _HOLDERS.items():
        if name in table.c:
            rows = _located(model.__table__)
            assert rows is not None, "what holds records is at a site"
            holder = rows.subquery()
            source = source.outerjoin(
                holder, (holder.c.study_id == table.c.study_id) & (holder.c.id == table.c[name])
            )
            sites.append(holder.c.site_id)
    if not sites:
        return None
    site = sites[0] if len(sites) == 1 else func.coalesce(*sites)
    return select(table.c.study_id, table.c.id, site.label("site_id")).select_from(source)


def _own_site(table: FromClause) -> list[ColumnElement[UUID]]:
    return [table.c.site_id] if "site_id" in table.c else []


_TABLES = [
    mapper.local_table for mapper in Base.registry.mappers if issubclass(mapper.class_, StudyRecord)
]
_LOCATED = union_all(*(rows for rows in map(_located, _TABLES) if rows is not None)).subquery(
    "located"
)
