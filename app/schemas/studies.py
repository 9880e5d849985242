"""Studies on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.schemas.types import View


class StudyView(View):
    """A study as the list shows it."""

    study_id: UUID
    key: str = Field(examples=["NCT07212335"])
    title: str
    time_zone: str
    recorded_at: datetime


class StudySummary(View):
    """A study with where it stands."""

    key: str
    title: str
    time_zone: str
    protocol_version: int
    subjects: dict[str, int] = Field(description="Number of subjects by status.")
    open_cohort: str | None
    recommendation: str
