"""Filing laboratory results: any number of statements become versions, by a few statements of SQL.

Every way in ends here. What is new is inserted at once; only results that are here already are
locked, compared and versioned one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, Select, Text, and_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import column
from sqlalchemy.sql.selectable import NamedFromClause

from app.core.ids import new_id
from app.domain.result_versions import (
    FIRST_REPORTS,
    Dated,
    Judgement,
    Statement,
    judge,
    promoted,
    standing,
)
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.lab_insertion import WRITTEN, insert_all, insert_new
from app.services.lab_versions import lock_results

_TABLE = LabResult.__table__.c
_NATURAL_KEY = ("subject_id", "source", "specimen", "analyte")
# What makes two reports of one specimen the same, beside status and collection.
_CONTENT = ("value", "comparator", "unit", "lln", "uln", "finding")

Row = Mapping[str, Any]
Key = tuple[Any, ...]


class FilingOutcome(StrEnum):
    """What became of one statement."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    DIFFERS = "differs"
    CONTRADICTION = "contradiction"
    SPECIMEN_REUSED = "specimen_reused"
    NOTHING_TO_PROMOTE = "nothing_to_promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One statement to file: the columns that hold what it says, and how it may stand.

    `row` has no id and no version yet. `may_follow` says that it may be a further version of a
    result that is here; otherwise other content under the same key is refused. `promotes` marks a
    promotion without content.
    """

    row: Row
    stated_at: datetime
    may_follow: bool
    dated: Dated = Dated.SENDER
    promotes: bool = False

    @property
    def key(self) -> Key:
        """Give the natural key of the result."""
        return tuple(self.row[name] for name in _NATURAL_KEY)

    @property
    def is_first_report(self) -> bool:
        """Tell whether it claims to be the first that is said about a result."""
        return not self.promotes and LabStatus(self.row["status"]) in FIRST_REPORTS

    @property
    def statement(self) -> Statement:
        """Give what it says, for judging it beside other versions."""
        return replace(_statement(self.row), stated_at=self.stated_at, dated=self.dated)


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a candidate, and the id of the version that holds what it says."""

    outcome: FilingOutcome
    id: UUID | None = None


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
        if any(
            candidates[indexes[0]].statement.clashes(candidates[other].statement)
            for other in indexes[1:]
        )
        for index in indexes
    }


async def _file_versions(session: AsyncSession, study_id: UUID, left: _Left) -> dict[int, Filed]:
    """Judge each candidate beside the versions of its result; store those that add one."""
    filed: dict[int, Filed] = {}
    rows: list[dict[str, Any]] = []
    for key, places in left.places.items():
        history = _History(left.stored.get(key, ()))
        for place in places:
            filed[place] = history.take(left.candidates[place])
        rows += history.added
    await insert_all(session, study_id, rows)
    return filed


class _History:
    """The versions of one result while candidates are added to it."""

    def __init__(self, stored: Iterable[LabResult]) -> None:
        self._rows: dict[int, Row] = {row.result_version: _columns(row) for row in stored}
        self.added: list[dict[str, Any]] = []

    @property
    def _statements(self) -> list[Statement]:
        return [
            replace(_statement(row), stated_at=row["stated_at"], number=number)
            for number, row in self._rows.items()
        ]

    def take(self, candidate: Candidate) -> Filed:
        """Judge one candidate; keep it as a further version if it is one."""
        if candidate.promotes:
            return self._promote(candidate)
        statement, statements = candidate.statement, self._statements
        if not statements:
            return self._add(candidate)
        if not candidate.may_follow:
            return self._find(statement, statements)
        judgement, repeated = judge(statement, statements)
        if repeated is not None:
            return Filed(FilingOutcome.DUPLICATE, self._rows[repeated.number]["id"])
        if judgement is not Judgement.VERSION:
            return Filed(FilingOutcome(judgement.value))
        return self._add(candidate)

    def _promote(self, candidate: Candidate) -> Filed:
        """Make the preliminary version that came before final."""
        follower = promoted(candidate.statement, self._statements)
        if follower is None:
            return Filed(FilingOutcome.NOTHING_TO_PROMOTE)
        if follower.number:
            return Filed(FilingOutcome.DUPLICATE, self._rows[follower.number]["id"])
        return self._add(replace(candidate, row=self._with_content(candidate)))

    def _find(self, statement: Statement, statements: Sequence[Statement]) -> Filed:
        """Tell a result that was sent again from one that would have to be a correction."""
        for stored in sorted(statements, key=lambda each: each.number, reverse=True):
            if stored.repeats(statement):
                return Filed(FilingOutcome.DUPLICATE, self._rows[stored.number]["id"])
        return Filed(FilingOutcome.DIFFERS)

    def _with_content(self, candidate: Candidate) -> Row:
        """Return the columns of the preliminary version, said anew as final."""
        earlier = [row for row in self._rows.values() if row["stated_at"] <= candidate.stated_at]
        before = max(earlier, key=lambda row: (row["stated_at"], row["standing"]))
        said_anew = ("status", "reported_at", "message_id", "position", "reason", "original_status")
        return {**before, **{name: candidate.row[name] for name in said_anew}}

    def _add(self, candidate: Candidate) -> Filed:
        first = self._rows.get(1)
        number = max(self._rows, default=0) + 1
        added = version(candidate, first["result_id"] if first else None, number)
        self._rows[number] = added
        self.added.append(added)
        return Filed(FilingOutcome.CREATED, added["id"])


def _statement(row: Row) -> Statement:
    """Return what a row says, as if it were said when it was collected."""
    return Statement(
        content=tuple(row[name] for name in _CONTENT),
        status=LabStatus(row["status"]),
        collected_at=row["collected_at"],
        precision=row["collected_precision"],
        stated_at=row["collected_at"],
    )


def version(candidate: Candidate, result_id: UUID | None, number: int) -> dict[str, Any]:
    """Return all columns of one version."""
    version_id = new_id()
    return {
        **candidate.row,
        "id": version_id,
        "result_id": result_id or version_id,
        "result_version": number,
        "stated_at": candidate.stated_at,
        "standing": standing(LabStatus(candidate.row["status"])),
    }


def _columns(row: LabResult) -> dict[str, Any]:
    return {name: getattr(row, name) for name in WRITTEN}


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
    given = _as_table([dict(zip(_NATURAL_KEY, key, strict=True)) for key in keys], _NATURAL_KEY)
    same = and_(*(getattr(LabResult, name) == given.c[name] for name in _NATURAL_KEY))
    query: Select[Any] = select(LabResult).where(LabResult.study_id == study_id)
    # A batch may name a key twice, so the join is only a filter.
    query = query.where(select(literal(1)).where(same).exists())
    firsts = await session.scalars(query.with_only_columns(LabResult.result_id))
    await lock_results(session, study_id, set(firsts))
    found: defaultdict[Key, list[LabResult]] = defaultdict(list)
    for row in await session.scalars(query.order_by(LabResult.result_version)):
        found[tuple(getattr(row, name) for name in _NATURAL_KEY)].append(row)
    return found
