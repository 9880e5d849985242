"""The audit trail on the wire: who did what, when, in which role, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.schemas.types import View


class OperationView(View):
    """One writing request; `request_id` is the X-Request-ID of its answer."""

    id: UUID
    actor_id: UUID | None
    actor_name: str
    role: str
    organisation: str
    command: str
    reason: str | None
    request_id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One row as an operation left it, beside the row before and the operation itself.

    Rows that never change are their own record: each is shown as the insert that it was.
    `changed_fields` are those that differ; of an insert, those that hold something.
    """

    operation_id: UUID
    actor_id: UUID | None
    actor_name: str
    role: str
    organisation: str
    command: str
    reason: str | None
    request_id: str
    record_type: str
    record_id: UUID
    action: str
    changed_fields: list[str]
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    recorded_at: datetime
