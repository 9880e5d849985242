"""The seal over the trail: leaves, what they commit to, the tree above them, its checkpoints.

The tables carry no foreign keys: the seal stands by itself, so that what is missing beside it
shows instead of hindering whoever looks. Only the sealer's role writes them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base

HASH = LargeBinary()
COUNT = BigInteger()


class SealLeaf(Base):
    """The hash of one leaf, counted from 0 without a gap."""

    __tablename__ = "seal_leaf"

    index: Mapped[int] = mapped_column(COUNT, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(HASH)


class SealEntry(Base):
    """What a leaf says in the clear: the header of one operation, to the byte."""

    __tablename__ = "seal_entry"
    __table_args__ = (UniqueConstraint("operation_id"),)

    index: Mapped[int] = mapped_column(COUNT, primary_key=True, autoincrement=False)
    study_id: Mapped[UUID]
    operation_id: Mapped[UUID]
    header: Mapped[str]


class SealCommitment(Base):
    """What opens one commitment of a header: the salt, which a redaction takes away."""

    __tablename__ = "seal_commitment"

    index: Mapped[int] = mapped_column(COUNT, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    study_id: Mapped[UUID]
    table_name: Mapped[str]
    record_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(COUNT)
    salt: Mapped[bytes | None] = mapped_column(HASH)
    commit: Mapped[bytes] = mapped_column(HASH)


class SealNode(Base):
    """A complete subtree above the leaves, so that a proof reads a few rows of any log."""

    __tablename__ = "seal_node"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(COUNT, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(HASH)


class SealShape(Base):
    """The columns of each table that rows were sealed with, under the digest of their text."""

    __tablename__ = "seal_shape"

    digest: Mapped[str] = mapped_column(primary_key=True)
    columns: Mapped[dict[str, Any]]


class SealCheckpoint(Base):
    """A signed statement of the log at one size; published outside the database."""

    __tablename__ = "seal_checkpoint"

    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(COUNT, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(HASH)
    note: Mapped[str]
    signed_at: Mapped[datetime]


class SealRollback(Base):
    """A signed statement that the database was restored; it begins the epoch."""

    __tablename__ = "seal_rollback"

    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str]
    signed_at: Mapped[datetime]


class SealState(Base):
    """The one row of how far the sealer is: below the horizon every operation is sealed."""

    __tablename__ = "seal_state"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    log_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    horizon: Mapped[int] = mapped_column(COUNT, server_default=text("0"))
    epoch: Mapped[int] = mapped_column(server_default=text("0"))
    alive_at: Mapped[datetime | None]
    verifier_key: Mapped[str | None]


SEAL: tuple[type[Base], ...] = (
    SealLeaf,
    SealEntry,
    SealCommitment,
    SealNode,
    SealShape,
    SealCheckpoint,
    SealRollback,
    SealState,
)
