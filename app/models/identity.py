"""The identity vault: what hospitals call a subject, as keyed hashes and sealed text only."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import IdentifierKind
from app.models.base import Record, choice, scoped


class SubjectIdentifier(Record):
    """An identifier by which laboratory results find their subject; never stored in the clear.

    `token` is the keyed hash that is matched, in hexadecimal; `sealed` is what people with the
    right may read.
    """

    __tablename__ = "subject_identifier"
    __table_args__ = (
        *scoped(subject_id="subject", site_id="site"),
        Index(
            "uq_subject_identifier_token", "study_id", "token", unique=True,
            postgresql_where=text("NOT retracted"),
        ),
        Index(None, "study_id", "subject_id"),
    )  # fmt: skip

    subject_id: Mapped[UUID]
    site_id: Mapped[UUID]
    kind: Mapped[IdentifierKind] = mapped_column(choice(IdentifierKind, "kind"))
    token: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))
