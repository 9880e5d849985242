"""The vault of secrets: ciphertext that is written once, and read only where it is kept who reads.

The database itself writes the access with the read (`vault.disclose`): the role that serves the
API has no other way to a ciphertext, and the route commits before the answer goes out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring, UnreadableSecret
from app.core.serialization import from_json, to_json
from app.models import SecretKind
from app.services.access import Actor

_KEEP = text(
    "INSERT INTO vault.secret (study_id, id, subject_id, kind, sealed)"
    " VALUES (:study_id, :id, :subject_id, :kind, :sealed)"
)
_DISCLOSE = text(
    "SELECT id, sealed FROM vault.disclose(:study_id, :access, :subject_id, :kind,"
    " CAST(:ids AS uuid[]), :purpose)"
)
_NOTE_MESSAGE = text("SELECT vault.note_message(:study_id, :access, :message_id, :purpose)")
# The first identifiers were sealed for this name.
_PLACES = {SecretKind.IDENTIFIER: "subject_identifier"}


async def keep_secret(
    session: AsyncSession,
    keyring: Keyring,
    owner: tuple[UUID, UUID],
    kind: SecretKind,
    content: Any,
) -> UUID:
    """Seal some JSON about an owner (study, subject); return the secret's id."""
    id_ = new_id()
    sealed = keyring.seal(to_json(content).encode(), _place(kind, id_))
    study_id, subject_id = owner
    given = {"study_id": study_id, "subject_id": subject_id, "kind": kind.value}
    await session.execute(_KEEP, {**given, "id": id_, "sealed": sealed})
    return id_


async def disclose(
    session: AsyncSession,
    actor: Actor,
    keyring: Keyring,
    subject_id: UUID,
    wanted: Mapping[SecretKind, Collection[UUID]],
    purpose: str,
) -> dict[UUID, Any]:
    """Open secrets of a subject; what this key does not open is None.

    Each kind leaves an access in the operation that the caller has begun, be it of no secret.
    """
    opened: dict[UUID, Any] = {}
    for kind, ids in wanted.items():
        given = {
            "study_id": actor.study_id,
            "access": new_id(),
            "subject_id": subject_id,
            "kind": kind.value,
            "ids": list(ids),
            "purpose": purpose,
        }
        for row in await session.execute(_DISCLOSE, given):
            opened[row.id] = _opened(keyring, row.sealed, _place(kind, row.id))
    return opened


async def note_message(session: AsyncSession, actor: Actor, message_id: UUID, purpose: str) -> None:
    """Keep that a laboratory's message was shown with the patient in it."""
    given = {"study_id": actor.study_id, "access": new_id(), "message_id": message_id}
    await session.execute(_NOTE_MESSAGE, {**given, "purpose": purpose})


def _opened(keyring: Keyring, sealed: bytes, place: str) -> Any:
    try:
        return from_json(keyring.open(sealed, place))
    except UnreadableSecret:
        return None


def _place(kind: SecretKind, secret_id: UUID) -> str:
    return f"{_PLACES.get(kind, kind.value)} {secret_id}"
