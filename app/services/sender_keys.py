"""API keys of laboratory systems: shown once, kept as a digest, two at a time, revoked at once."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import DomainError, ErrorKind, conflict, not_found
from app.models import Sender, SenderKey
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
from app.services.paging import Page, PageRequest, page

MARK = "msck_"
# So that a new key can be put in place before the old one is revoked.
MAX_ACTIVE = 2
_PREFIX_BYTES, _SECRET_BYTES = 4, 32
_KEY = re.compile(MARK + r"([0-9a-f]{8})_[A-Za-z0-9_-]{43}", re.ASCII)


def invalid_credentials() -> DomainError:
    """Return the one answer to credentials that open nothing, whatever is wrong with them."""
    return DomainError(
        ErrorKind.UNAUTHENTICATED,
        "invalid_credentials",
        "These credentials open nothing here; send an API key of the sender as bearer token, or as"
        " password of HTTP Basic with the sender's code as user, or an access token.",
    )


def prefix_of(key: str) -> str:
    """Return the part of a key by which it is found; raise for what is no key."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise invalid_credentials()
    return found[1]


def opened_by(key: str) -> ColumnElement[bool]:
    """Return the condition on Sender that a key opens its door; raise for what is no key."""
    return exists().where(
        SenderKey.study_id == Sender.study_id,
        SenderKey.sender_id == Sender.id,
        SenderKey.prefix == prefix_of(key),
        SenderKey.digest == _digest(key),
        SenderKey.revoked.is_(False),
    )


async def create_key(session: AsyncSession, actor: Actor, sender_id: UUID) -> tuple[SenderKey, str]:
    """Make a key and return it with its text, which is nowhere kept; raise conflict `two_keys`."""
    await lock(session, Sender, actor.study_id, sender_id, None)
    active = await session.scalar(
        select(func.count()).where(
            SenderKey.study_id == actor.study_id,
            SenderKey.sender_id == sender_id,
            SenderKey.revoked.is_(False),
        )
    )
    if (active or 0) >= MAX_ACTIVE:
        raise conflict("two_keys", "This sender has two active keys; revoke one of them first.")
    prefix = secrets.token_hex(_PREFIX_BYTES)
    text = f"{MARK}{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = SenderKey(
        study_id=actor.study_id,
        id=new_id(),
        sender_id=sender_id,
        prefix=prefix,
        digest=_digest(text),
    )
    session.add(key)
    await session.flush()
    return key, text


async def list_keys(
    session: AsyncSession, actor: Actor, sender_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of a sender's keys, revoked ones too, without their secrets."""
    await fetch(session, Sender, actor.study_id, sender_id, wanted.moment)
    entity: Any = as_of(SenderKey, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.sender_id == sender_id)
    return await page(session, query, entity.id, wanted)


async def revoke_key(
    session: AsyncSession, actor: Actor, sender_id: UUID, key_id: UUID, version: int
) -> SenderKey:
    """Close a key for good, from the next request on; raise version_stale."""
    await fetch(session, Sender, actor.study_id, sender_id)
    key = await lock(session, SenderKey, actor.study_id, key_id, version)
    if key.sender_id != sender_id:
        raise not_found("sender key")
    key.revoked = True
    await session.flush()
    return key


def _digest(key: str) -> str:
    """Digest a key; it is random and long, so a fast digest tells nothing of it."""
    return hashlib.sha256(key.encode()).hexdigest()
