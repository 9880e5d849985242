"""The identity vault: what a hospital calls a subject, kept so that only results find it.

Values are matched by keyed hash and kept encrypted; they never reach a log, the trail or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.errors import conflict, not_found
from app.models import SecretKind, Subject, SubjectIdentifier
from app.services.access import Actor
from app.services.history import as_of, fetch, lock, rows
from app.services.inbound_matching import Identifier, identifier_token
from app.services.paging import Page, PageRequest, page
from app.services.vault import disclose, keep_secret


@dataclass(frozen=True, slots=True)
class OpenedIdentifier:
    """An identifier beside what it says; None where this key does not open it."""

    row: SubjectIdentifier
    value: str | None
    authority: str | None
    type: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the identifier's."""
        return getattr(self.row, name)


async def record_identifier(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    keyring: Keyring,
    identifier: Identifier,
) -> tuple[SubjectIdentifier, bool]:
    """Keep an identifier of a subject's site; tell whether it was not there before.

    Raises conflict `identifier_taken` when it, or the same value of whichever authority or type,
    belongs to another subject of the study.
    """
    subject = await lock(session, Subject, actor.study_id, subject_id, None)
    token, *wider = (
        identifier_token(keyring, subject.site_id, each) for each in identifier.readings
    )
    found = await _known(session, actor, [token, *wider])
    if any(each.subject_id != subject_id for each in found.values()):
        raise conflict(
            "identifier_taken",
            "This identifier belongs to another subject of this study; check both subjects, and"
            " retract it where it is wrong.",
        )
    if token in found:
        return found[token], False
    said = [each.strip() for each in (identifier.value, identifier.authority, identifier.type)]
    owner = (actor.study_id, subject_id)
    row = SubjectIdentifier(
        study_id=actor.study_id,
        id=await keep_secret(session, keyring, owner, SecretKind.IDENTIFIER, said),
        subject_id=subject_id,
        site_id=subject.site_id,
        kind=identifier.kind,
        token=token,
    )
    session.add(row)
    await session.flush()
    return row, True


async def _known(
    session: AsyncSession, actor: Actor, tokens: Sequence[str]
) -> dict[str, SubjectIdentifier]:
    """Find the identifiers in force of tokens in the whole study."""
    query = select(SubjectIdentifier).where(
        SubjectIdentifier.study_id == actor.study_id,
        SubjectIdentifier.token.in_(tokens),
        SubjectIdentifier.retracted.is_(False),
    )
    return {each.token: each for each in await session.scalars(query)}


async def list_identifiers(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, wanted: PageRequest
) -> Page:
    """List a page of a subject's identifiers with their values, retracted ones too.

    The caller has begun the operation in which it is kept that they were shown.
    """
    await fetch(session, Subject, actor.study_id, subject_id, wanted.moment)
    entity = as_of(SubjectIdentifier, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.subject_id == subject_id)
    found = await page(session, query, entity.id, wanted)
    opened = await _opened(session, actor, subject_id, keyring, found.items, "list_identifiers")
    return Page(opened, found.next)


async def open_identifiers(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, purpose: str
) -> list[OpenedIdentifier]:
    """Open all identifiers of a subject, retracted ones too, for a purpose that is kept."""
    query = rows(SubjectIdentifier, actor.study_id, None)
    found = await session.scalars(query.where(SubjectIdentifier.subject_id == subject_id))
    return await _opened(session, actor, subject_id, keyring, found.all(), purpose)


async def _opened(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    keyring: Keyring,
    found: Sequence[SubjectIdentifier],
    purpose: str,
) -> list[OpenedIdentifier]:
    """Open identifiers of a subject; that they were shown is kept."""
    wanted = {SecretKind.IDENTIFIER: [row.id for row in found]}
    opened = await disclose(session, actor, keyring, subject_id, wanted, purpose)
    return [_shown(row, opened.get(row.id)) for row in found]


async def retract_identifier(
    session: AsyncSession, actor: Actor, subject_id: UUID, identifier_id: UUID, version: int
) -> SubjectIdentifier:
    """Stop matching by an identifier; what was filed by it stays for a person to look at."""
    await fetch(session, Subject, actor.study_id, subject_id)
    row = await lock(session, SubjectIdentifier, actor.study_id, identifier_id, version)
    if row.subject_id != subject_id:
        raise not_found("subject identifier")
    row.retracted = True
    await session.flush()
    return row


def _shown(row: SubjectIdentifier, said: list[str] | None) -> OpenedIdentifier:
    if said is None:
        return OpenedIdentifier(row, None, None, None)
    value, authority, type_ = said
    return OpenedIdentifier(row, value, authority or None, type_ or None)
