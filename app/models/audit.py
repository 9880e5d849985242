"""Who did what: people, their grants, the operation of each request, and the trail of changes."""

from __future__ import annotations

from datetime import date, datetime
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
    """What a principal may be in a study, at one site or at all, and for how long.

    `granted_by` is the administrator who gave it; empty for what comes with a study's setup, from
    the console or with a sender. Whether it counts is `in_force(role_grant, moment)`.
    """

    __tablename__ = "role_grant"
    __table_args__ = (
        *scoped(principal_id="principal", site_id="site", granted_by="principal"),
        UniqueConstraint("study_id", "id", "principal_id", "granted_by"),
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="validity"),
        CheckConstraint("granted_by <> principal_id", name="not_to_oneself"),
        Index(None, "study_id", "principal_id"),
    )

    principal_id: Mapped[UUID]
    site_id: Mapped[UUID | None]
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    granted_by: Mapped[UUID | None]
    delegation_log: Mapped[str | None]
    trained_on: Mapped[date | None]


class GrantConfirmation(Fact):
    """The second administrator's yes to a role that one alone cannot give."""

    __tablename__ = "grant_confirmation"
    __table_args__ = (
        *scoped(confirmed_by="principal"),
        ForeignKeyConstraint(
            ["study_id", "grant_id", "principal_id", "granted_by"],
            [
                "role_grant.study_id",
                "role_grant.id",
                "role_grant.principal_id",
                "role_grant.granted_by",
            ],
        ),
        UniqueConstraint("study_id", "grant_id"),
        CheckConstraint("confirmed_by NOT IN (granted_by, principal_id)", name="two_persons"),
    )

    grant_id: Mapped[UUID]
    principal_id: Mapped[UUID]
    granted_by: Mapped[UUID]
    confirmed_by: Mapped[UUID]


class GrantEnd(Fact):
    """The end of a grant before its time; from the next request on it gives nothing any more."""

    __tablename__ = "grant_end"
    __table_args__ = (
        *scoped(grant_id="role_grant", ended_by="principal"),
        UniqueConstraint("study_id", "grant_id"),
    )

    grant_id: Mapped[UUID]
    ended_by: Mapped[UUID]
    reason: Mapped[str]


# A UUIDv7 of the database's clock, as `id_at` makes it: the trail is in the order of that clock,
# however wrong the one of the process is that asks.
OPERATION_ID = """(
    SELECT CAST(lpad(to_hex(micros / 1000), 12, '0') || '7'
        || lpad(to_hex(micros % 1000 * 4096 / 1000), 3, '0')
        || substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 17) AS uuid)
    FROM CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS micros
)"""


class Operation(Base):
    """One writing request: who, in which role, of which organisation, why, and when."""

    __tablename__ = "operation"
    __table_args__ = (
        ForeignKeyConstraint(["study_id"], ["study.study_id"]),
        Index(None, "transaction", "id"),
        Index(None, "study_id", "transaction"),
    )

    study_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=text(OPERATION_ID))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    role: Mapped[str]
    organisation: Mapped[str]
    command: Mapped[str]
    reason: Mapped[str | None]
    request_id: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    # Only the database says which: the sealer follows the oldest that still runs.
    transaction: Mapped[int] = mapped_column(
        BigInteger, server_default=text("((pg_current_xact_id())::text)::bigint")
    )


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
    is_kept = False

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
