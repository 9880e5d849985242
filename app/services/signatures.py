"""Signing: one row beside what is signed, in the same transaction, over the bytes that were shown.

Who signed, under what printed name and in which role comes from the database's grant, the time
from the database's clock, and the digest from the document as the service itself draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.canonical import canonical, canonical_digest
from app.core.ids import new_id
from app.domain.signing import Meaning
from app.models import Signature
from app.services.access import Actor
from app.services.audit import mark_signed


@dataclass(frozen=True, slots=True)
class SigningProof:
    """Fresh proof of who signs: who authenticated when and how, and the moment of the request."""

    issuer: str
    subject: str
    auth_time: datetime
    acr: str
    method: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What is signed: which record of whom, in which version, and what it says.

    `version` is None for a record without, `subject_id` for one that concerns nobody alone.
    """

    record_type: str
    record_id: UUID
    version: int | None
    subject_id: UUID | None
    content: Mapping[str, Any]
    meaning: Meaning
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A record beside the signature that was put on it."""

    record: Any
    signature: Signature

    def __getattr__(self, name: str) -> Any:
        """Show the record's own fields."""
        return getattr(self.record, name)


def document_text(actor: Actor, record_type: str, record_id: UUID, content: Any) -> str:
    """Return the canonical JSON that is signed; it names the study and the record it speaks of."""
    return canonical(
        {
            "study": actor.study_key,
            "record_type": record_type,
            "record_id": record_id,
            "content": content,
        }
    )


async def sign(
    session: AsyncSession, actor: Actor, proof: SigningProof, signing: Signing
) -> Signature:
    """Put a person's signature on a record; the caller has checked that the role may sign it."""
    text = document_text(actor, signing.record_type, signing.record_id, signing.content)
    row = Signature(
        study_id=actor.study_id,
        id=new_id(),
        record_type=signing.record_type,
        record_id=signing.record_id,
        record_version=signing.version,
        subject_id=signing.subject_id,
        as_of=proof.at,
        document=text,
        digest=canonical_digest(text),
        meaning=signing.meaning,
        reason=signing.reason,
        signer_id=actor.principal_id,
        issuer=proof.issuer,
        subject=proof.subject,
        printed_name=actor.display_name,
        role=actor.role,
        method=proof.method,
        auth_time=proof.auth_time,
        acr=proof.acr,
    )
    session.add(row)
    await session.flush()
    mark_signed(session)
    return row
