"""Who subjects are: recorded by a coordinator, shown to few, and never without a trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.domain.errors import DomainError, ErrorKind, invalid, not_found
from app.models import Person, SecretKind, Subject
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
from app.services.vault import disclose, keep_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What identity documents say, and the initials on bag labels."""

    family_name: str
    given_name: str
    birth_date: date
    initials: str


@dataclass(frozen=True, slots=True)
class OpenedIdentity:
    """A person's row beside what it says; None where this key does not open it."""

    row: Person
    subject_number: str
    family_name: str | None
    given_name: str | None
    birth_date: date | None
    initials: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the identity's."""
        return getattr(self.row, name)


@dataclass(frozen=True, slots=True)
class LabelInitials:
    """What a bag label says of a subject."""

    subject_id: UUID
    subject_number: str
    initials: str | None


async def put_identity(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    keyring: Keyring,
    said: PersonalData,
    change: tuple[int | None, str | None],
) -> tuple[Person, bool]:
    """Record who a subject is, or replace it; tell whether it is the first time.

    `change` is the version that the caller saw and the reason, both needed to replace. Raises
    invalid `birth_year_differs`, version_required, version_stale.
    """
    subject = await lock(session, Subject, actor.study_id, subject_id, None)
    if said.birth_date.year != subject.birth_year:
        raise invalid(
            "birth_year_differs",
            "The birth date is of another year than the subject's record states; check both.",
            "/body/birth_date",
        )
    row = await _person(session, actor, subject_id, None)
    if row is not None:
        row = await _replaceable(session, actor, row, *change)
    identity_id, initials_id = await _sealed(session, actor, subject_id, keyring, said)
    if row is None:
        new = Person(study_id=actor.study_id, id=new_id(), subject_id=subject_id)
        new.identity_id, new.initials_id = identity_id, initials_id
        session.add(new)
        await session.flush()
        return new, True
    row.identity_id, row.initials_id = identity_id, initials_id
    await session.flush()
    return row, False


async def _replaceable(
    session: AsyncSession, actor: Actor, row: Person, version: int | None, reason: str | None
) -> Person:
    """Take the row for changing; refuse a change that names no version or no reason."""
    if version is None:
        raise DomainError(
            ErrorKind.VERSION_REQUIRED,
            "if_match_required",
            "An identity is recorded; send its ETag as If-Match, so that no change is lost.",
        )
    if reason is None:
        raise invalid("reason_required", "A change to an identity needs a reason.", "/body/reason")
    return await lock(session, Person, actor.study_id, row.id, version)


async def _sealed(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, said: PersonalData
) -> tuple[UUID, UUID]:
    """Seal names and birth date as one secret, the initials as another."""
    owner = (actor.study_id, subject_id)
    names = [said.family_name, said.given_name, said.birth_date]
    return (
        await keep_secret(session, keyring, owner, SecretKind.PERSON, names),
        await keep_secret(session, keyring, owner, SecretKind.INITIALS, said.initials),
    )


async def read_identity(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, past: datetime | None
) -> OpenedIdentity:
    """Show who a subject is, or was said to be; raise not_found where nothing is recorded."""
    found = await find_identity(session, actor, subject_id, keyring, "read_identity", past)
    if found is None:
        raise not_found("identity")
    return found


async def find_identity(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    keyring: Keyring,
    purpose: str,
    past: datetime | None = None,
) -> OpenedIdentity | None:
    """Show who a subject is for a purpose that is kept; None where nothing is recorded."""
    subject = await fetch(session, Subject, actor.study_id, subject_id, past)
    row = await _person(session, actor, subject_id, past)
    if row is None:
        return None
    wanted = {SecretKind.PERSON: [row.identity_id], SecretKind.INITIALS: [row.initials_id]}
    opened = await disclose(session, actor, keyring, subject_id, wanted, purpose)
    family_name, given_name, born = opened.get(row.identity_id) or (None, None, None)
    return OpenedIdentity(
        row=row,
        subject_number=subject.number,
        family_name=family_name,
        given_name=given_name,
        birth_date=date.fromisoformat(born) if born else None,
        initials=opened.get(row.initials_id),
    )


async def read_initials(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, past: datetime | None
) -> LabelInitials:
    """Show a subject's initials and nothing else; raise not_found where none are recorded."""
    subject = await fetch(session, Subject, actor.study_id, subject_id, past)
    row = await _person(session, actor, subject_id, past)
    if row is None:
        raise not_found("identity")
    wanted = {SecretKind.INITIALS: [row.initials_id]}
    opened = await disclose(session, actor, keyring, subject_id, wanted, "read_initials")
    return LabelInitials(subject_id, subject.number, opened.get(row.initials_id))


async def _person(
    session: AsyncSession, actor: Actor, subject_id: UUID, past: datetime | None
) -> Person | None:
    entity = as_of(Person, actor.study_id, past)
    query = select(entity).where(entity.study_id == actor.study_id, entity.subject_id == subject_id)
    found: Person | None = await session.scalar(query)
    return found
