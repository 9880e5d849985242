"""Clients of laboratory systems that sign with keys of their own: registered, changed, revoked.

A client gets a token for an assertion that it has signed, and each assertion counts once. What it
may do is its sender's grant, and of that only its scopes; a revoked one is refused from the next
request on, whatever tokens it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.jose import BadToken, PublicKeys
from app.core.machine_issuer import Assertion
from app.domain.errors import conflict, not_found
from app.models import MachineClient, Sender
from app.services.access import Actor
from app.services.history import as_of, fetch, lock
from app.services.paging import Page, PageRequest, page
from app.services.walls import enter_by_client


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to be registered: its public keys as a JSON Web Key Set, and its scopes."""

    jwks: Mapping[str, Any]
    scopes: Sequence[str]


async def register_client(
    session: AsyncSession, actor: Actor, sender_id: UUID, new: NewClient
) -> MachineClient:
    """Register a client of a sender."""
    await fetch(session, Sender, actor.study_id, sender_id)
    client = MachineClient(
        study_id=actor.study_id,
        id=new_id(),
        sender_id=sender_id,
        jwks=dict(new.jwks),
        scopes=sorted(new.scopes),
    )
    session.add(client)
    await session.flush()
    return client


async def list_clients(
    session: AsyncSession, actor: Actor, sender_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of a sender's clients, revoked ones too."""
    await fetch(session, Sender, actor.study_id, sender_id, wanted.moment)
    entity: Any = as_of(MachineClient, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, entity.sender_id == sender_id)
    return await page(session, query, entity.id, wanted)


async def change_client(
    session: AsyncSession, actor: Actor, place: tuple[UUID, UUID], version: int,
    values: Mapping[str, Any],
) -> MachineClient:  # fmt: skip
    """Change a client's keys or scopes, or revoke it for good; `place` is (sender id, client id).

    Raises version_stale, and conflict `client_revoked`.
    """
    sender_id, client_id = place
    await fetch(session, Sender, actor.study_id, sender_id)
    client = await lock(session, MachineClient, actor.study_id, client_id, version)
    if client.sender_id != sender_id:
        raise not_found("machine client")
    if client.revoked:
        raise conflict("client_revoked", "This client is revoked for good; register a new one.")
    for name, value in values.items():
        setattr(client, name, value)
    await session.flush()
    return client


async def prove(session: AsyncSession, assertion: Assertion, now: datetime) -> MachineClient:
    """Return the client whose assertion this is, which counts this once; raise BadToken."""
    await enter_by_client(session, assertion.client_id)
    query = select(MachineClient).where(
        MachineClient.id == assertion.client_id, MachineClient.revoked.is_(False)
    )
    client = await session.scalar(query)
    if client is None:
        raise BadToken
    assertion.check_signature(PublicKeys.read(client.jwks))
    # Only what the client has signed is remembered, so nobody else can fill the memory.
    digest = hashlib.sha256(assertion.token_id.encode()).hexdigest()
    spent = func.spend_assertion(client.id, digest, assertion.expires, now)
    if not await session.scalar(select(spent)):
        raise BadToken
    return client
