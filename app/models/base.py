"""The base of all tables: names of constraints, column types, and the keys every table carries."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Date,
    DateTime,
    Enum,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.core.ids import new_id

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Fifteen significant digits survive every JSON reader, so that is what the service accepts.
MEASURED = Numeric(24, 9)


class Base(DeclarativeBase):
    """Declarative base; measured values are NUMERIC, instants carry a zone, text is TEXT.

    Rows are kept for good, and a trigger refuses to remove them, unless a table says otherwise.
    """

    is_kept: ClassVar[bool] = True
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        int: Integer(),
        date: Date(),
        datetime: DateTime(timezone=True),
        Decimal: MEASURED,
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
        list[UUID]: ARRAY(Uuid()),
    }


def choice(enum: type[StrEnum], name: str) -> Enum:
    """Return the column type of a vocabulary word: VARCHAR with a CHECK constraint."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


def scoped(**references: str) -> tuple[ForeignKeyConstraint, ...]:
    """Return the foreign keys of a table, given as `column="table"`, each within its own study."""
    keys = [ForeignKeyConstraint(["study_id"], ["study.study_id"])]
    targets = {"operation_id": "operation", **references}
    for column, table in targets.items():
        keys.append(
            ForeignKeyConstraint(
                ["study_id", column], [f"{table}.study_id", f"{table}.id"], use_alter=False
            )
        )
    return tuple(keys)


def in_time(column: str) -> Index:
    """Return a small index on a column whose values come in the order of time."""
    return Index(
        None,
        column,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )


class StudyRecord(Base):
    """A row of one study: the key is (study_id, id), and the row names the operation that made it.

    The database fills `operation_id` from the transaction's operation and refuses a row without.
    """

    __abstract__ = True
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - declared so by SQLAlchemy

    study_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-20)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-19)
    operation_id: Mapped[UUID] = mapped_column(
        server_default=text("current_operation()"), sort_order=90
    )
    recorded_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), sort_order=91
    )


class Fact(StudyRecord):
    """An append-only row: its own audit record; UPDATE, DELETE and TRUNCATE are refused."""

    __abstract__ = True


class Record(StudyRecord):
    """A row that may change with a reason; a trigger counts its version and writes the trail."""

    __abstract__ = True

    version: Mapped[int] = mapped_column(
        server_default=text("1"), server_onupdate=FetchedValue(), sort_order=92
    )
