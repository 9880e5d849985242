"""Laboratory systems that push results: who they are, how they are read, what opens the door."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Fact, Record, scoped


class Sender(Record):
    """A machine client of one site; what is null or empty is not restricted.

    `networks` are CIDR blocks, `certificates` SHA-256 digests of client certificates (MLLP over
    TLS), `analytes` keys of the catalogue.
    """

    __tablename__ = "sender"
    __table_args__ = (
        *scoped(site_id="site", principal_id="principal"),
        UniqueConstraint("study_id", "code"),
        UniqueConstraint("study_id", "principal_id"),
        CheckConstraint("rate_per_minute BETWEEN 1 AND 1000000", name="rate_per_minute"),
    )

    code: Mapped[str]
    name: Mapped[str]
    site_id: Mapped[UUID]
    principal_id: Mapped[UUID]
    sending_application: Mapped[str | None]
    sending_facility: Mapped[str | None]
    analytes: Mapped[list[str] | None]
    networks: Mapped[list[str] | None]
    certificates: Mapped[list[str] | None]
    rate_per_minute: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class SenderProfileVersion(Fact):
    """One version of how a sender's messages are read; the last one counts for new messages."""

    __tablename__ = "sender_profile"
    __table_args__ = (
        *scoped(sender_id="sender"),
        UniqueConstraint("study_id", "sender_id", "number"),
        CheckConstraint("number >= 1", name="number"),
    )

    sender_id: Mapped[UUID]
    number: Mapped[int]
    document: Mapped[dict[str, Any]]
    digest: Mapped[str]
    reason: Mapped[str]


class SenderKey(Record):
    """An API key of a sender: only its digest is kept, the prefix tells keys apart."""

    __tablename__ = "sender_key"
    __table_args__ = (
        *scoped(sender_id="sender"),
        UniqueConstraint("study_id", "prefix"),
        # A key is presented before its study is known.
        Index(None, "prefix"),
    )

    sender_id: Mapped[UUID]
    prefix: Mapped[str]
    digest: Mapped[str]
    revoked: Mapped[bool] = mapped_column(server_default=text("false"))
