"""HTTP only: each endpoint is its annotations and one service call."""

from app.routers import (
    adverse_events,
    assessments,
    audit,
    cohorts,
    concomitant_medications,
    ctcae,
    decisions,
    deviations,
    dispositions,
    doses,
    eligibility,
    enrolments,
    escalation,
    health,
    infusions,
    labs,
    metrics,
    product_bags,
    product_lots,
    response,
    schedules,
    studies,
    subjects,
    timelines,
    transfusions,
)

BASE = "/api/v1"

ROUTERS = [
    ("", health.router),
    ("", health.guarded),
    (BASE, studies.router),
    (BASE, subjects.router),
    (BASE, doses.router),
    (BASE, product_lots.router),
    (BASE, product_bags.router),
    (BASE, infusions.router),
    (BASE, schedules.router),
    (BASE, deviations.router),
    (BASE, eligibility.router),
    (BASE, enrolments.router),
    (BASE, dispositions.router),
    (BASE, cohorts.router),
    (BASE, escalation.router),
    (BASE, decisions.router),
    (BASE, adverse_events.router),
    (BASE, audit.router),
    (BASE, timelines.router),
    (BASE, ctcae.router),
    (BASE, transfusions.router),
    (BASE, concomitant_medications.router),
    (BASE, assessments.router),
    (BASE, response.router),
    (BASE, metrics.router),
]

# Many records come in one body here, so it may be larger.
BULK_ROUTERS = [(BASE, labs.router)]
