"""Whether what is recorded about an infusion can have happened; it judges order, not conduct."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.errors import DomainError, ErrorKind, Reason, conflict
from app.domain.facts import Infusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A pause of the infusion; `ended_at` is None while it lasts."""

    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfusionRecord:
    """What somebody wants to record about one infusion."""

    premedication_at: datetime | None
    thawed_at: datetime | None
    started_at: datetime | None
    stopped_at: datetime | None
    interruptions: Sequence[Interruption]
    volume_ml: Decimal | None
    cells: Decimal | None


def check_record(record: InfusionRecord, now: datetime) -> None:
    """Refuse instants in the future or in an impossible order, and amounts without a start.

    A late premedication is possible and becomes a deviation. Raises DomainError (invalid) with
    one reason for each field at fault.
    """
    reasons = (
        *_future(record, now),
        *_without_start(record),
        *_out_of_order(record),
        *_interruption_faults(record),
    )
    if reasons:
        raise DomainError(
            ErrorKind.INVALID,
            reasons[0].code,
            "What is recorded about the infusion contradicts itself; see each field.",
            reasons,
        )


def check_order(number: int, started_at: datetime | None, infusions: Iterable[Infusion]) -> None:
    """Refuse a start before an infusion of a lower number, or after one of a higher number.

    Cancelled infusions of a lower number do not count; do not ask about a cancelled one. Raises
    DomainError (conflict).
    """
    for other in infusions:
        if other.number < number and not other.cancelled and started_at is not None:
            _check_after(started_at, other)
        later_at = other.started_at if other.number > number else None
        if later_at is not None and (started_at is None or later_at <= started_at):
            raise conflict(
                "after_later_infusion",
                "A later infusion started before this one could; correct one of them.",
            )


def _check_after(started_at: datetime, earlier: Infusion) -> None:
    if earlier.started_at is None:
        raise conflict(
            "earlier_infusion_open",
            "An earlier infusion has neither started nor been cancelled; record it first.",
        )
    if earlier.started_at >= started_at:
        raise conflict(
            "before_earlier_infusion",
            "An earlier infusion started at or after this time; correct one of them.",
        )


def _future(record: InfusionRecord, now: datetime) -> Iterator[Reason]:
    for name in ("premedication_at", "thawed_at", "started_at", "stopped_at"):
        at = getattr(record, name)
        if at is not None and at > now:
            yield Reason("future_instant", "This lies in the future.", f"/{name}")
    for place, pause in enumerate(record.interruptions):
        if (pause.ended_at or pause.began_at) > now:
            yield Reason("future_instant", "This lies in the future.", f"/interruptions/{place}")


def _without_start(record: InfusionRecord) -> Iterator[Reason]:
    if record.started_at is not None:
        return
    for name in ("stopped_at", "volume_ml", "cells", "interruptions"):
        if getattr(record, name) not in (None, (), []):
            yield Reason("not_started", "Record when the infusion started, too.", f"/{name}")


def _out_of_order(record: InfusionRecord) -> Iterator[Reason]:
    started_at = record.started_at
    if started_at is None:
        return
    if record.thawed_at is not None and record.thawed_at > started_at:
        yield Reason("thawed_after_start", "A bag is thawed before the start.", "/thawed_at")
    if record.stopped_at is not None and record.stopped_at < started_at:
        yield Reason("stopped_before_start", "An infusion stops after its start.", "/stopped_at")


def _interruption_faults(record: InfusionRecord) -> Iterator[Reason]:
    """Look for pauses that end before they begin, overlap, or lie outside the infusion."""
    earliest, stopped_at = record.started_at, record.stopped_at
    for place, pause in enumerate(record.interruptions):
        last_at = pause.ended_at or pause.began_at
        backwards = pause.ended_at is not None and pause.ended_at <= pause.began_at
        early = earliest is not None and pause.began_at < earliest
        late = stopped_at is not None and last_at > stopped_at
        unfinished = pause.ended_at is None and place < len(record.interruptions) - 1
        if backwards or early or late or unfinished:
            yield Reason(
                "interruption_out_of_order",
                "Interruptions lie within the infusion, one after the other; only the last may "
                "still last.",
                f"/interruptions/{place}",
            )
        earliest = last_at
