"""Laboratory results in hindsight: which version counted at a moment, and which counts now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.hindsight import moved_fields
from app.domain.record_dating import RESULT_FIELDS
from app.models import LabResult
from app.services.evidence import stands
from app.services.hindsight import Made
from app.services.movements import Move, Write, movement


@dataclass(frozen=True, slots=True)
class Results:
    """The versions of the results that were asked for, by result, and which result each is of."""

    versions: Mapping[UUID, list[Any]] = field(default_factory=dict)
    result_of: Mapping[UUID, UUID] = field(default_factory=dict)

    def moves(self, made: Made, ids: Iterable[str]) -> tuple[Move, ...]:
        """Find which of the results that have these versions read differently now."""
        wanted = (self.result_of.get(UUID(each)) for each in ids)
        results = (each for each in dict.fromkeys(wanted) if each is not None)
        found = (self._move(made, self.versions[result]) for result in results)
        return tuple(move for move in found if move is not None)

    def of(self, subject_id: UUID, analytes: Collection[str]) -> tuple[str, ...]:
        """Name a subject's results of some analytes."""
        return tuple(
            str(result)
            for result, rows in self.versions.items()
            if rows[0].subject_id == subject_id and rows[0].analyte in analytes
        )

    def _move(self, made: Made, rows: list[Any]) -> Move | None:
        before = _counting([row for row in rows if row.recorded_at < made.known])
        now = _counting(rows)
        then, since = (
            row._asdict() if row and made.at.has_seen(row.collected_at) else None
            for row in (before, now)
        )
        changes = moved_fields(then, since, RESULT_FIELDS)
        if not changes:
            return None
        later = [row for row in rows if row.recorded_at >= made.known]
        return Move(
            record_type="lab_result",
            record_id=rows[0].result_id,
            subject_id=rows[0].subject_id,
            movement=movement(then, since),
            version_before=before.result_version if before else None,
            changes=changes,
            writes=tuple(
                Write(row.result_version, row.recorded_at, row.operation_id) for row in later
            ),
        )


async def load_results(
    session: AsyncSession,
    study_id: UUID,
    wanted: tuple[Collection[str], Collection[UUID], Collection[str]],
    until: datetime | None,
) -> Results:
    """Read all versions of results: of those with the ids, and of the subjects in the analytes."""
    ids, subjects, analytes = wanted
    if not ids and not subjects:
        return Results()
    named = select(LabResult.result_id).where(
        LabResult.study_id == study_id, LabResult.id.in_({UUID(each) for each in ids})
    )
    query = select(*LabResult.__table__.c).where(
        LabResult.study_id == study_id,
        or_(
            LabResult.result_id.in_(named),
            LabResult.subject_id.in_(subjects) & LabResult.analyte.in_(analytes),
        ),
    )
    if until is not None:
        query = query.where(LabResult.recorded_at <= until)
    versions: defaultdict[UUID, list[Any]] = defaultdict(list)
    result_of: dict[UUID, UUID] = {}
    for row in await session.execute(query.order_by(LabResult.result_version)):
        versions[row.result_id].append(row)
        result_of[row.id] = row.result_id
    return Results(versions, result_of)


def _counting(rows: list[Any]) -> Any:
    """Return the version that counts, None where there is none."""
    return max(rows, key=stands, default=None)
