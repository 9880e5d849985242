"""Laboratory results as the FHIR façade reads them: the version of each that counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.errors import not_found
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.access import Actor
from app.services.fhir_search import (
    Found,
    SearchPage,
    Span,
    numbers_of,
    read_id,
    search,
    subjects_named,
    within,
)
from app.services.lab_versions import is_current


@dataclass(frozen=True, slots=True)
class ResultOfSubject:
    """A version of a result with the number of its subject."""

    row: LabResult
    subject_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSearch:
    """Which results are wanted; None does not filter, spans have to hold together.

    `result_ids` and `accessions` are alternatives, and given together.
    """

    ids: Collection[str] | None = None
    result_ids: Collection[str] | None = None
    accessions: Collection[str] | None = None
    subjects: Collection[str] | None = None
    analytes: Collection[str] | None = None
    statuses: Collection[LabStatus] | None = None
    collected: tuple[Span, ...] = ()
    recorded: tuple[Span, ...] = ()


async def search_results(
    session: AsyncSession, actor: Actor, wanted: ResultSearch, on_page: SearchPage
) -> Found:
    """Search the versions that count, in the order of recording."""
    query = select(LabResult).where(
        LabResult.study_id == actor.study_id,
        is_current(LabResult, None),
        *_conditions(actor, wanted),
    )
    found = await search(session, query, LabResult.id, on_page)
    return Found(found.total, await _with_numbers(session, actor, found.items), found.next)


async def read_result(session: AsyncSession, actor: Actor, result_id: str) -> ResultOfSubject:
    """Read the version that counts of one result; raise not_found."""
    query = select(LabResult).where(
        LabResult.study_id == actor.study_id,
        LabResult.result_id == read_id(result_id),
        is_current(LabResult, None),
    )
    row = await session.scalar(query)
    if row is None:
        raise not_found("laboratory result")
    (result,) = await _with_numbers(session, actor, [row])
    return result


async def counting_versions(
    session: AsyncSession, study_id: UUID, ids: Collection[UUID]
) -> dict[UUID, LabResult]:
    """Find the version that counts now of the result of each version, by the ids of those."""
    said = aliased(LabResult)
    same = and_(said.study_id == LabResult.study_id, said.result_id == LabResult.result_id)
    query = (
        select(said.id, LabResult)
        .join(said, same)
        .where(LabResult.study_id == study_id, said.id.in_(ids), is_current(LabResult, None))
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def own_results(
    session: AsyncSession, study_id: UUID, source: str, ids: Collection[str]
) -> set[UUID]:
    """Find the results of one source among ids that may be those of the façade."""
    wanted = [found for found in map(read_id, ids) if found is not None]
    query = select(LabResult.id).where(
        LabResult.study_id == study_id,
        LabResult.id.in_(wanted),
        LabResult.result_id == LabResult.id,
        LabResult.source == source,
    )
    return set(await session.scalars(query)) if wanted else set()


def _conditions(actor: Actor, wanted: ResultSearch) -> list[ColumnElement[bool]]:
    named = wanted.subjects
    lists: tuple[tuple[Any, Collection[Any] | None], ...] = (
        (LabResult.result_id, _ids(wanted.ids)),
        (LabResult.analyte, wanted.analytes),
        (LabResult.status, wanted.statuses),
    )
    conditions = [column.in_(values) for column, values in lists if values is not None]
    if named is not None:
        conditions.append(LabResult.subject_id.in_(subjects_named(actor.study_id, named)))
    if wanted.result_ids is not None and wanted.accessions is not None:
        conditions.append(
            or_(
                LabResult.result_id.in_(_ids(wanted.result_ids) or ()),
                LabResult.accession.in_(wanted.accessions),
            )
        )
    return [
        *conditions,
        *within(LabResult.collected_at, wanted.collected),
        *within(LabResult.recorded_at, wanted.recorded),
    ]


def _ids(texts: Collection[str] | None) -> list[UUID] | None:
    """Read ids; what is none finds nothing."""
    if texts is None:
        return None
    return [found for found in map(read_id, texts) if found is not None]


async def _with_numbers(
    session: AsyncSession, actor: Actor, rows: Collection[LabResult]
) -> list[ResultOfSubject]:
    numbers = await numbers_of(session, actor.study_id, {row.subject_id for row in rows})
    return [ResultOfSubject(row, numbers[row.subject_id]) for row in rows]
