"""DLT adjudications whose event was changed since, or lies otherwise in the window now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.dlt_standing import RETRACTED, DltStanding
from app.domain.evidence_moved import MovedType
from app.models import DltAdjudication
from app.schemas.evidence_moved import DifferenceView
from app.services.adverse_event_conclusions import dlt_course
from app.services.evidence import SubjectEvidence
from app.services.hindsight import Hindsight, Made
from app.services.moved_judgements import since_judged
from app.services.movements import (
    Moved,
    difference,
    newer,
    record_moves,
)

_EVENT = "adverse_event"
_WINDOW_TABLES = ("infusion", "disposition")


def moved_adjudications(
    past: Hindsight, rows: Iterable[DltAdjudication], signed_about: Mapping[UUID, datetime]
) -> Iterator[Moved]:
    """Find the adjudications whose basis moved.

    `signed_about` is the moment that each signature on one was drawn for, by the adjudication.
    """
    every = list(rows)
    of_event: defaultdict[UUID, list[tuple[datetime, UUID]]] = defaultdict(list)
    for row in every:
        of_event[row.adverse_event_id].append((row.recorded_at, row.id))
    for row in every:
        made = past.made(row.recorded_at, signed_about.get(row.id, row.recorded_at))
        found = _held_against_now(past, made, row)
        if found is not None:
            yield replace(found, renewed_by=newer(row.id, of_event[row.adverse_event_id]))


def _held_against_now(past: Hindsight, made: Made, row: DltAdjudication) -> Moved | None:
    event = past.versions.of(row.adverse_event_id)[-1].image
    subject_id: UUID = event["subject_id"]
    stale = difference("event_version", row.adverse_event_version, event["version"])
    parts = (*stale, *_standing(past, made, row, subject_id))
    if not parts:
        return None
    window = past.records_of(subject_id, *_WINDOW_TABLES)
    changed = since_judged(past, row.adverse_event_id, row.adverse_event_version)
    moves = (*changed, *record_moves(past, made, window))
    answer = "is" if row.is_dlt else "is not"
    return Moved(
        type=MovedType.ADJUDICATION,
        id=row.id,
        title=f"{event['term']} {answer} dose-limiting",
        subject_id=subject_id,
        record_type=row.__tablename__,
        record_id=row.id,
        made_at=row.recorded_at,
        made_by=row.adjudicated_by,
        operation_id=row.operation_id,
        basis_digest=None,
        conclusion=parts,
        moves=moves,
    )


def _standing(
    past: Hindsight, made: Made, row: DltAdjudication, subject_id: UUID
) -> tuple[DifferenceView, ...]:
    """Compare why the event was proposed then and would be now, and the window it lay in."""
    found = past.protocols.on(made.at.day)
    if found is None:
        return difference("protocol", "in force", None)
    then, since = (
        _unjudged(evidence, found[0].rules, row.adverse_event_id)
        for evidence in (past.counted_then(subject_id, made), past.counted(subject_id, made))
    )
    return difference("standing", _told(then), _told(since), subject_id)


def _unjudged(evidence: SubjectEvidence, rules: Any, event_id: UUID) -> DltStanding:
    """Tell how an event stands before anybody judges it."""
    course = dlt_course(replace(evidence, adjudications=()), rules)
    return course.standings.get(str(event_id), RETRACTED)


def _told(standing: DltStanding) -> dict[str, Any]:
    return {
        "proposed": standing.state,
        "reasons": sorted(reason.code for reason in standing.reasons),
        "window_start": standing.window_start,
        "window_end": standing.window_end,
    }
