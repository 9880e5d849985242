"""Reference ranges in hindsight: which versions moved the limits that a result was judged by."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from app.domain.hindsight import Image, moved_fields
from app.services.hindsight import Hindsight, Made
from app.services.movements import Move, Write, movement

_READ = ("low", "high", "unit", "effective_from", "ends_on")


def range_moves(
    past: Hindsight, made: Made, subject_id: UUID, ids: Collection[str]
) -> Iterator[Move]:
    """Name the ranges, written or ended since, by which these results of a subject read otherwise.

    Whether a limit that was filled differs is what counts: a range that leaves them all as they
    were moved nothing.
    """
    if not past.ranges.ranges:
        return
    evidence, register = past.present[subject_id], past.ranges.register()
    then = register.known_before(made.known)
    moved: dict[str, None] = {}
    for lab in evidence.labs:
        if lab.id in ids:
            old = then.complete(lab, evidence.subject)
            if (old.lln, old.uln) != (lab.lln, lab.uln):
                written = register.written_since(made.known, lab, evidence.subject)
                moved |= dict.fromkeys(written)
    for range_id in moved:
        yield _move(past, made, UUID(range_id))


def _move(past: Hindsight, made: Made, range_id: UUID) -> Move:
    row, ends = past.ranges.ranges[range_id], past.ranges.retractions.get(range_id, ())
    before = _image(row, [end for end in ends if end.recorded_at < made.known])
    known = before if row.recorded_at < made.known else None
    now = _image(row, ends)
    return Move(
        record_type=row.__tablename__,
        record_id=range_id,
        subject_id=None,
        movement=movement(known, now),
        version_before=row.number if known else None,
        changes=moved_fields(known, now, _READ),
        writes=tuple(
            Write(row.number, each.recorded_at, each.operation_id)
            for each in (row, *ends)
            if each.recorded_at >= made.known
        ),
    )


def _image(row: Any, ends: Collection[Any]) -> Image:
    """Return what a range says; None once it was taken back."""
    if any(end.from_day is None for end in ends):
        return None
    image = {name: getattr(row, name) for name in _READ[:-1]}
    return image | {"ends_on": min((end.from_day for end in ends), default=None)}
