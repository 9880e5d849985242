"""Who did what: people, their grants, the operation of each request, and the trail of changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models.base import Base, Fact, choice, scoped


class Principal(Fact):
    """A person or machine known to a study by its identity (issuer, subject)."""

    __tablename__ = "principal"
    __table_args__ = (*scoped(), UniqueConstraint("study_id", "issuer", "subject"))

    issuer: Mapped[str]
    subject: Mapped[str]
    display_name: Mapped[str]
    organisation: Mapped[str]


class RoleGrant(Fact):
    """What a principal may be in a study, at one site or at all, and for how long."""

    __tablename__ = "role_grant"
    __table_args__ = (
        *scoped(principal_id="principal", site_id="site"),
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
        Index(None, "study_id", "principal_id"),
    )

    principal_id: Mapped[UUID]
    site_id: Mapped[UUID | None]
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class Operation(Base):
    """One writing request: who, in which role, of which organisation, why, and when."""

    __tablename__ = "operation"
    __table_args__ = (ForeignKeyConstraint(["study_id"], ["study.study_id"]),)

    study_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    role: Mapped[str]
    organisation: Mapped[str]
    command: Mapped[str]
    reason: Mapped[str | None]
    request_id: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Change(Base):
    """One change of one row, written by trigger only, with the row before and after."""

    __tablename__ = "change"
    __table_args__ = (
        ForeignKeyConstraint(["study_id"], ["study.study_id"]),
        ForeignKeyConstraint(["study_id", "operation_id"], ["operation.study_id", "operation.id"]),
        CheckConstraint("action IN ('insert', 'update', 'delete')", name="action"),
        Index(None, "study_id", "table_name", "record_id", "id"),
        Index(None, "study_id", "operation_id"),
    )

    study_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operation_id: Mapped[UUID]
    table_name: Mapped[str]
    record_id: Mapped[UUID]
    action: Mapped[str]
    old: Mapped[dict[str, Any] | None]
    new: Mapped[dict[str, Any] | None]
    recorded_at: Mapped[datetime]


class IdempotencyRecord(Base):
    """The answer already given to a request key, so that a repeat gets the same one.

    A technical table: `scope` digests the caller and the operation, not a study.
    """

    __tablename__ = "idempotency_record"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
