"""The identity vault: who subjects are, as keyed hashes and ciphertext in a schema of its own.

Rows name their secrets by id, so that the trail of changes holds no ciphertext either. A secret is
read through `vault.disclose` only, which keeps who asked, for whom and why.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import IdentifierKind
from app.models.base import Base, Fact, Record, choice, scoped

VAULT = "vault"


class SecretKind(StrEnum):
    """What a disclosure is of: a kind of secret, or a laboratory message that names a patient."""

    IDENTIFIER = "identifier"
    PERSON = "person"
    INITIALS = "initials"
    MESSAGE = "message"


def naming_secrets(*columns: str) -> tuple[ForeignKeyConstraint, ...]:
    """Return the foreign keys of columns that name a secret, each within its own study."""
    target = [f"{VAULT}.secret.study_id", f"{VAULT}.secret.id"]
    return tuple(ForeignKeyConstraint(["study_id", column], target) for column in columns)


class Secret(Base):
    """One ciphertext about a subject, never changed and never shown but by `vault.disclose`."""

    __tablename__ = "secret"
    __table_args__ = (
        *scoped(subject_id="subject"),
        CheckConstraint("kind IN ('identifier', 'person', 'initials')", name="of_a_subject"),
        {"schema": VAULT},
    )

    study_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID]
    kind: Mapped[SecretKind] = mapped_column(choice(SecretKind, "kind"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    operation_id: Mapped[UUID] = mapped_column(server_default=text("current_operation()"))
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class SubjectIdentifier(Record):
    """An identifier by which laboratory results find their subject; never stored in the clear.

    `token` is the keyed hash that is matched, in hexadecimal; the secret has the row's own id.
    """

    __tablename__ = "subject_identifier"
    __table_args__ = (
        *scoped(subject_id="subject", site_id="site"),
        *naming_secrets("id"),
        Index(
            "uq_subject_identifier_token", "study_id", "token", unique=True,
            postgresql_where=text("NOT retracted"),
        ),
        Index(None, "study_id", "subject_id"),
        {"schema": VAULT},
    )  # fmt: skip

    subject_id: Mapped[UUID]
    site_id: Mapped[UUID]
    kind: Mapped[IdentifierKind] = mapped_column(choice(IdentifierKind, "kind"))
    token: Mapped[str]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))


class Person(Record):
    """Who a subject is: names and birth date as one secret, the initials as another."""

    __tablename__ = "person"
    __table_args__ = (
        *scoped(subject_id="subject"),
        *naming_secrets("identity_id", "initials_id"),
        UniqueConstraint("study_id", "subject_id"),
        {"schema": VAULT},
    )

    subject_id: Mapped[UUID]
    identity_id: Mapped[UUID]
    initials_id: Mapped[UUID]


class VaultAccess(Fact):
    """That identity was shown: of whom, what, why; the operation tells to whom and when.

    Without `subject_id` it was a laboratory message, whose patient may be nobody's subject.
    """

    __tablename__ = "vault_access"
    __table_args__ = (
        *scoped(subject_id="subject", message_id="inbound_message"),
        CheckConstraint("(subject_id IS NULL) = (what = 'message')", name="whose"),
        CheckConstraint("(message_id IS NULL) = (what <> 'message')", name="of_message"),
        Index(None, "study_id", "subject_id"),
    )

    subject_id: Mapped[UUID | None]
    message_id: Mapped[UUID | None]
    what: Mapped[SecretKind] = mapped_column(choice(SecretKind, "what"))
    secrets: Mapped[int]
    purpose: Mapped[str]
