"""Prometheus metrics of the service; labels are route templates and outcomes, never identifiers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "msc_icaht_requests", "Answered requests.", ["method", "route", "status"], registry=REGISTRY
)
DURATION = Histogram(
    "msc_icaht_request_seconds", "Time to answer.", ["method", "route"], registry=REGISTRY
)

SEAL_LAG = Gauge(
    "msc_icaht_seal_lag_seconds",
    "Age of the oldest operation without a seal; NaN while the database does not answer.",
    registry=REGISTRY,
)


def exposition() -> bytes:
    """Return the metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
