"""How the trial is worked, on the wire: counts and ages in days, never whose or by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.domain.metrics_conduct import GroupCompleteness, Overdue, WorkStanding
from app.domain.metrics_queries import InboxSummary, QueriesSummary
from app.domain.metrics_turnaround import TurnaroundSummary
from app.schemas.metrics_explanation import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsMetricsView:
    """What is on record of what is expected, what is overdue, and what waits for somebody.

    `worklist` has every planned infusion and visit by how it stands. `turnaround` is of the results
    that still count, until their first final version was recorded. Ages are in whole study days.
    """

    completeness: tuple[GroupCompleteness, ...]
    worklist: tuple[WorkStanding, ...]
    overdue: tuple[Overdue, ...]
    queries: QueriesSummary
    inbox: InboxSummary
    turnaround: tuple[TurnaroundSummary, ...]
    median_rule: str
    study_day: date
    as_of: datetime | None
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    explanation: Explanation | None = None
