"""Prometheus metrics of the service; labels are route templates, words of the code and studies.

No label tells a person, a record or a sender; a study's is its public registry number. Each kind
of process shows what it counts itself, so that no number of another stands at 0 beside it.
"""

from __future__ import annotations

import math
from enum import StrEnum
from time import monotonic

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# When a series began is a series of its own otherwise, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here


class Process(StrEnum):
    """The kinds of process, as their log lines name them."""

    API = "api"
    MLLP = "mllp"
    SEALER = "sealer"


class Reading:
    """Shows by a gauge what is read now and then: not a number before, or once it is old.

    So a reader that hangs shows no number of long ago.
    """

    def __init__(self, gauge: Gauge, seconds: float) -> None:
        self._seconds = seconds
        self._value, self._read_at = math.nan, -math.inf
        gauge.set_function(self._shown)

    def set(self, value: float) -> None:
        """Show a value that was read just now; NaN where it could not be read."""
        self._value, self._read_at = value, monotonic()

    def _shown(self) -> float:
        return self._value if monotonic() - self._read_at <= self._seconds else math.nan


REQUESTS = Counter(
    "msc_icaht_requests", "Answered requests.", ["method", "route", "status"], registry=None
)
DURATION = Histogram(
    "msc_icaht_request_seconds", "Time to answer.", ["method", "route"], registry=None
)

INGEST_MESSAGES = Counter(
    "msc_icaht_ingest_messages",
    "Messages, files and bodies of laboratory results that were taken in, or had come before.",
    ["door", "outcome"],
    registry=None,
)
INGEST_RESULTS = Counter(
    "msc_icaht_ingest_results",
    "Laboratory results of what was taken in, by what became of them.",
    ["door", "outcome"],
    registry=None,
)
INGEST_SIZE = Histogram(
    "msc_icaht_ingest_message_results",
    "Laboratory results in one message.",
    ["door"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
    registry=None,
)
# One for every door: from the first look at a message that was read until its commit.
INGEST_SECONDS = Histogram(
    "msc_icaht_ingest_seconds",
    "Time from reading one message to its commit.",
    ["door"],
    registry=None,
)

MLLP_CONNECTIONS = Gauge(
    "msc_icaht_mllp_connections", "Open connections of laboratory systems.", registry=None
)
MLLP_UNANSWERED = Counter(
    "msc_icaht_mllp_unanswered",
    "Connections that were closed because a message could not be stored.",
    registry=None,
)

SEAL_LAG = Gauge(
    "msc_icaht_seal_lag_seconds",
    "Age of the oldest operation without a seal; NaN while the database does not answer.",
    registry=None,
)
# Three times as long as the sealer waits before it looks again.
SEAL_LAG_READING = Reading(SEAL_LAG, seconds=30)
SEALED = Counter(
    "msc_icaht_sealed_operations", "Operations that this process sealed.", registry=None
)
SEAL_INTERRUPTIONS = Counter(
    "msc_icaht_seal_interruptions",
    "Passes of this process's sealer that failed and are tried again.",
    registry=None,
)

CONNECTIONS = Gauge(
    "msc_icaht_database_connections_in_use",
    "Connections of this process's pool that are in use.",
    registry=None,
)
CONNECTION_LIMIT = Gauge(
    "msc_icaht_database_connections_limit",
    "Connections that this process's pool can give.",
    registry=None,
)

INBOX_OPEN = Gauge(
    "msc_icaht_inbox_open_items", "Items that wait in the inbox.", ["study"], registry=None
)
INBOX_OLDEST = Gauge(
    "msc_icaht_inbox_oldest_seconds",
    "Age of the open item of the inbox that waits longest, 0 without one.",
    ["study"],
    registry=None,
)
CLOCKS_OVERDUE = Gauge(
    "msc_icaht_report_clocks_overdue",
    "Safety reports that are overdue and not sent.",
    ["study"],
    registry=None,
)
CLOCKS_DUE_SOON = Gauge(
    "msc_icaht_report_clocks_due_within_day",
    "Safety reports that are not sent and fall due within 24 hours.",
    ["study"],
    registry=None,
)
STUDY_READ_SECONDS = Gauge(
    "msc_icaht_study_read_seconds",
    "Time that the last reading of a study's gauges took.",
    ["study"],
    registry=None,
)


_INGEST = (INGEST_MESSAGES, INGEST_RESULTS, INGEST_SIZE, INGEST_SECONDS)
_SHOWN: dict[Process, tuple[Counter | Gauge | Histogram, ...]] = {
    Process.API: (
        REQUESTS, DURATION, *_INGEST, SEAL_LAG, CONNECTIONS, CONNECTION_LIMIT, INBOX_OPEN,
        INBOX_OLDEST, CLOCKS_OVERDUE, CLOCKS_DUE_SOON, STUDY_READ_SECONDS,
    ),
    Process.MLLP: (*_INGEST, MLLP_CONNECTIONS, MLLP_UNANSWERED),
    Process.SEALER: (SEAL_LAG, SEALED, SEAL_INTERRUPTIONS),
}  # fmt: skip


def registry_of(*processes: Process) -> CollectorRegistry:
    """Return a registry of all that a process shows which does the work of these kinds."""
    registry = CollectorRegistry()
    for metric in dict.fromkeys(each for kind in processes for each in _SHOWN[kind]):
        registry.register(metric)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return a registry's metrics in the Prometheus text format."""
    return generate_latest(registry)
