"""What became of judgements: adjudications given since, and judged events that changed since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from app.domain.facts import AdverseEvent, DltAdjudication
from app.domain.hindsight import moved_fields
from app.domain.record_dating import DATING
from app.schemas.evidence_moved import Movement
from app.services.hindsight import Hindsight, Made
from app.services.movements import Move, movement, writes_since

_EVENT = "adverse_event"


def judgement_moves(past: Hindsight, made: Made, subjects: Iterable[UUID | None]) -> Iterator[Move]:
    """Name what moved in the judgements of events that had happened when something was decided.

    An adjudication given since moved what it changed, and so did any change of an event that had
    been judged: also one of its words alone, because it has to be judged anew.
    """
    for subject_id in subjects:
        evidence = past.present.get(subject_id) if subject_id else None
        if evidence is None:
            continue
        for event in evidence.events:
            if made.at.has_seen(event.onset_at):
                answers = [
                    each for each in evidence.adjudications if each.adverse_event_id == event.id
                ]
                yield from _stale(past, made, event, answers)
                yield from _given(made, evidence.subject_id, answers)


def since_judged(past: Hindsight, event_id: UUID, version: int) -> tuple[Move, ...]:
    """Show what became of an event after the version that was judged, its end among it."""
    judged = next(each for each in past.versions.of(event_id) if each.image["version"] == version)
    last = past.versions.of(event_id)[-1]
    if last is judged:
        return ()
    now = None if last.image["retracted"] else last.image
    return (
        Move(
            record_type=_EVENT,
            record_id=event_id,
            subject_id=last.image["subject_id"],
            movement=movement(judged.image, now),
            version_before=version,
            changes=moved_fields(judged.image, now, DATING[_EVENT].read),
            writes=writes_since(past, event_id, judged.since)[1:],
        ),
    )


def _stale(
    past: Hindsight, made: Made, event: AdverseEvent, answers: Iterable[DltAdjudication]
) -> Iterator[Move]:
    """Show an event that was judged as it stood when something was decided, and changed since."""
    before = past.versions.before(UUID(event.id), made.known)
    judged = {each.adverse_event_version for each in answers if each.at < made.known}
    if before is not None and before.image["version"] in judged:
        yield from since_judged(past, UUID(event.id), before.image["version"])


def _given(made: Made, subject_id: UUID, answers: Iterable[DltAdjudication]) -> Iterator[Move]:
    for given in answers:
        if given.at >= made.known:
            yield Move(
                record_type="dlt_adjudication",
                record_id=UUID(given.id),
                subject_id=subject_id,
                movement=Movement.RECORDED,
                version_before=None,
                changes=(),
                writes=(),
            )
