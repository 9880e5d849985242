"""Laboratory: whose results count, and the trajectories and shift tables they add up to."""

from __future__ import annotations

from app.domain.metrics_durations import SIMPLE_MEDIAN
from app.domain.metrics_laboratory import BASELINE_RULE, SubjectLaboratory
from app.domain.metrics_shifts import shift_tables
from app.domain.metrics_trajectories import markers, trajectories
from app.schemas.metrics_laboratory import LaboratoryMetricsView
from app.services.metric_store import MetricStudy


def count_laboratory(study: MetricStudy) -> LaboratoryMetricsView:
    """Sum up the laboratory courses of everybody whose first infusion began."""
    rules, levels = study.rules, study.levels
    treated = _treated(study)
    visits = rules.schedule.visits
    return LaboratoryMetricsView(
        treated=len(treated),
        lineages=trajectories(treated, levels, rules.response, visits),
        markers=markers(treated, levels, visits),
        shifts=shift_tables([(each.level, each.shifts) for each in treated], levels),
        day_rule=f"response.same_day_rule={rules.response.same_day_rule}",
        visit_rule="schedule.visits.offsets",
        baseline_rule=BASELINE_RULE,
        median_rule=SIMPLE_MEDIAN,
        ctcae_version=rules.study.ctcae_version,
        **study.basis(),
    )


def _treated(study: MetricStudy) -> list[SubjectLaboratory]:
    drawn = [subject.laboratory for subject in study.subjects]
    return [each for each in drawn if each.first_infusion_day is not None]
