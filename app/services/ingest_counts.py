"""What is counted of laboratory results on their way in: noted when filed, counted once committed.

What is rolled back is never counted, because its notes go with its session.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.telemetry import INGEST_MESSAGES, INGEST_RESULTS, INGEST_SECONDS, INGEST_SIZE
from app.domain.inbound import Door, InboundOutcome

TAKEN, REPEATED = "taken", "repeated"
# The commands that take results in, each of one door; over MLLP there are no Idempotency-Keys.
DOORS = {
    "record_labs": Door.JSON,
    "upload_csv": Door.CSV,
    "receive_hl7v2": Door.HL7V2,
    "create_observation": Door.FHIR,
    "put_observation": Door.FHIR,
    "create_diagnostic_report": Door.FHIR,
    "process_bundle": Door.FHIR,
    "process_message": Door.FHIR,
}
_NOTED = "ingest"


class Ingested(Protocol):
    """What became of the results of one message; nothing is new of one that had come before."""

    @property
    def repeated(self) -> bool: ...  # noqa: D102 - the class says it
    @property
    def filed(self) -> int: ...  # noqa: D102
    @property
    def duplicates(self) -> int: ...  # noqa: D102
    @property
    def inbox(self) -> int: ...  # noqa: D102
    @property
    def refused(self) -> int: ...  # noqa: D102


Taken = TypeVar("Taken", bound=Ingested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the results of one message, where nothing else says so."""

    repeated: bool = False
    filed: int = 0
    duplicates: int = 0
    inbox: int = 0
    refused: int = 0


def noted(session: AsyncSession, door: Door, taken: Taken, started: float) -> Taken:
    """Note a message that was begun at a `perf_counter`, to be counted with the commit."""
    session.info.setdefault(_NOTED, []).append((door, taken, started))
    return taken


def forget_ingest(session: AsyncSession) -> None:
    """Drop the notes of what was only tried."""
    session.info.pop(_NOTED, None)


def count_ingest(session: AsyncSession) -> None:
    """Count what was noted; the caller has just committed it."""
    for door, taken, started in session.info.pop(_NOTED, ()):
        count_message(door, taken, started)


def count_replay(command: str, started: float) -> None:
    """Count what was answered as before without a look at it, if its command takes results in."""
    door = DOORS.get(command)
    if door is not None:
        count_message(door, Counts(repeated=True), started)


def count_message(door: Door, taken: Ingested, started: float) -> None:
    """Count one message that has just been committed, or was before, begun at a `perf_counter`."""
    series = _series(door)
    series.seconds.observe(perf_counter() - started)
    if taken.repeated:
        series.repeated.inc()
        return
    series.taken.inc()
    counts = (taken.filed, taken.duplicates, taken.inbox, taken.refused)
    series.size.observe(sum(counts))
    for results, count in zip(series.results, counts, strict=True):
        if count:
            results.inc(count)


class _Series:
    """The series of one door, shown from the start: so the first increase is seen as one."""

    def __init__(self, door: Door) -> None:
        self.taken = INGEST_MESSAGES.labels(door, TAKEN)
        self.repeated = INGEST_MESSAGES.labels(door, REPEATED)
        self.seconds = INGEST_SECONDS.labels(door)
        self.size = INGEST_SIZE.labels(door)
        # In the order in which count_message counts.
        self.results = [INGEST_RESULTS.labels(door, outcome) for outcome in _OUTCOMES]


_OUTCOMES = (
    InboundOutcome.FILED,
    InboundOutcome.DUPLICATE,
    InboundOutcome.INBOX,
    InboundOutcome.REFUSED,
)


@cache
def _series(door: Door) -> _Series:
    return _Series(door)


def show_doors(*doors: Door) -> None:
    """Show the series of the doors that this process has; another's would stand at 0 for ever."""
    for door in doors:
        _series(door)
