"""Laboratory results: versions that are never changed, each in its own words and in ours."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.quantities import Comparator
from app.domain.vocabulary import Finding, LabStatus, TimePrecision
from app.models.base import Fact, choice, in_time, scoped


class LabResult(Fact):
    """One version of one result; `result_id` is the id of its first version.

    `specimen` is the accession number, or the collection instant where there is none, so that
    (subject, source, specimen, analyte, version) is the natural key. The version that counts is
    the one stated last, by (weight, stated_at, standing, result_version): it may arrive after one
    that was made later. `message_id` and `position` say where a laboratory system sent it.
    """

    __tablename__ = "lab_result"
    __table_args__ = (
        *scoped(subject_id="subject"),
        UniqueConstraint(
            "study_id", "subject_id", "source", "specimen", "analyte", "result_version",
            name="uq_lab_result_natural_key",
        ),
        UniqueConstraint("study_id", "result_id", "result_version"),
        ForeignKeyConstraint(
            ["study_id", "message_id"], ["inbound_message.study_id", "inbound_message.id"],
            # A message is written after its results, together with their number.
            deferrable=True, initially="DEFERRED",
        ),
        Index(None, "study_id", "subject_id", "analyte", "collected_at"),
        Index(None, "study_id", "source", "specimen"),
        in_time("operation_id"),
        Index(None, "study_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
        CheckConstraint(
            "status IN ('cancelled', 'entered_in_error') OR value IS NOT NULL"
            " OR finding IS NOT NULL",
            name="has_content",
        ),
        CheckConstraint("(value IS NULL) = (unit IS NULL)", name="unit_with_value"),
        CheckConstraint("comparator IS NULL OR value IS NOT NULL", name="comparator_with_value"),
    )  # fmt: skip

    subject_id: Mapped[UUID]
    result_id: Mapped[UUID]
    result_version: Mapped[int] = mapped_column(server_default=text("1"))
    source: Mapped[str]
    specimen: Mapped[str]
    accession: Mapped[str | None]
    analyte: Mapped[str]
    status: Mapped[LabStatus] = mapped_column(choice(LabStatus, "status"))
    collected_at: Mapped[datetime]
    collected_precision: Mapped[TimePrecision] = mapped_column(
        choice(TimePrecision, "collected_precision"), server_default=text("'second'")
    )
    reported_at: Mapped[datetime | None]
    stated_at: Mapped[datetime]
    weight: Mapped[int] = mapped_column(server_default=text("2"))
    standing: Mapped[int]
    value: Mapped[Decimal | None]
    comparator: Mapped[Comparator | None] = mapped_column(choice(Comparator, "comparator"))
    unit: Mapped[str | None]
    lln: Mapped[Decimal | None]
    uln: Mapped[Decimal | None]
    finding: Mapped[Finding | None] = mapped_column(choice(Finding, "finding"))
    original_value: Mapped[str | None]
    original_unit: Mapped[str | None]
    original_lln: Mapped[str | None]
    original_uln: Mapped[str | None]
    original_code: Mapped[str | None]
    original_range: Mapped[str | None]
    original_flags: Mapped[str | None]
    original_status: Mapped[str | None]
    original_collected: Mapped[str | None]
    message_id: Mapped[UUID | None]
    position: Mapped[int | None]
    reason: Mapped[str | None]
