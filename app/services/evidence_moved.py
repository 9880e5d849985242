"""Evidence moved: every decision and signature whose basis reads differently now, and its reviews.

Derived on every read and stored nowhere: what was decided is held against the same conclusion,
drawn for the same moment from the records as they are known now. Only reviews are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, not_found
from app.domain.evidence_moved import MovedStatus, MovedType, status
from app.models import Attestation, DltAdjudication, EvidenceReview, Operation, Principal
from app.schemas.evidence_moved import (
    EvidenceMovedListing,
    EvidenceMovedView,
    MovedRecordView,
    ReviewCreate,
    ReviewView,
    WriteView,
)
from app.services.access import Actor
from app.services.hindsight import Hindsight
from app.services.history import rows
from app.services.moved_search import Found, find_moved
from app.services.movements import Move, Moved, Write
from app.services.role_matrix import Area, Right
from app.services.signable import DOCUMENTS
from app.services.site_wall import across_sites

_AREAS = {
    MovedType.DECISION: Area.ESCALATION,
    MovedType.EXPANSION: Area.ESCALATION,
    MovedType.VERDICT: Area.ESCALATION,
    MovedType.ENROLMENT: Area.SCREENING,
    MovedType.ADJUDICATION: Area.DLT,
}
# Judgements that are no versions of a record: each is a row of its own.
_JUDGEMENTS: tuple[Any, ...] = (Attestation, DltAdjudication)


@dataclass(frozen=True, slots=True)
class MovedFilter:
    """Which movements are wanted; None does not filter."""

    status: MovedStatus | None = None
    subject_id: UUID | None = None


EVERYTHING = MovedFilter()


@dataclass(frozen=True, slots=True)
class _People:
    """Who wrote and who reviewed, by operation and by person."""

    operations: dict[UUID, Operation]
    names: dict[UUID, str]
    reviews: Sequence[EvidenceReview]


async def list_evidence_moved(
    session: AsyncSession,
    actor: Actor,
    at: datetime,
    past: datetime | None,
    only: MovedFilter = EVERYTHING,
) -> EvidenceMovedListing:
    """List what moved and the actor may read, in the order in which it was made."""
    found, people = await _search(session, actor, past)
    shown = [
        _view(actor, found, people, each) for each in found.moved if _reads(actor, found.past, each)
    ]
    items = [
        view
        for view in shown
        if only.status in (None, view.status) and only.subject_id in (None, view.subject_id)
    ]
    waiting = sum(view.status is MovedStatus.OPEN for view in shown)
    return EvidenceMovedListing(items=items, open=waiting, as_of=at, next=None)


async def all_evidence_moved(
    session: AsyncSession, reader: Actor, past: datetime | None
) -> list[EvidenceMovedView]:
    """List all that moved in a study, whatever roles may read which kind of it."""
    found, people = await _search(session, reader, past)
    return [_view(reader, found, people, each) for each in found.moved]


async def _search(
    session: AsyncSession, actor: Actor, past: datetime | None
) -> tuple[Found, _People]:
    """Find what moved at every site, in the order in which it was made, and who wrote it."""
    async with across_sites(session):
        found = await find_moved(session, actor, past)
        moved = await _with_judgements(session, actor.study_id, found.moved)
        people = await _people(session, actor.study_id, moved, past)
    ordered = sorted(moved, key=lambda each: (each.made_at, each.id))
    return replace(found, moved=ordered), people


async def review_evidence(
    session: AsyncSession, actor: Actor, word: ReviewCreate, now: datetime
) -> EvidenceReview:
    """Record what a person concluded about a movement as it was shown.

    Raises not_found for what did not move, and conflict when more moved since it was read.
    """
    listed = await list_evidence_moved(session, actor, now, None)
    keys = (word.type, word.id)
    item = next((each for each in listed.items if (each.type, each.id) == keys), None)
    if item is None:
        raise not_found("movement of evidence")
    if item.moved_digest != word.moved_digest:
        raise conflict(
            "evidence_moved",
            "More moved since it was read; read what moved again and conclude on that.",
        )
    row = EvidenceReview(
        study_id=actor.study_id,
        id=new_id(),
        record_type=word.type,
        record_id=word.id,
        subject_id=item.subject_id,
        moved_digest=word.moved_digest,
        conclusion=word.conclusion,
        text=word.text,
        reviewed_by=actor.principal_id,
    )
    session.add(row)
    await session.flush()
    return row


def _reads(actor: Actor, past: Hindsight, each: Moved) -> bool:
    """Tell whether a movement is of a kind, and of a site, that the actor may read."""
    area = _AREAS.get(each.type) or DOCUMENTS[each.record_type].area
    site_id = None if each.subject_id is None else past.present[each.subject_id].site_id
    return actor.may(area, Right.READ, site_id) and _sees(actor, past, each.subject_id)


def _sees(actor: Actor, past: Hindsight, subject_id: UUID | None) -> bool:
    return subject_id is None or actor.sees(past.present[subject_id].site_id)


async def _with_judgements(
    session: AsyncSession, study_id: UUID, moved: Iterable[Moved]
) -> list[Moved]:
    """Say of answers and adjudications by which operation they were given."""
    every = list(moved)
    wanted = {move.record_id for each in every for move in each.moves if not move.writes}
    given: dict[UUID, Write] = {}
    for model in _JUDGEMENTS if wanted else ():
        query = select(model.id, model.recorded_at, model.operation_id).where(
            model.study_id == study_id, model.id.in_(wanted)
        )
        for row in await session.execute(query):
            given[row.id] = Write(None, row.recorded_at, row.operation_id)
    return [
        replace(each, moves=tuple(_written(move, given) for move in each.moves)) for each in every
    ]


def _written(move: Move, given: dict[UUID, Write]) -> Move:
    write = given.get(move.record_id)
    return replace(move, writes=(write,)) if write else move


async def _people(
    session: AsyncSession, study_id: UUID, moved: Sequence[Moved], past: datetime | None
) -> _People:
    """Read who is told of, together."""
    ids = {each.operation_id for each in moved}
    ids |= {write.operation_id for each in moved for move in each.moves for write in move.writes}
    reviews = (await session.scalars(rows(EvidenceReview, study_id, past))).all()
    ids |= {review.operation_id for review in reviews}
    query = select(Operation).where(Operation.study_id == study_id, Operation.id.in_(ids))
    names = select(Principal.id, Principal.display_name).where(Principal.study_id == study_id)
    return _People(
        operations={row.id: row for row in await session.scalars(query)},
        names={row.id: row.display_name for row in await session.execute(names)},
        reviews=reviews,
    )


def _view(actor: Actor, found: Found, people: _People, each: Moved) -> EvidenceMovedView:
    """Show a movement; of records of other sites only that there are some."""
    digest = each.digest
    seen = [move for move in each.moves if _sees(actor, found.past, move.subject_id)]
    reviews = tuple(
        _review(review, people, digest)
        for review in people.reviews
        if (review.record_type, review.record_id) == (each.type, each.id)
    )
    by = each.made_by or people.operations[each.operation_id].actor_id
    subject = found.past.present[each.subject_id].subject if each.subject_id else None
    concluded = {review.moved_digest for review in reviews}
    return EvidenceMovedView(
        type=each.type,
        id=each.id,
        title=each.title,
        subject_id=each.subject_id,
        subject_number=subject.number if subject else None,
        record_type=each.record_type,
        record_id=each.record_id,
        made_at=each.made_at,
        made_by=by,
        made_by_name=people.names.get(by) if by else None,
        basis_digest=each.basis_digest,
        signatures=found.signatures_on(each),
        conclusion_changed=bool(each.conclusion),
        conclusion=each.conclusion,
        moved=tuple(_record(move, people) for move in seen),
        moved_elsewhere=len(each.moves) - len(seen),
        moved_digest=digest,
        status=status(digest, concluded, each.renewed_by is not None),
        renewed_by=each.renewed_by,
        reviews=reviews,
    )


def _record(move: Move, people: _People) -> MovedRecordView:
    return MovedRecordView(
        record_type=move.record_type,
        record_id=move.record_id,
        subject_id=move.subject_id,
        movement=move.movement,
        version_before=move.version_before,
        version_now=move.version_now,
        changes=move.changes,
        writes=tuple(_write(write, people.operations[write.operation_id]) for write in move.writes),
    )


def _write(write: Write, operation: Operation) -> WriteView:
    return WriteView(
        version=write.version,
        recorded_at=write.recorded_at,
        operation_id=operation.id,
        command=operation.command,
        actor_id=operation.actor_id,
        actor_name=operation.actor_name,
        role=operation.role,
        reason=operation.reason,
    )


def _review(row: EvidenceReview, people: _People, digest: str) -> ReviewView:
    return ReviewView(
        id=row.id,
        moved_digest=row.moved_digest,
        conclusion=row.conclusion,
        text=row.text,
        reviewed_by=row.reviewed_by,
        reviewed_by_name=people.names[row.reviewed_by],
        role=people.operations[row.operation_id].role,
        recorded_at=row.recorded_at,
        current=row.moved_digest == digest,
    )
