"""Laboratory aggregates on the wire: values by visit, and shifts of grade, never a subject's own.

Days count from an infusion, so no date but the study day of the answer is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.domain.metrics_shifts import ShiftTable
from app.domain.metrics_trajectories import Trajectory
from app.schemas.metrics_explanation import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryMetricsView:
    """What the laboratory shows of the `treated` participants, product of unknown volume included.

    `lineages` are the analytes of the response, `markers` the immune and inflammatory ones that the
    record names, with or without results. The schedule counts visits from the last infusion; those
    from the first are given too, because that day is known from the start. A value is the day's by
    `day_rule`, the visit's by `visit_rule`, and the baseline by `baseline_rule`; values count
    whatever else was given, transfusions too. `shifts` grade by the CTCAE and from numbers alone.
    """

    treated: int
    lineages: tuple[Trajectory, ...]
    markers: tuple[Trajectory, ...]
    shifts: tuple[ShiftTable, ...]
    day_rule: str
    visit_rule: str
    baseline_rule: str
    median_rule: str
    ctcae_version: str
    study_day: date
    as_of: datetime | None
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    explanation: Explanation | None = None
