"""Where casebooks stand, as their rows say: signed, locked, asked to be unlocked, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.casebook import CasebookAction, CasebookState, Person, Standing, step
from app.domain.errors import conflict
from app.domain.inbound import InboxStatus
from app.domain.vocabulary import Role
from app.models import (
    Casebook,
    Change,
    InboxItem,
    Operation,
    Signature,
    Subject,
    UnlockRequest,
    UnlockVerdict,
)
from app.services.access import Actor
from app.services.casebook_content import RECORD_TYPE, casebook_digest
from app.services.history import as_of, fetch
from app.services.paging import Page, PageRequest, page


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSignature:
    """The investigator's last signature on a casebook; void once the records say something else."""

    row: Signature
    void: bool

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the signature's."""
        return getattr(self.row, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasebookStep:
    """One thing that was done about a casebook."""

    action: CasebookAction
    operation: Operation

    def __getattr__(self, name: str) -> Any:
        """Show who did it, why and when."""
        return getattr(self.operation, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasebookStatus:
    """Where a subject's casebook stands; `waiting` are the ids of its open inbox items."""

    subject_id: UUID
    subject_number: str
    state: CasebookState
    digest: str
    frozen_digest: str | None
    signature: HeldSignature | None
    unlock_request: UnlockRequest | None
    history: Sequence[CasebookStep]
    waiting: Sequence[InboxItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCasebook:
    """A casebook that was closed at least once, as a list shows it."""

    row: Casebook
    state: CasebookState
    unlock_request: UnlockRequest | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the casebook's."""
        return getattr(self.row, name)


async def standing_of(
    session: AsyncSession, row: Casebook | None, past: datetime | None
) -> Standing:
    """Derive where a casebook stands from its row; without a row it is open."""
    if row is None or row.state is CasebookState.OPEN:
        return Standing()
    if row.state is CasebookState.LOCKED:
        request = await open_request(session, row, past)
        asked = Person(request.requested_by, request.requested_role) if request else None
        return Standing(CasebookState.LOCKED, asked)
    frozen = Standing(CasebookState.FROZEN)
    signature = await last_signature(session, row.study_id, row.subject_id, past)
    if signature is None or signature.digest != row.digest:
        return frozen
    return step(frozen, CasebookAction.SIGN, Person(signature.signer_id, signature.role))


async def require_closed(session: AsyncSession, actor: Actor, subject_id: UUID) -> None:
    """Raise conflict while a casebook is open: what may still change is not signed."""
    query = select(Casebook.state).where(
        Casebook.study_id == actor.study_id, Casebook.subject_id == subject_id
    )
    if await session.scalar(query) in (None, CasebookState.OPEN):
        raise conflict(
            "casebook_open", "The casebook is open; let a data manager freeze it, then sign it."
        )


async def last_signature(
    session: AsyncSession, study_id: UUID, subject_id: UUID, past: datetime | None
) -> Signature | None:
    """Find the principal investigator's last signature on a casebook."""
    entity = as_of(Signature, study_id, past)
    query = select(entity).where(
        entity.study_id == study_id,
        entity.record_type == RECORD_TYPE,
        entity.record_id == subject_id,
        entity.role == Role.PRINCIPAL_INVESTIGATOR,
    )
    found: Signature | None = await session.scalar(query.order_by(entity.id.desc()).limit(1))
    return found


async def open_request(
    session: AsyncSession, row: Casebook, past: datetime | None
) -> UnlockRequest | None:
    """Find the request to open a casebook that nobody has answered yet."""
    asked, answered = (as_of(model, row.study_id, past) for model in (UnlockRequest, UnlockVerdict))
    query = select(asked).where(
        asked.study_id == row.study_id,
        asked.casebook_id == row.id,
        asked.casebook_version == row.version,
        asked.id.not_in(select(answered.request_id).where(answered.study_id == row.study_id)),
    )
    found: UnlockRequest | None = await session.scalar(query)
    return found


async def read_casebook(
    session: AsyncSession, actor: Actor, subject_id: UUID, past: datetime | None
) -> CasebookStatus:
    """Read where a subject's casebook stands; raise not_found for an unknown subject."""
    subject = await fetch(session, Subject, actor.study_id, subject_id, past)
    entity = as_of(Casebook, actor.study_id, past)
    row: Casebook | None = await session.scalar(
        select(entity).where(entity.study_id == actor.study_id, entity.subject_id == subject_id)
    )
    digest = await casebook_digest(session, actor, subject_id, past)
    signature = await last_signature(session, actor.study_id, subject_id, past)
    held = HeldSignature(row=signature, void=signature.digest != digest) if signature else None
    return CasebookStatus(
        subject_id=subject_id,
        subject_number=subject.number,
        state=(await standing_of(session, row, past)).state,
        digest=digest,
        frozen_digest=row.digest if row else None,
        signature=held,
        unlock_request=await open_request(session, row, past) if row else None,
        history=await _history(session, row, past) if row else (),
        waiting=await _waiting(session, actor.study_id, subject_id, past),
    )


async def list_casebooks(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of the casebooks that were closed at least once, the first closed first."""
    entity = as_of(Casebook, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    listed = [
        ListedCasebook(
            row=row,
            state=(await standing_of(session, row, wanted.moment)).state,
            unlock_request=await open_request(session, row, wanted.moment),
        )
        for row in found.items
    ]
    return Page(listed, found.next)


async def _history(
    session: AsyncSession, row: Casebook, past: datetime | None
) -> list[CasebookStep]:
    """List what was done about a casebook, the first step first."""
    actions = {
        change.operation_id: _ACTIONS[_state(change.old), _state(change.new)]
        for change in await session.scalars(_changes(row, past))
    }
    asked, answered = (as_of(model, row.study_id, past) for model in (UnlockRequest, UnlockVerdict))
    requests = select(asked).where(asked.study_id == row.study_id, asked.casebook_id == row.id)
    ids = set()
    for request in await session.scalars(requests):
        actions[request.operation_id] = CasebookAction.REQUEST_UNLOCK
        ids.add(request.id)
    verdicts = select(answered).where(
        answered.study_id == row.study_id, answered.request_id.in_(ids)
    )
    for verdict in await session.scalars(verdicts):
        actions[verdict.operation_id] = _ANSWERS[verdict.approved]
    operations = select(Operation).where(
        Operation.study_id == row.study_id, Operation.id.in_(actions)
    )
    found = await session.scalars(operations.order_by(Operation.id))
    return [CasebookStep(action=actions[each.id], operation=each) for each in found]


def _changes(row: Casebook, past: datetime | None) -> Any:
    """Select the entries of the trail about a casebook."""
    query = select(Change).where(
        Change.study_id == row.study_id,
        Change.table_name == Casebook.__tablename__,
        Change.record_id == row.id,
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    return query.order_by(Change.id)


async def _waiting(
    session: AsyncSession, study_id: UUID, subject_id: UUID, past: datetime | None
) -> Sequence[InboxItem]:
    """Find the subject's results that wait in the inbox, the oldest first."""
    entity = as_of(InboxItem, study_id, past)
    query = select(entity).where(
        entity.study_id == study_id,
        entity.subject_id == subject_id,
        entity.status == InboxStatus.OPEN,
    )
    return (await session.scalars(query.order_by(entity.id))).all()


def _state(image: Any) -> CasebookState:
    """Read the state in an image of the trail; before there was a casebook it was open."""
    return CasebookState(image["state"]) if image else CasebookState.OPEN


_ANSWERS = {True: CasebookAction.APPROVE_UNLOCK, False: CasebookAction.REJECT_UNLOCK}
# What led from one stored state to another; an unlock is told by its verdict.
_ACTIONS = {
    (CasebookState.OPEN, CasebookState.FROZEN): CasebookAction.FREEZE,
    (CasebookState.FROZEN, CasebookState.OPEN): CasebookAction.UNFREEZE,
    (CasebookState.FROZEN, CasebookState.LOCKED): CasebookAction.LOCK,
    (CasebookState.LOCKED, CasebookState.OPEN): CasebookAction.APPROVE_UNLOCK,
}
