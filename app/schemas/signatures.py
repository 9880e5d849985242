"""E-signatures and the log of the power to sign, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.domain.signing import Meaning, SecurityEventKind
from app.domain.vocabulary import Role
from app.schemas.types import LAX, Body, Change, Code, Id, Rationale, View, example

MeaningWord = Annotated[Meaning, LAX, Field(description="What the signature says.")]


class SignatureCreate(Body):
    """A signature on a record as it was shown."""

    model_config = example(
        record_type="eligibility",
        record_id="01930000-0000-7000-8000-000000000001",
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        meaning="approved",
        reason="Checked against the source documents.",
    )

    record_type: Code
    record_id: Id
    digest: Annotated[
        Code, Field(description="The `digest` of the document that was shown; refused if it moved.")
    ]
    meaning: MeaningWord
    reason: Rationale | None = None


class SignatureStamp(View):
    """A signature as it stands beside what was signed."""

    id: UUID
    digest: str = Field(description="SHA-256 of the canonical JSON (RFC 8785) that was signed.")
    printed_name: str
    role: Role
    meaning: Meaning
    signed_at: datetime = Field(validation_alias="recorded_at")


class Stamped(View):
    """What an act recorded beside the signature that it put on it."""

    signature: SignatureStamp


class MaybeStamped(View):
    """What a request recorded beside the signature on it, if the request put one on it."""

    signature: SignatureStamp | None = Field(
        default=None, description="The signature that this request put on it; null if none."
    )


class SignatureView(SignatureStamp):
    """A signature: whose, on which version of which record, and how the signer was proved."""

    record_type: str
    record_id: UUID
    record_version: int | None
    as_of: datetime = Field(description="The moment that the document was drawn for.")
    reason: str | None
    signer_id: UUID
    method: str
    auth_time: datetime
    acr: str


class CheckedSignatureView(SignatureView):
    """A signature with the document that was signed, held against the record as it is now."""

    document: dict[str, Any]
    valid: bool = Field(description="The document is what was signed, and is of this record.")
    invalid_reason: str | None
    redacted: bool = Field(
        description="Free text was lawfully redacted from the record and from this document alike."
    )
    void: bool = Field(description="The record says something else now than what was signed.")
    void_from_version: int | None = Field(
        description="The first version that is not what was signed; null for records without."
    )


class SignableDocumentView(View):
    """A record as it would be signed now."""

    record_type: str
    record_id: UUID
    record_version: int | None
    digest: str
    document: dict[str, Any]


class SecurityEventView(View):
    """What happened to somebody's power to sign."""

    id: UUID
    principal_id: UUID
    principal_name: str
    kind: SecurityEventKind
    occurred_at: datetime
    recorded_at: datetime


class UnlockCreate(Change):
    """Whose signing is unlocked before the time is over, and why."""

    model_config = example(
        principal_id="01930000-0000-7000-8000-000000000001",
        reason="Identity was checked on the telephone.",
    )

    principal_id: Id
