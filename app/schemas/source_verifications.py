"""Source verification on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.schemas.types import Body, Code, Id, View, example


class SourceVerificationCreate(Body):
    """Fields of a record that were held against the source; left out means all of them."""

    model_config = example(
        record_type="transfusion",
        record_id="01930000-0000-7000-8000-000000000002",
        record_version=1,
        fields=["product", "given_at"],
    )

    record_type: Code = Field(description="As in the audit trail.")
    record_id: Id
    record_version: Annotated[int, Field(ge=1, le=2_147_483_647)] = Field(
        description="The version that was looked at; 1 for records that never change."
    )
    fields: Annotated[list[Code], Field(min_length=1, max_length=50)] | None = None


class SourceVerificationView(View):
    """A verification; `stale_fields` have changed since, whatever they say now."""

    id: UUID
    subject_id: UUID
    record_type: str
    record_id: UUID
    record_version: int
    fields: list[str]
    stale: bool
    stale_fields: list[str]
    verified_by: UUID | None
    verified_by_name: str
    recorded_at: datetime


class CoverageCounts(View):
    """Records and items, and how many stand verified; a record does when all its items do."""

    records: int
    records_verified: int
    items: int
    items_verified: int
    items_stale: int = Field(description="Verified once, and changed since.")


class CoverageOfSubject(CoverageCounts):
    """The counts of one subject's records of a type."""

    subject_id: UUID
    subject_number: str
    record_type: str


class CoverageView(View):
    """How much of what counts was held against the source, as of a moment."""

    items: list[CoverageOfSubject]
    total: CoverageCounts
    as_of: datetime
