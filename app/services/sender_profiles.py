"""Versions of how a sender's messages are read: added with a reason, never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.serialization import digest
from app.domain.errors import conflict
from app.domain.sender_profile import SenderProfile
from app.models import Sender, SenderProfileVersion
from app.schemas.sender_profiles import parse_profile, profile_document
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
from app.services.paging import Page, PageRequest, page

_MAX_PARSED = 256
_PARSED: dict[str, SenderProfile] = {}


def last_number(sender: Any) -> ColumnElement[int | None]:
    """Return, for a query on senders, the number of each one's last profile version."""
    return (
        select(func.max(SenderProfileVersion.number))
        .where(
            SenderProfileVersion.study_id == sender.study_id,
            SenderProfileVersion.sender_id == sender.id,
        )
        .correlate(sender)
        .scalar_subquery()
    )


async def add_version(
    session: AsyncSession,
    actor: Actor,
    sender_id: UUID,
    document: dict[str, Any],
    reason: str,
    based_on: int | None = None,
) -> SenderProfileVersion:
    """Add the version that counts from the next message on; raise invalid for a bad document.

    It is stored whole, with what the document left out.
    `based_on` is the number of the version that the caller changed: raises conflict when another
    one came meanwhile. None skips that check.
    """
    whole = profile_document(parse_profile(document))
    await lock(session, Sender, actor.study_id, sender_id, None)
    last = await session.scalar(
        select(func.max(SenderProfileVersion.number)).where(
            SenderProfileVersion.study_id == actor.study_id,
            SenderProfileVersion.sender_id == sender_id,
        )
    )
    if based_on is not None and based_on != last:
        raise conflict(
            "profile_changed_meanwhile",
            "Another profile version came meanwhile; read the last one and change that.",
        )
    version = SenderProfileVersion(
        study_id=actor.study_id,
        id=new_id(),
        sender_id=sender_id,
        number=(last or 0) + 1,
        document=whole,
        digest=digest(whole),
        reason=reason,
    )
    session.add(version)
    await session.flush()
    return version


async def list_versions(
    session: AsyncSession, actor: Actor, sender_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of a sender's profile versions, the first one first; the last one counts."""
    await fetch(session, Sender, actor.study_id, sender_id, wanted.moment)
    entity = as_of(SenderProfileVersion, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.sender_id == sender_id)
    return await page(session, query, entity.id, wanted)


async def stored_profile(
    session: AsyncSession, study_id: UUID, sender_id: UUID, number: int, content: str
) -> SenderProfile:
    """Return a stored version as a profile, read and parsed once for each digest of its content."""
    if content not in _PARSED:
        document = await session.scalar(
            select(SenderProfileVersion.document).where(
                SenderProfileVersion.study_id == study_id,
                SenderProfileVersion.sender_id == sender_id,
                SenderProfileVersion.number == number,
            )
        )
        assert document is not None, "versions are never removed"
        if len(_PARSED) >= _MAX_PARSED:
            _PARSED.clear()
        _PARSED[content] = parse_profile(document)
    return _PARSED[content]
