"""Data queries on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.queries import QueryAction, QueryOrigin, QueryStatus
from app.domain.vocabulary import Role
from app.schemas.types import LAX, Body, Change, Code, Id, LongText, View, example


class QueryCreate(Body):
    """A question about a subject's records; without `record_id` about all, or a missing one."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        record_type="adverse_event",
        record_id="01930000-0000-7000-8000-000000000002",
        field="ended_at",
        text="The ward's note says that it went on for two more days. Which is right?",
    )

    subject_id: Id
    record_type: Code = Field(description="As in the audit trail.")
    record_id: Id | None = None
    field: Code | None = None
    text: LongText = Field(description="What is asked; name nobody.")


class QueryChange(Change):
    """One step about a query."""

    model_config = example(
        action="answer",
        reason="The ward's note is right; the end has been corrected.",
    )

    action: Annotated[QueryAction, LAX]
    reason: LongText = Field(
        description="The answer itself, or why the query is closed, reopened or cancelled."
    )


class SaidView(View):
    """What somebody said, and in which step; with no action it is what the query asks."""

    action: QueryAction | None
    text: str
    by: UUID | None
    by_name: str
    role: Role
    at: datetime


class QueryView(View):
    """A query as it stands at `as_of`.

    What a rule asks is derived anew with every read. Until somebody answers or cancels it nothing
    is recorded, and its version is 0; once its cause is gone it is `resolved`, or not there.
    """

    id: UUID
    subject_id: UUID
    subject_number: str
    record_type: str
    record_id: UUID | None
    field: str | None
    day: date | None = Field(
        description="The study day that a rule's question concerns, while its cause is there."
    )
    text: str
    origin: QueryOrigin
    rule_key: str | None = Field(
        description="Names the rule and the cause; another cause is another query.",
        examples=["blood_count_missing:W4:2026-07-08"],
    )
    status: QueryStatus
    answered_by: UUID | None
    closed_by: UUID | None = Field(
        description="Who closed or cancelled it: nobody who ever answered it."
    )
    opened: SaidView | None = Field(description="Null for what a rule asks.")
    messages: list[SaidView]
    version: int
    protocol_version: int
    protocol_digest: str
    as_of: datetime
