"""E-signatures, bound to the bytes of what was signed, and what happened to the power to sign."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.signing import Meaning, SecurityEventKind
from app.domain.vocabulary import Role
from app.models.base import Fact, choice, scoped


class Signature(Fact):
    """Somebody's signature on a record as it was shown.

    `document` is the canonical JSON that was signed, byte for byte; it names the record, and the
    database checks that it names this one and that `digest` is its SHA-256. `as_of` is the moment
    that the document was drawn for; the time of signing is `recorded_at`. `subject_id` is whose
    record it is, empty for what concerns nobody alone.
    """

    __tablename__ = "signature"
    __table_args__ = (
        *scoped(signer_id="principal", subject_id="subject"),
        CheckConstraint(
            "digest = encode(sha256(convert_to(document, 'UTF8')), 'hex')", name="digest"
        ),
        CheckConstraint(
            "document::jsonb ->> 'record_type' = record_type"
            " AND document::jsonb ->> 'record_id' = record_id::text",
            name="document",
        ),
        Index(None, "study_id", "record_type", "record_id"),
        Index(None, "study_id", "signer_id"),
        Index(None, "study_id", "subject_id"),
    )

    record_type: Mapped[str]
    record_id: Mapped[UUID]
    record_version: Mapped[int | None]
    subject_id: Mapped[UUID | None]
    as_of: Mapped[datetime]
    document: Mapped[str]
    digest: Mapped[str]
    meaning: Mapped[Meaning] = mapped_column(choice(Meaning, "meaning"))
    reason: Mapped[str | None]
    signer_id: Mapped[UUID]
    issuer: Mapped[str]
    subject: Mapped[str]
    printed_name: Mapped[str]
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    method: Mapped[str]
    auth_time: Mapped[datetime]
    acr: Mapped[str]


class SecurityEvent(Fact):
    """What happened to a principal's power to sign, and when by the service's clock."""

    __tablename__ = "security_event"
    __table_args__ = (
        *scoped(principal_id="principal"),
        Index(None, "study_id", "principal_id", "id"),
    )

    principal_id: Mapped[UUID]
    kind: Mapped[SecurityEventKind] = mapped_column(choice(SecurityEventKind, "kind"))
    occurred_at: Mapped[datetime]
