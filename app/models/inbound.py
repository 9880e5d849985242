"""Messages of laboratory systems, kept whole and sealed, and what of them waits for a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.inbound import Door, InboxKind, InboxStatus
from app.models.base import Fact, Record, choice, in_time, scoped


class InboundMessage(Fact):
    """One message as it came, encrypted, with what became of its results and the answer given.

    `digest` is the SHA-256 of the bytes. Without `sender_id` a person uploaded it. `refusal` is the
    code of why a message can never be accepted; such bytes are kept all the same. A result that
    says nothing about its time stands by `received_at`, whenever it is read.
    """

    __tablename__ = "inbound_message"
    __table_args__ = (
        *scoped(sender_id="sender"),
        in_time("operation_id"),
        Index(None, "study_id", "sender_id", "control_id"),
        Index(None, "study_id", "sender_id", "received_at"),
        Index(None, "study_id", "digest"),
        CheckConstraint("results = filed + duplicates + inbox + refused", name="balance"),
    )

    sender_id: Mapped[UUID | None]
    profile_number: Mapped[int | None]
    received_at: Mapped[datetime]
    door: Mapped[Door] = mapped_column(choice(Door, "door"))
    control_id: Mapped[str | None]
    digest: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    charset: Mapped[str | None]
    flags: Mapped[list[str]]
    refusal: Mapped[str | None]
    results: Mapped[int]
    filed: Mapped[int]
    duplicates: Mapped[int]
    inbox: Mapped[int]
    refused: Mapped[int]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)


class InboxItem(Record):
    """Something that could not be filed, or a task about what was; resolved by a person.

    A result is found again by its position in the message, which is read anew when a mapping or a
    subject is known. `results` is how many results the item stands for. The tokens are keyed
    hashes of the patient's identifiers.
    """

    __tablename__ = "inbox_item"
    __table_args__ = (
        *scoped(message_id="inbound_message", sender_id="sender", subject_id="subject"),
        Index(None, "study_id", "status", "id"),
        Index(None, "study_id", "sender_id", "status"),
        Index(
            "uq_inbox_item_result", "study_id", "message_id", "position", unique=True,
            postgresql_where=text("kind = 'result'"),
        ),
        CheckConstraint("(kind = 'message') = (position IS NULL)", name="position"),
    )  # fmt: skip

    message_id: Mapped[UUID]
    sender_id: Mapped[UUID | None]
    kind: Mapped[InboxKind] = mapped_column(choice(InboxKind, "kind"))
    position: Mapped[int | None]
    results: Mapped[int]
    reasons: Mapped[list[str]]
    analyte: Mapped[str | None]
    code: Mapped[str | None]
    code_system: Mapped[str | None]
    unit: Mapped[str | None]
    tokens: Mapped[list[str]]
    specimen: Mapped[str | None]
    stated_at: Mapped[datetime | None]
    subject_id: Mapped[UUID | None]
    lab_result_id: Mapped[UUID | None]
    status: Mapped[InboxStatus] = mapped_column(choice(InboxStatus, "status"))
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None]
