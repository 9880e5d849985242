"""Breaking the glass: who sees no identity is shown it for a legal duty, with the reason kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.services.access import Actor
from app.services.identifiers import OpenedIdentifier, open_identifiers
from app.services.identities import OpenedIdentity, find_identity


@dataclass(frozen=True, slots=True)
class Disclosed:
    """All that is recorded of who a subject is."""

    identity: OpenedIdentity | None
    identifiers: Sequence[OpenedIdentifier]


async def disclose_all(
    session: AsyncSession, actor: Actor, subject_id: UUID, keyring: Keyring, reason: str
) -> Disclosed:
    """Show identity and identifiers of a subject; the accesses keep the reason."""
    identity = await find_identity(session, actor, subject_id, keyring, reason)
    return Disclosed(identity, await open_identifiers(session, actor, subject_id, keyring, reason))
