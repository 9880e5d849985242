"""Data cuts on the wire: which moment, what for, and the digest of what it holds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.schemas.types import Body, Instant, LongText, Name, View, example


class DataCutCreate(Body):
    """The moment to cut at; the records of before it never change any more."""

    model_config = example(
        as_of="2026-06-01T04:00:00Z",
        name="Committee meeting 3",
        purpose="Safety of dose level A before the next level is opened.",
    )

    as_of: Instant
    name: Name
    purpose: LongText


class DataCutView(View):
    """A cut; whoever derives its content again gets bytes of this digest."""

    id: UUID
    name: str
    purpose: str
    as_of: datetime
    digest: str = Field(description="SHA-256 of the content, in hexadecimal.")
    records_digest: str = Field(description="SHA-256 of the records in it, without conclusions.")
    size: int = Field(description="Bytes of the content.")
    recorded_at: datetime


class DataCutContent(View):
    """The content of a cut: canonical JSON (sorted keys, no white space, exact decimals)."""

    format: int
    study: str
    as_of: datetime
    records: dict[str, list[dict[str, object]]] = Field(
        description="Rows of each table, each in the order of their ids."
    )
    conclusions: dict[str, object] = Field(
        description="What followed from them: ladder, cohorts, metrics, deviations, adverse events"
        " and, for each subject, eligibility and response."
    )
