"""Filing laboratory results: any number of statements become versions, by a few statements of SQL.

Every way in ends here. What is new is inserted at once; only results that are here already are
locked, compared and versioned one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, Select, Text, and_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import column
from sqlalchemy.sql.selectable import NamedFromClause

from app.models import LabResult
from app.services.lab_history import (
    NATURAL_KEY,
    Candidate,
    Filed,
    FilingOutcome,
    History,
    Key,
    Row,
    version,
)
from app.services.lab_insertion import insert_all, insert_new
from app.services.lab_versions import lock_results

_TABLE = LabResult.__table__.c


async def file_results(
    session: AsyncSession, study_id: UUID, candidates: Sequence[Candidate]
) -> list[Filed]:
    """Store what is new of the candidates; tell for each, in order, what became of it.

    The subjects have to be known to be of the study, and the rows to hold canonical numbers.
    """
    filed = {index: Filed(FilingOutcome.CONTRADICTION) for index in _contradictory(candidates)}
    by_key: defaultdict[Key, list[int]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        if index not in filed:
            by_key[candidate.key].append(index)
    for indexes in by_key.values():
        indexes.sort(key=lambda index: candidates[index].statement.order)
    firsts = {
        indexes[0]: version(candidates[indexes[0]], None, 1)
        for indexes in (by_key[key] for key in sorted(by_key))
        if not candidates[indexes[0]].promotes
    }
    created = await insert_new(session, study_id, list(firsts.values()))
    for index, row in firsts.items():
        if row["id"] in created:
            filed[index] = Filed(FilingOutcome.CREATED, row["id"])
    left = {key: [i for i in indexes if i not in filed] for key, indexes in by_key.items()}
    left = {key: indexes for key, indexes in left.items() if indexes}
    if left:
        stored = await _lock_versions(session, study_id, list(left))
        filed |= await _file_versions(session, study_id, _Left(candidates, left, stored))
    return [filed[index] for index in range(len(candidates))]


@dataclass(frozen=True, slots=True)
class _Left:
    """What has to be compared with stored versions: places of candidates, by natural key."""

    candidates: Sequence[Candidate]
    places: Mapping[Key, Sequence[int]]
    stored: Mapping[Key, Sequence[LabResult]]


def _contradictory(candidates: Sequence[Candidate]) -> set[int]:
    """Find the candidates of one delivery that contradict each other: none of them is filed."""
    same: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        if candidate.may_follow and not candidate.promotes:
            same[(candidate.key, candidate.statement.order)].append(index)
    return {
        index
        for indexes in same.values()
        for pair in combinations(indexes, 2)
        if candidates[pair[0]].statement.clashes(candidates[pair[1]].statement)
        for index in pair
    }


async def _file_versions(session: AsyncSession, study_id: UUID, left: _Left) -> dict[int, Filed]:
    """Judge each candidate beside the versions of its result; store those that add one."""
    filed: dict[int, Filed] = {}
    rows: list[dict[str, Any]] = []
    for key, places in left.places.items():
        history = History(left.stored.get(key, ()))
        for place in places:
            filed[place] = history.take(left.candidates[place])
        rows += history.added
    await insert_all(session, study_id, rows)
    return filed


def _as_table(rows: Sequence[Row], names: Sequence[str]) -> NamedFromClause:
    """Show rows as a table of one array for each column, so that a statement takes any number."""
    types = [Text() if isinstance(_TABLE[name].type, Enum) else _TABLE[name].type for name in names]
    arrays = [
        literal([row[name] for row in rows], ARRAY(kind))
        for name, kind in zip(names, types, strict=True)
    ]
    columns = [column(name, kind) for name, kind in zip(names, types, strict=True)]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


async def _lock_versions(
    session: AsyncSession, study_id: UUID, keys: Sequence[Key]
) -> dict[Key, list[LabResult]]:
    """Find all versions under natural keys, locked so that nobody else adds one meanwhile."""
    given = _as_table([dict(zip(NATURAL_KEY, key, strict=True)) for key in keys], NATURAL_KEY)
    same = and_(*(getattr(LabResult, name) == given.c[name] for name in NATURAL_KEY))
    query: Select[Any] = select(LabResult).where(LabResult.study_id == study_id)
    # A batch may name a key twice, so the join is only a filter.
    query = query.where(select(literal(1)).where(same).exists())
    firsts = await session.scalars(query.with_only_columns(LabResult.result_id))
    await lock_results(session, study_id, set(firsts))
    found: defaultdict[Key, list[LabResult]] = defaultdict(list)
    for row in await session.scalars(query.order_by(LabResult.result_version)):
        found[tuple(getattr(row, name) for name in NATURAL_KEY)].append(row)
    return found
