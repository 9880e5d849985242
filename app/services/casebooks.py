"""Closing and opening casebooks: frozen, locked once signed, unlocked by two persons.

Whoever acts on a casebook locks the subject's row; everybody who records something of the subject
shares it (migration 0009), so nobody is in the middle of a change while a casebook is closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.casebook import ROLES, CasebookAction, CasebookState, Person, Standing, step
from app.domain.errors import conflict, not_found
from app.domain.signing import Meaning
from app.models import Casebook, Signature, Subject, UnlockRequest, UnlockVerdict
from app.services.access import Actor
from app.services.casebook_content import casebook_digest
from app.services.casebook_standing import (
    CasebookStatus,
    open_request,
    read_casebook,
    standing_of,
)
from app.services.signatures import SigningProof
from app.services.signed_records import SignatureWish, sign_record

Prove = Callable[[], Awaitable[SigningProof]]
_STATES = {
    CasebookAction.FREEZE: CasebookState.FROZEN,
    CasebookAction.UNFREEZE: CasebookState.OPEN,
    CasebookAction.LOCK: CasebookState.LOCKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CasebookAct:
    """What somebody does about a subject's casebook, and why."""

    subject_id: UUID
    action: CasebookAction
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Where the casebook stands after a step, and the signature that the step needed, if any."""

    casebook: CasebookStatus
    signature: Signature | None


async def act(session: AsyncSession, actor: Actor, wanted: CasebookAct, prove: Prove) -> Done:
    """Do one step; asking for an unlock and approving it need a signature.

    Raises forbidden, conflict `casebook_state` with the present state, or conflict `unlock_*`.
    """
    signature = await _step(session, actor, wanted, prove)
    status = await read_casebook(session, actor, wanted.subject_id, None)
    return Done(casebook=status, signature=signature)


async def _step(
    session: AsyncSession, actor: Actor, wanted: CasebookAct, prove: Prove
) -> Signature | None:
    site_id = await _lock_subject(session, actor, wanted.subject_id)
    row = await session.scalar(
        select(Casebook).where(
            Casebook.study_id == actor.study_id, Casebook.subject_id == wanted.subject_id
        )
    )
    before = await standing_of(session, row, None)
    actor = _keeper(actor, wanted.action, before, site_id)
    step(before, wanted.action, Person(actor.principal_id, actor.role))
    if wanted.action in _STATES:
        await _close_or_open(session, actor, wanted, row)
        return None
    assert row is not None, "a locked casebook has a row"
    if wanted.action is CasebookAction.REQUEST_UNLOCK:
        return await _request(session, actor, wanted, row, await prove())
    proof = await prove() if wanted.action is CasebookAction.APPROVE_UNLOCK else None
    return await _answer(session, actor, wanted, row, proof)


def _keeper(actor: Actor, action: CasebookAction, before: Standing, site_id: UUID) -> Actor:
    """Return the actor in the role, of those held at the site, whose act this is.

    An unlock takes the other role than that in which it was asked for.
    """
    theirs = [role for role in actor.roles if role in ROLES[action] and actor.holds(role, site_id)]
    others = [role for role in theirs if before.asked is None or role is not before.asked.role]
    fitting = others or theirs
    return replace(actor, role=fitting[0]) if fitting else actor


async def _lock_subject(session: AsyncSession, actor: Actor, subject_id: UUID) -> UUID:
    """Wait for whoever records something of the subject, keep all out, and return its site."""
    found: UUID | None = await session.scalar(
        select(Subject.site_id)
        .where(Subject.study_id == actor.study_id, Subject.id == subject_id)
        .with_for_update()
    )
    if found is None:
        raise not_found("subject")
    return found


async def _close_or_open(
    session: AsyncSession, actor: Actor, wanted: CasebookAct, row: Casebook | None
) -> None:
    digest = await casebook_digest(session, actor, wanted.subject_id, None)
    if row is None:
        row = Casebook(study_id=actor.study_id, id=new_id(), subject_id=wanted.subject_id)
        session.add(row)
    if wanted.action is CasebookAction.FREEZE:
        row.digest = digest
    elif wanted.action is CasebookAction.LOCK and row.digest != digest:
        raise conflict(
            "casebook_changed",
            "The records are not what was frozen and signed; unfreeze the casebook and find out"
            " why.",
        )
    row.state = _STATES[wanted.action]
    await session.flush()


async def _request(
    session: AsyncSession,
    actor: Actor,
    wanted: CasebookAct,
    row: Casebook,
    proof: SigningProof,
) -> Signature:
    request = UnlockRequest(
        study_id=actor.study_id,
        id=new_id(),
        casebook_id=row.id,
        casebook_version=row.version,
        requested_by=actor.principal_id,
        requested_role=actor.role,
        reason=wanted.reason,
    )
    session.add(request)
    await session.flush()
    return await _sign(session, actor, proof, request)


async def _answer(
    session: AsyncSession,
    actor: Actor,
    wanted: CasebookAct,
    row: Casebook,
    proof: SigningProof | None,
) -> Signature | None:
    """Record the answer to the open request; an approved one opens the casebook."""
    request = await open_request(session, row, None)
    assert request is not None, "the step is refused without a request"
    verdict = UnlockVerdict(
        study_id=actor.study_id,
        id=new_id(),
        request_id=request.id,
        requested_by=request.requested_by,
        requested_role=request.requested_role,
        given_by=actor.principal_id,
        given_role=actor.role,
        approved=proof is not None,
        reason=wanted.reason,
    )
    session.add(verdict)
    await session.flush()
    if proof is None:
        return None
    row.state = CasebookState.OPEN
    await session.flush()
    return await _sign(session, actor, proof, verdict)


async def _sign(
    session: AsyncSession,
    actor: Actor,
    proof: SigningProof,
    record: UnlockRequest | UnlockVerdict,
) -> Signature:
    wish = SignatureWish(
        record_type=record.__tablename__,
        record_id=record.id,
        meaning=Meaning.APPROVED,
        reason=record.reason,
    )
    return await sign_record(session, actor, proof, wish)
