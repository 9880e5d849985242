"""The worklist of visits on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.domain.visit_worklist import WorkItem


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitView(WorkItem):
    """One planned infusion or visit of a subject, as it stands `on` a study day."""

    subject_id: UUID
    subject_number: str
    on: date
    protocol_version: int
    protocol_digest: str
    as_of: datetime
