"""Studies, their sites, and the versions of their protocol."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import new_id
from app.models.base import Base, Fact, scoped


class Study(Base):
    """One trial; its key is the registry number, its numbers are in the protocol versions."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("key"),)

    study_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str]
    title: Mapped[str]
    time_zone: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Site(Fact):
    """A hospital that takes part."""

    __tablename__ = "site"
    __table_args__ = (*scoped(), UniqueConstraint("study_id", "code"))

    code: Mapped[str]
    name: Mapped[str]


class ProtocolVersion(Fact):
    """One version of the protocol definition, whole; amendments are new versions."""

    __tablename__ = "protocol_version"
    __table_args__ = (
        *scoped(),
        UniqueConstraint("study_id", "number"),
        CheckConstraint("number >= 1", name="number"),
    )

    number: Mapped[int]
    definition: Mapped[dict[str, Any]]
    digest: Mapped[str]
    summary: Mapped[str]


class ProtocolActivation(Fact):
    """The signature that puts a protocol version into force from a study day on."""

    __tablename__ = "protocol_activation"
    __table_args__ = (
        *scoped(protocol_version_id="protocol_version", activated_by="principal"),
        UniqueConstraint("study_id", "protocol_version_id"),
    )

    protocol_version_id: Mapped[UUID]
    effective_from: Mapped[date]
    activated_by: Mapped[UUID]
    reason: Mapped[str]
