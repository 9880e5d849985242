"""Efficacy: whose response counts, and the rates and times it adds up to."""

from __future__ import annotations

from app.domain.metrics_durations import response_durations, response_times
from app.domain.metrics_efficacy import alternative_rates, reading_rates
from app.schemas.metrics import EfficacyMetricsView
from app.services.metric_store import MetricStudy


def count_efficacy(study: MetricStudy) -> EfficacyMetricsView:
    """Sum up the responses of everybody who received an infusion."""
    rules, outcomes = study.rules.response, study.rules.outcomes
    subjects = [subject.treated for subject in study.subjects if subject.treated]
    return EfficacyMetricsView(
        treated=len(subjects),
        readings=reading_rates(subjects, study.levels, rules, outcomes),
        alternatives=alternative_rates(subjects, rules, outcomes),
        times_to_response=response_times(subjects, outcomes),
        durations_of_response=response_durations(subjects, outcomes),
        interval_method=outcomes.proportion_interval,
        confidence=outcomes.confidence,
        **study.basis(),
    )
