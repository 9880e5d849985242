"""What can have happened with an infusion: the order of its times, and of the infusions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.errors import DomainError
from app.domain.facts import Infusion
from app.domain.infusion_record import InfusionRecord, Interruption, check_order, check_record
from tests.domain.infusion_facts import cancelled, given, planned

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MINUTE, WEEK = timedelta(minutes=1), timedelta(days=7)
WHOLE = InfusionRecord(
    premedication_at=START - 30 * MINUTE,
    thawed_at=START,
    started_at=START,
    stopped_at=START + 40 * MINUTE,
    interruptions=(),
    volume_ml=Decimal(120),
    cells=Decimal(120_000_000),
)
NOTHING = InfusionRecord(
    premedication_at=None, thawed_at=None, started_at=None, stopped_at=None,
    interruptions=(), volume_ml=None, cells=None,
)  # fmt: skip
NOW = START + 40 * MINUTE


def pause(begin: int, end: int | None) -> Interruption:
    """Pause between two minutes after the start."""
    ended_at = None if end is None else START + end * MINUTE
    return Interruption(began_at=START + begin * MINUTE, ended_at=ended_at)


def faults(record: InfusionRecord, now: datetime = NOW) -> list[tuple[str, str]]:
    """Return code and place of every fault."""
    try:
        check_record(record, now)
    except DomainError as refusal:
        return [(reason.code, reason.pointer) for reason in refusal.reasons]
    return []


@pytest.mark.parametrize(
    "record",
    [
        WHOLE,
        NOTHING,
        replace(NOTHING, premedication_at=START, thawed_at=START),
        replace(WHOLE, premedication_at=START + MINUTE),
        replace(WHOLE, stopped_at=START),
        replace(WHOLE, stopped_at=None, interruptions=(pause(0, 5), pause(5, None))),
        replace(WHOLE, interruptions=(pause(0, 40),)),
        replace(WHOLE, interruptions=(pause(40, None),)),
    ],
)
def test_what_can_have_happened(record: InfusionRecord) -> None:
    """Instants may coincide, premedication may be late, and up to now counts as past."""
    assert faults(record) == []


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (replace(WHOLE, thawed_at=START + MINUTE), ("thawed_after_start", "/thawed_at")),
        (replace(WHOLE, stopped_at=START - MINUTE), ("stopped_before_start", "/stopped_at")),
        (replace(NOTHING, volume_ml=Decimal(0)), ("not_started", "/volume_ml")),
        (replace(NOTHING, cells=Decimal(1)), ("not_started", "/cells")),
        (replace(NOTHING, stopped_at=START), ("not_started", "/stopped_at")),
    ],
)
def test_one_fault_in_place(record: InfusionRecord, fault: tuple[str, str]) -> None:
    """Each impossible order and each amount without a start is named by its field."""
    assert faults(record) == [fault]


@pytest.mark.parametrize("name", ["premedication_at", "thawed_at", "started_at", "stopped_at"])
def test_the_future_has_not_happened(name: str) -> None:
    """One second after now is too late for any instant."""
    record = replace(NOTHING, started_at=START)
    late = replace(record, **{name: NOW + timedelta(seconds=1)})
    assert ("future_instant", f"/{name}") in faults(late)


@pytest.mark.parametrize(
    ("pauses", "place"),
    [
        ([pause(-1, 5)], 0),
        ([pause(5, 5)], 0),
        ([pause(30, 41)], 0),
        ([pause(41, None)], 0),
        ([pause(5, 10), pause(9, 12)], 1),
        ([pause(5, None), pause(10, 12)], 0),
    ],
)
def test_interruptions_lie_within_the_infusion(pauses: list[Interruption], place: int) -> None:
    """None begins early, ends late or backwards, overlaps another, or lasts into the next."""
    found = faults(replace(WHOLE, interruptions=pauses), NOW + 5 * MINUTE)
    assert found == [("interruption_out_of_order", f"/interruptions/{place}")]


def test_an_interruption_needs_a_start_and_the_past() -> None:
    """It is refused without a start, and when it ends after now."""
    unstarted = replace(NOTHING, interruptions=[pause(1, 2)])
    assert faults(unstarted) == [("not_started", "/interruptions")]
    running = replace(WHOLE, stopped_at=None, interruptions=[pause(1, 41)])
    assert faults(running) == [("future_instant", "/interruptions/0")]


FIRST_DAY = START.date()
SECOND = START + WEEK


@pytest.mark.parametrize(
    ("number", "started_at", "others", "code"),
    [
        (2, SECOND, [given(1, FIRST_DAY)], None),
        (2, SECOND, [cancelled(1, FIRST_DAY)], None),
        (1, START, [planned(1, FIRST_DAY), planned(2, FIRST_DAY + WEEK)], None),
        (2, None, [planned(1, FIRST_DAY)], None),
        (2, SECOND, [planned(1, FIRST_DAY)], "earlier_infusion_open"),
        (2, START, [given(1, FIRST_DAY)], "before_earlier_infusion"),
        (1, START, [given(2, FIRST_DAY)], "after_later_infusion"),
        (1, None, [given(2, FIRST_DAY)], "after_later_infusion"),
        (1, START - MINUTE, [given(2, FIRST_DAY)], None),
    ],
)
def test_infusions_start_in_the_order_of_their_numbers(
    number: int, started_at: datetime | None, others: list[Infusion], code: str | None
) -> None:
    """A later one waits for every earlier one that was not cancelled; equal times are no order."""
    if code is None:
        check_order(number, started_at, others)
        return
    with pytest.raises(DomainError) as refusal:
        check_order(number, started_at, others)
    assert refusal.value.code == code
