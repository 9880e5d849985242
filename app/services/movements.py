"""Movements: which records read differently now than when something was decided, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.serialization import digest, from_json, to_json
from app.domain.evidence_moved import MovedType
from app.domain.hindsight import FieldMove, Image, moved_fields
from app.domain.record_dating import DATING
from app.schemas.evidence_moved import DifferenceView, Movement
from app.services.hindsight import Hindsight, Made


@dataclass(frozen=True, slots=True)
class Write:
    """A version of a record, by the operation that wrote it."""

    version: int | None
    recorded_at: datetime
    operation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A record that reads differently now."""

    record_type: str
    record_id: UUID
    subject_id: UUID | None
    movement: Movement
    version_before: int | None
    changes: tuple[FieldMove, ...]
    writes: tuple[Write, ...]

    @property
    def version_now(self) -> int | None:
        """The version on record now."""
        return self.writes[-1].version if self.writes else self.version_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What rests on evidence that moved; `record_*` is what a signature is on, or itself."""

    type: MovedType
    id: UUID
    title: str
    subject_id: UUID | None
    record_type: str
    record_id: UUID
    made_at: datetime
    made_by: UUID | None
    operation_id: UUID
    basis_digest: str | None
    conclusion: tuple[DifferenceView, ...]
    moves: tuple[Move, ...]
    renewed_by: UUID | None = None

    @property
    def digest(self) -> str:
        """Name this movement: another one of the same thing has another digest."""
        moves = [(each.record_type, each.record_id, each.writes, each.changes)
                 for each in self.moves]  # fmt: skip
        return digest([self.type, self.id, self.conclusion, moves])


def plain(value: Any) -> Any:
    """Return a value as its JSON, so that what was stored and what is derived compare."""
    return from_json(to_json(value))


def difference(
    name: str, before: Any, after: Any, subject_id: UUID | None = None
) -> tuple[DifferenceView, ...]:
    """Return a part of a conclusion if it is drawn differently now."""
    # By their text: True is 1 for Python, and 1.0 is 1.
    if to_json(before) == to_json(after):
        return ()
    return (DifferenceView(name=name, subject_id=subject_id, before=before, after=after),)


def record_moves(past: Hindsight, made: Made, record_ids: Iterable[UUID]) -> tuple[Move, ...]:
    """Find which of these records read differently now for the moment of a decision."""
    found = []
    for record_id in dict.fromkeys(record_ids):
        table = past.versions.table_of.get(record_id)
        if table is None or table not in DATING:
            continue
        then, since = past.then(record_id, made), past.since(record_id, made)
        changes = moved_fields(then, since, DATING[table].read)
        if changes:
            found.append(_move(past, made, record_id, (then, since), changes))
    return tuple(found)


def movement(before: object | None, after: object | None) -> Movement:
    """Tell what became of a record that was, or was not, a fact before, and now."""
    if before is None:
        return Movement.RECORDED
    return Movement.CHANGED if after is not None else Movement.RETRACTED


def writes_since(past: Hindsight, record_id: UUID, moment: datetime) -> tuple[Write, ...]:
    """Tell who wrote the versions of a record from a moment on."""
    return tuple(
        Write(version.image.get("version"), version.since, version.operation_id)
        for version in past.versions.since(record_id, moment)
    )


def _move(
    past: Hindsight,
    made: Made,
    record_id: UUID,
    images: tuple[Image, Image],
    changes: tuple[FieldMove, ...],
) -> Move:
    table = past.versions.table_of[record_id]
    before = past.versions.before(record_id, made.known)
    last = past.versions.of(record_id)[-1].image
    return Move(
        record_type=table,
        record_id=record_id,
        subject_id=last.get("subject_id", record_id),
        movement=movement(*images),
        version_before=before.image["version"] if before else None,
        changes=changes,
        writes=writes_since(past, record_id, made.known),
    )


def newer(record_id: UUID, later: Sequence[tuple[datetime, UUID]]) -> UUID | None:
    """Return the last of a row of acts on one thing if it is not the given one."""
    last = max(later)[1]
    return None if last == record_id else last
