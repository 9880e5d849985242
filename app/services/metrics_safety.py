"""Safety: whose events, dose-limiting toxicities and infusions count, and what they add up to."""

from __future__ import annotations

from app.domain.metrics_levels import exposures, level_toxicities
from app.domain.metrics_safety import (
    group_incidences,
    interest_incidences,
    safety_set,
    term_incidences,
    untreated,
)
from app.schemas.metrics import SafetyMetricsView
from app.services.metric_store import MetricStudy


def count_safety(study: MetricStudy) -> SafetyMetricsView:
    """Count the participants of the safety set by their events, and what they received."""
    rules, levels = study.rules, study.levels
    enrolled = [subject.enrolled for subject in study.subjects if subject.enrolled]
    outside = [
        subject.events
        for subject in study.subjects
        if subject.enrolled is None or not subject.enrolled.treated
    ]
    treated = safety_set(enrolled, levels, rules.dlt.relatedness, rules.outcomes)
    return SafetyMetricsView(
        treated=len(treated.participants),
        ctcae_version=rules.study.ctcae_version,
        groups=group_incidences(treated),
        terms=term_incidences(treated),
        special_interest=interest_incidences(treated),
        dose_limiting_toxicities=level_toxicities(enrolled, levels, rules.outcomes),
        exposure=exposures(enrolled, levels),
        untreated=untreated(outside),
        interval_method=rules.outcomes.proportion_interval,
        confidence=rules.outcomes.confidence,
        **study.basis(),
    )
