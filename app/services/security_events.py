"""The power to sign: wrong secrets are counted, too many lock it, time or an administrator unlock.

Only a person's own authenticated session counts against that person, so no stranger can lock
anybody out; and what is locked is signing, not reading or entering data. A person is counted in
every study that knows the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, forbidden
from app.domain.signing import (
    SecurityEventKind,
    SecurityMoment,
    failures_in_a_row,
    lock_end,
    locks_signing,
)
from app.models import Principal, SecurityEvent
from app.services.access import Actor, grants_of
from app.services.audit import begin_operation
from app.services.history import as_of, fetch
from app.services.paging import Page, PageRequest, page
from app.services.walls import enter


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """A security event beside the name of the person it is about."""

    row: SecurityEvent
    principal_name: str

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the event's."""
        return getattr(self.row, name)


async def locked_until(
    session: AsyncSession, identity: tuple[str, str], now: datetime
) -> datetime | None:
    """Return until when an identity (issuer, subject) cannot sign; None when it can.

    To be asked before a secret is checked. Until the transaction ends the next asker waits, so that
    many guesses at once are still counted one after the other.
    """
    await _one_at_a_time(session, identity)
    ends = [
        await lock_of(session, actor, now) for actor in await _actors(session, identity, now, "")
    ]
    return max((end for end in ends if end is not None), default=None)


async def record_failure(
    session: AsyncSession, identity: tuple[str, str], now: datetime, request_id: str
) -> datetime | None:
    """Count a wrong secret; return until when signing is locked by it, None while it is not."""
    ends = None
    for actor in await _actors(session, identity, now, request_id):
        await begin_operation(session, actor, "prove_secret", None)
        await _add(session, actor, SecurityEventKind.WRONG_SECRET, now)
        if locks_signing(await _history(session, actor)):
            await _add(session, actor, SecurityEventKind.SIGNING_LOCKED, now)
            ends = lock_end(await _history(session, actor), now)
    return ends


async def record_success(
    session: AsyncSession, identity: tuple[str, str], now: datetime, request_id: str
) -> None:
    """End a series of wrong secrets; without one there is nothing to record."""
    for actor in await _actors(session, identity, now, request_id):
        if failures_in_a_row(await _history(session, actor)):
            await begin_operation(session, actor, "prove_secret", None)
            await _add(session, actor, SecurityEventKind.SECRET_PROVED, now)


async def lock_of(session: AsyncSession, actor: Actor, now: datetime) -> datetime | None:
    """Return until when an actor cannot sign in the study; None when nothing locks it."""
    return lock_end(await _history(session, actor), now)


async def record_refusal(
    session: AsyncSession, actor: Actor, kind: SecurityEventKind, now: datetime
) -> None:
    """Record a refused attempt to sign, in a transaction of its own: the attempt left nothing."""
    await enter(session, actor.study_id)
    await begin_operation(session, actor, "refuse_signature", None)
    await _add(session, actor, kind, now)


async def unlock(
    session: AsyncSession, actor: Actor, principal_id: UUID, now: datetime
) -> NamedEvent:
    """Let somebody sign again before the time is over.

    Raises not_found for a stranger, forbidden for oneself and conflict when nothing is locked.
    """
    person = await fetch(session, Principal, actor.study_id, principal_id)
    if person.id == actor.principal_id:
        raise forbidden("own_lock", "Another administrator has to unlock your own signing.")
    await _one_at_a_time(session, (person.issuer, person.subject))
    history = await _history_of(session, actor.study_id, person.id)
    if lock_end(history, now) is None:
        raise conflict("not_locked", "This person's signing is not locked.")
    row = _event(actor.study_id, person.id, SecurityEventKind.SIGNING_UNLOCKED, now)
    session.add(row)
    await session.flush()
    return NamedEvent(row, person.display_name)


async def list_events(
    session: AsyncSession, actor: Actor, wanted: PageRequest, principal_id: UUID | None
) -> Page:
    """List a page of security events, the first first; of one person if named."""
    entity = as_of(SecurityEvent, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    if principal_id is not None:
        query = query.where(entity.principal_id == principal_id)
    found = await page(session, query, entity.id, wanted)
    people = select(Principal.id, Principal.display_name).where(
        Principal.study_id == actor.study_id,
        Principal.id.in_({row.principal_id for row in found.items}),
    )
    names = {person.id: person.display_name for person in await session.execute(people)}
    return Page([NamedEvent(row, names[row.principal_id]) for row in found.items], found.next)


async def _one_at_a_time(session: AsyncSession, identity: tuple[str, str]) -> None:
    """Let the next who asks about the same identity wait until this transaction ends."""
    key = func.hashtextextended("signing\n" + "\n".join(identity), 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def _actors(
    session: AsyncSession, identity: tuple[str, str], now: datetime, request_id: str
) -> list[Actor]:
    """Return who an identity is in each study that gives it a role."""
    held = {
        each.study.study_id: Actor(
            study_id=each.study.study_id,
            study_key=each.study.key,
            time_zone=each.study.time_zone,
            principal_id=each.principal.id,
            display_name=each.principal.display_name,
            organisation=each.principal.organisation,
            role=each.role,
            request_id=request_id,
        )
        for each in await grants_of(session, identity, None, now)
    }
    return list(held.values())


async def _history(session: AsyncSession, actor: Actor) -> Sequence[SecurityMoment]:
    return await _history_of(session, actor.study_id, actor.principal_id)


async def _history_of(
    session: AsyncSession, study_id: UUID, principal_id: UUID
) -> Sequence[SecurityMoment]:
    """Read what happened to somebody's power to sign, in the order of recording."""
    query = (
        select(SecurityEvent.kind, SecurityEvent.occurred_at)
        .where(SecurityEvent.study_id == study_id, SecurityEvent.principal_id == principal_id)
        .order_by(SecurityEvent.recorded_at, SecurityEvent.id)
    )
    return [SecurityMoment(kind, at) for kind, at in await session.execute(query)]


async def _add(session: AsyncSession, actor: Actor, kind: SecurityEventKind, now: datetime) -> None:
    session.add(_event(actor.study_id, actor.principal_id, kind, now))
    await session.flush()


def _event(
    study_id: UUID, principal_id: UUID, kind: SecurityEventKind, now: datetime
) -> SecurityEvent:
    return SecurityEvent(
        study_id=study_id, id=new_id(), principal_id=principal_id, kind=kind, occurred_at=now
    )
