"""What became of a message, as its sender may know it: counts and references, never values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.domain.inbound import Door, InboxKind, InboxReason, InboxStatus
from app.schemas.types import View


class SubmissionItemView(View):
    """Something of the message that waited or waits for a person; `position` counts results."""

    id: UUID
    kind: InboxKind
    position: int | None
    reasons: list[InboxReason]
    status: InboxStatus


class SubmissionView(View):
    """A message that the caller sent: how many of its results were filed, and what waits."""

    id: UUID
    door: Door
    received_at: datetime
    control_id: str | None = Field(description="MSH-10 or what stands for it.")
    refusal: str | None = Field(description="Code of why nothing of it could be taken.")
    results: int
    filed: int
    duplicates: int
    inbox: int
    refused: int
    items: list[SubmissionItemView]
