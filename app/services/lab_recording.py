"""Recording laboratory results: any number by one statement, each with an outcome of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, Text, and_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import column
from sqlalchemy.sql.selectable import NamedFromClause

from app.core.ids import new_id
from app.domain.errors import DomainError, ErrorKind, conflict, invalid
from app.domain.reported_results import (
    LabEntry,
    OriginalText,
    RecordingOutcome,
    ReportedResult,
    canonical_numbers,
    known_analyte,
    write_out,
)
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.access import Actor
from app.services.observations import Observable, observable_subjects

_TABLE = LabResult.__table__.c
_BY_DATABASE = {"study_id", "operation_id", "recorded_at"}
_WRITTEN = tuple(c.name for c in _TABLE if c.name not in _BY_DATABASE)
_NATURAL_KEY = ("subject_id", "source", "specimen", "analyte")
# What makes two reports of one specimen the same result, however they were spelled.
_CONTENT = ("status", "collected_at", "value", "comparator", "unit", "lln", "uln", "finding")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of one entry: the id of what is stored, or the refusal."""

    index: int
    outcome: RecordingOutcome
    id: UUID | None = None
    error: DomainError | None = None

    @property
    def code(self) -> str | None:
        """Give the code of the refusal."""
        return self.error.code if self.error else None

    @property
    def message(self) -> str | None:
        """Give the sentence of the refusal."""
        return self.error.message if self.error else None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcomes of a batch in its order, and how many there were of each kind."""

    results: list[Recorded]
    received: int
    created: int
    duplicates: int
    refused: int


async def record_batch(
    session: AsyncSession, actor: Actor, entries: Sequence[LabEntry], now: datetime
) -> BatchOutcome:
    """Store what is new and sound of a batch, and count what became of it."""
    results = await record_results(session, actor, entries, now)
    counts = Counter(each.outcome for each in results)
    return BatchOutcome(
        results=results,
        received=len(results),
        created=counts[RecordingOutcome.CREATED],
        duplicates=counts[RecordingOutcome.DUPLICATE],
        refused=counts[RecordingOutcome.REFUSED],
    )


async def record_results(
    session: AsyncSession, actor: Actor, entries: Sequence[LabEntry], now: datetime
) -> list[Recorded]:
    """Store what is new and sound; tell for each entry, in order, what became of it.

    The natural key (subject, source, specimen, analyte) decides what is new: the same result sent
    again is a duplicate, other content under it is refused, because it has to be a correction.
    """
    subjects = await observable_subjects(session, actor, {entry.subject_id for entry in entries})
    outcomes: dict[int, Recorded] = {}
    rows: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        try:
            rows[index] = _row(entry, subjects.get(entry.subject_id), now)
        except DomainError as error:
            outcomes[index] = Recorded(index, RecordingOutcome.REFUSED, error=error)
    created = await _insert(session, actor.study_id, list(rows.values()))
    known = {index: row for index, row in rows.items() if row["id"] not in created}
    versions = await _versions(session, actor.study_id, list(known.values()))
    for index, row in rows.items():
        outcomes[index] = (
            _compare(index, row, versions[_natural_key(row)])
            if index in known
            else Recorded(index, RecordingOutcome.CREATED, row["id"])
        )
    return [outcomes[index] for index in range(len(entries))]


def content_columns(result: ReportedResult, original: OriginalText) -> dict[str, Any]:
    """Return the columns that hold what a result says; raise invalid if it cannot be right."""
    analyte = known_analyte(result.analyte)
    numbers = canonical_numbers(analyte, result)
    return {
        "analyte": analyte.key,
        "status": result.status,
        "collected_at": result.collected_at,
        "reported_at": result.reported_at,
        "comparator": result.comparator,
        "finding": result.finding,
        **{field.name: getattr(numbers, field.name) for field in fields(numbers)},
        **{f"original_{field.name}": getattr(original, field.name) for field in fields(original)},
    }


def check_moments(result: ReportedResult, subject: Observable, now: datetime) -> None:
    """Refuse a collection that cannot have been and a report from the future."""
    subject.check(result.collected_at, "collected_at", now)
    if result.reported_at is not None and result.reported_at > now:
        raise invalid("future_moment", "reported_at lies in the future.", "/reported_at")


def _row(entry: LabEntry, subject: Observable | None, now: datetime) -> dict[str, Any]:
    """Return the columns of a first version; raise DomainError for an entry that is refused."""
    if subject is None:
        raise DomainError(
            ErrorKind.NOT_FOUND,
            "unknown_subject",
            "There is no such subject here; check the identifier.",
        )
    result = entry.result
    if result.status is LabStatus.ENTERED_IN_ERROR:
        raise invalid(
            "nothing_to_withdraw", "Only a result that is here can be entered in error.", "/status"
        )
    content = content_columns(result, entry.original or write_out(result))
    check_moments(result, subject, now)
    result_id = new_id()
    return content | {
        "id": result_id,
        "result_id": result_id,
        "result_version": 1,
        "subject_id": entry.subject_id,
        "source": entry.source,
        "accession": entry.accession,
        "specimen": entry.accession or result.collected_at.astimezone(UTC).isoformat(),
        "reason": None,
    }


def _natural_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _NATURAL_KEY)


def _as_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> NamedFromClause:
    """Show rows as a table of one array for each column, so that a statement takes any number."""
    types = [Text() if isinstance(_TABLE[name].type, Enum) else _TABLE[name].type for name in names]
    arrays = [
        literal([row[name] for row in rows], ARRAY(kind))
        for name, kind in zip(names, types, strict=True)
    ]
    columns = [column(name, kind) for name, kind in zip(names, types, strict=True)]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


async def _insert(
    session: AsyncSession, study_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> set[UUID]:
    """Store first versions by one statement; return the ids of those that were new."""
    if not rows:
        return set()
    given = _as_table(rows, _WRITTEN)
    statement = (
        insert(LabResult)
        .from_select(["study_id", *_WRITTEN], select(literal(study_id), *given.c))
        .on_conflict_do_nothing(constraint="uq_lab_result_natural_key")
        .returning(LabResult.id)
    )
    return set((await session.scalars(statement)).all())


async def _versions(
    session: AsyncSession, study_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> defaultdict[tuple[Any, ...], list[LabResult]]:
    """Find every stored version under the natural keys of rows, the last version first."""
    found: defaultdict[tuple[Any, ...], list[LabResult]] = defaultdict(list)
    if not rows:
        return found
    given = _as_table(rows, _NATURAL_KEY)
    same = and_(*(getattr(LabResult, name) == given.c[name] for name in _NATURAL_KEY))
    # A batch may name a key twice, so the join is only a filter.
    query = (
        select(LabResult)
        .where(LabResult.study_id == study_id, select(literal(1)).where(same).exists())
        .order_by(LabResult.result_version.desc())
    )
    for row in await session.scalars(query):
        found[tuple(getattr(row, name) for name in _NATURAL_KEY)].append(row)
    return found


def _compare(index: int, row: Mapping[str, Any], versions: Sequence[LabResult]) -> Recorded:
    """Tell a result that was sent again from one that contradicts what is here."""
    for version in versions:
        if all(row[name] == getattr(version, name) for name in _CONTENT):
            return Recorded(index, RecordingOutcome.DUPLICATE, version.id)
    differs = conflict(
        "result_differs",
        "This analyte of this specimen is here with other content; send a correction of it.",
    )
    return Recorded(index, RecordingOutcome.REFUSED, error=differs)
