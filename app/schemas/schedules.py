"""A subject's schedule on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.domain.schedule import PlannedInfusion
from app.domain.visits import LastInfusion, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView:
    """Infusions and visits with their windows and what became of each by `study_day`.

    Before enrolment there is no level, so nothing is planned but the day of the first infusion.
    What follows a projected last infusion is projected.
    """

    subject_id: UUID
    number: str
    dose_level: str | None
    planned_first_infusion_date: date | None
    infusions: tuple[PlannedInfusion, ...]
    last_infusion: LastInfusion | None
    visits: tuple[Visit, ...]
    completion_from: date | None
    end_of_safety_follow_up: date | None
    contraception_end: date | None
    left_study_on: date | None
    study_day: date
    protocol_version: int
    protocol_digest: str
    as_of: datetime
