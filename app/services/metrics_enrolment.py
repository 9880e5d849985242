"""Enrolment: who was screened and enrolled, why screening failed, and how the trial fills."""

from __future__ import annotations

from app.domain.metrics_enrolment import (
    count_dispositions,
    count_statuses,
    monthly_enrolment,
    planned_enrolment,
    screen_failures,
)
from app.domain.metrics_levels import level_enrolments
from app.schemas.metrics import EnrolmentMetricsView
from app.services.metric_store import MetricStudy


def count_enrolment(study: MetricStudy) -> EnrolmentMetricsView:
    """Count everybody who was screened."""
    rules = study.rules
    screened = [subject.screened for subject in study.subjects]
    enrolled = [subject.enrolled for subject in study.subjects if subject.enrolled]
    return EnrolmentMetricsView(
        planned=planned_enrolment(rules.study.registered_enrolment, rules.escalation),
        screened=len(screened),
        enrolled=len(enrolled),
        treated=sum(subject.treated for subject in enrolled),
        statuses=count_statuses(screened),
        dispositions=count_dispositions(screened),
        screen_failures=screen_failures(screened, rules.eligibility.criteria),
        levels=level_enrolments(enrolled, study.levels),
        months=monthly_enrolment(screened, study.today),
        **study.basis(),
    )
