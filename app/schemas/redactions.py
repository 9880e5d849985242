"""Redactions on the wire: what is to go, who asked for it and who took it away."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.schemas.types import Body, Code, Id, Rationale, View, example


class RedactionCreate(Body):
    """A value that has to go; neither it nor anything like it belongs into the reason."""

    model_config = example(
        record_type="adverse_event",
        record_id="0198c0de-0000-7000-8000-000000000001",
        field="narrative",
        reason="The narrative names a relative of the subject.",
    )

    record_type: Annotated[Code, Field(description="Of the audit trail; `operation` for a reason.")]
    record_id: Id
    field: Annotated[Code, Field(description="Free text only; a dot leads into a document.")]
    reason: Rationale


class RedactionExecution(Body):
    """The data manager's word that the request was looked at."""

    model_config = example(reason="Checked the record: the request names the right field.")

    reason: Rationale


class RedactionView(View):
    """A request, and when it was carried out what became of it.

    `rows` counts the sealed rows whose commitments cannot be opened any more, `signatures` are
    those whose signed document showed the value.
    """

    id: UUID
    record_type: str
    record_id: UUID
    field: str
    reason: str
    requested_by: UUID
    requested_at: datetime
    executed_by: UUID | None = None
    executed_at: datetime | None = None
    rows: int | None = None
    signatures: list[UUID] = Field(default=[])
