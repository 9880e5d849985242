"""Machine clients: the public keys by which a laboratory system gets its tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Record, scoped


class MachineClient(Record):
    """A client of a sender, by its public keys (JWKs) and its scopes; its id is the `client_id`."""

    __tablename__ = "machine_client"
    __table_args__ = (
        *scoped(sender_id="sender"),
        # A client says who it is before its study is known.
        UniqueConstraint("id"),
        CheckConstraint("cardinality(scopes) > 0", name="scopes"),
        CheckConstraint("jsonb_array_length(jwks -> 'keys') > 0", name="jwks"),
        Index(None, "study_id", "sender_id"),
    )

    sender_id: Mapped[UUID]
    jwks: Mapped[dict[str, Any]]
    scopes: Mapped[list[str]]
    revoked: Mapped[bool] = mapped_column(server_default=text("false"))


class ClientAssertion(Base):
    """An assertion that has got its token, remembered until it expires.

    A technical table: nobody but the function `spend_assertion` reads or writes it.
    """

    __tablename__ = "client_assertion"
    is_kept = False
    __table_args__ = (Index(None, "expires_at"),)

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_id: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
