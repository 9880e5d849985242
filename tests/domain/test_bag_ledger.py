"""The ledger of a bag: volumes add up to nothing, corrections only add, checks count in order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.bag_ledger import (
    Account,
    BagMovement,
    account,
    bag_label,
    due,
    is_unchecked,
    precedes_allocation,
    share_out,
    to_book,
)
from app.domain.vocabulary import BagStatus, BagStep

START = datetime(2026, 6, 1, 2, tzinfo=UTC)
NONE = Decimal(0)
MILLILITRES = st.decimals(0, 500, places=3)
CONTENTS = st.lists(st.decimals("0.001", 200, places=3), min_size=1, max_size=5)
# A start with the volume not known yet, then every correction of it.
VOLUMES = st.lists(st.none() | MILLILITRES, min_size=1, max_size=6)


def millilitres(*values):
    """Write volumes."""
    return tuple(Decimal(value) for value in values)


@pytest.mark.parametrize(
    ("volume", "contents", "shares"),
    [
        (0, (100, 100), (0, 0)),
        ("99.999", (100, 100), ("99.999", 0)),
        (100, (100, 100), (100, 0)),
        ("100.001", (100, 100), (100, "0.001")),
        (120, (100, 100), (100, 20)),
        (200, (100, 100), (100, 100)),
        ("200.001", (100, 100), (100, "100.001")),
        (5, (), ()),
    ],
)
def test_one_bag_is_emptied_before_the_next(volume, contents, shares):
    """60 kg need 120 mL: all of the first bag and 20 mL of the second; the last takes the rest."""
    assert share_out(Decimal(volume), millilitres(*contents)) == millilitres(*shares)


@settings(max_examples=100)
@given(MILLILITRES, CONTENTS)
def test_shares_add_up_to_what_was_given(volume, contents):
    """No part of the volume is lost, and only the last bag can be charged beyond its content."""
    shares = share_out(volume, contents)
    assert sum(shares) == volume
    assert all(NONE <= share <= held for share, held in zip(shares[:-1], contents, strict=False))
    assert shares[-1] >= 0


@pytest.mark.parametrize(
    ("status", "share", "expected", "left"),
    [
        (BagStatus.AVAILABLE, None, (100, 0, 0), 100),
        (BagStatus.ALLOCATED, None, (100, 0, 0), 100),
        (BagStatus.INFUSED, None, (100, 0, 0), 100),
        (BagStatus.INFUSED, 0, (100, 0, 100), 0),
        (BagStatus.INFUSED, 20, (100, 20, 80), 0),
        (BagStatus.INFUSED, 100, (100, 100, 0), 0),
        (BagStatus.INFUSED, "100.001", (100, "100.001", 0), "-0.001"),
        (BagStatus.DISCARDED, None, (100, 0, 100), 0),
    ],
)
def test_what_an_account_should_read(status, share, expected, left):
    """A remainder is discarded, a bag is settled once the volume is known, an excess shows."""
    found = due(status, Decimal(100), None if share is None else Decimal(share))
    assert (found.filled_ml, found.infused_ml, found.discarded_ml) == millilitres(*expected)
    assert found.left_ml == Decimal(left)


def test_an_account_is_the_sum_of_its_lines():
    """What goes in counts as filled, what goes out by its step; other steps move nothing."""
    found = account(
        [
            (BagStep.REGISTERED, Decimal(100)),
            (BagStep.RECOUNTED, Decimal(-2)),
            (BagStep.ALLOCATED, NONE),
            (BagStep.CHECKED, NONE),
            (BagStep.INFUSED, Decimal(-20)),
            (BagStep.INFUSED, Decimal(-1)),
            (BagStep.REMAINDER_DISCARDED, Decimal(-77)),
        ]
    )
    assert found == Account(filled_ml=Decimal(98), infused_ml=Decimal(21), discarded_ml=Decimal(77))
    opened = account([(BagStep.OPENED, Decimal(100)), (BagStep.DISCARDED, Decimal(-100))])
    assert (opened.filled_ml, opened.discarded_ml, opened.left_ml) == millilitres(100, 100, 0)


def test_nothing_is_booked_twice():
    """An account that reads as it should takes no further line."""
    wanted = due(BagStatus.INFUSED, Decimal(100), Decimal(20))
    assert to_book(wanted, wanted, BagStatus.INFUSED) == {}


def test_a_discarded_bag_books_no_remainder():
    """What is thrown away with the whole bag is another step than the rest of a used one."""
    full = due(BagStatus.AVAILABLE, Decimal(100), None)
    thrown = due(BagStatus.DISCARDED, Decimal(100), None)
    assert to_book(full, thrown, BagStatus.DISCARDED) == {BagStep.DISCARDED: Decimal(-100)}


@settings(max_examples=100)
@given(CONTENTS, st.none() | MILLILITRES)
def test_a_bag_that_is_taken_back_gave_nothing(contents, volume):
    """Whatever was booked of it, its volume comes back by one line, and all of it is discarded."""
    shares = [None] * len(contents) if volume is None else share_out(volume, contents)
    for content, share in zip(contents, shares, strict=True):
        lines = [(BagStep.REGISTERED, content)]
        given = due(BagStatus.INFUSED, content, share)
        lines.extend(to_book(account(lines), given, BagStatus.INFUSED).items())
        wanted = due(BagStatus.DISCARDED, content, None)
        back = to_book(account(lines), wanted, BagStatus.DISCARDED)
        assert back.get(BagStep.INFUSION_RETRACTED, NONE) == (share or NONE)
        assert BagStep.INFUSED not in back
        lines.extend(back.items())
        assert account(lines) == wanted
        assert sum(gained for _, gained in lines) == 0


@settings(max_examples=100)
@given(CONTENTS, VOLUMES, st.decimals("0.001", 200, places=3))
def test_a_ledger_sums_to_zero_whatever_is_corrected(contents, volumes, recounted):
    """Volumes recorded, corrected and taken back, then a lot recounted: what is left is nothing.

    Whatever came before, the lines add up to the account of the last state; only what was given
    beyond all bags is left open, as a debt of the last one.
    """
    lines = [[(BagStep.REGISTERED, content)] for content in contents]
    states = [(volume, contents) for volume in volumes]
    states.append((volumes[-1], [recounted, *contents[1:]]))
    for volume, held in states:
        shares = [None] * len(held) if volume is None else share_out(volume, held)
        for ledger, content, share in zip(lines, held, shares, strict=True):
            wanted = due(BagStatus.INFUSED, content, share)
            ledger.extend(to_book(account(ledger), wanted, BagStatus.INFUSED).items())
            assert account(ledger) == wanted
        left = sum(volume for ledger in lines for _, volume in ledger)
        assert left == (sum(held) if volume is None else min(NONE, sum(held) - volume))


def test_a_label_reads_lot_and_bag():
    """The number of a bag is its lot's only, so the label names both."""
    assert bag_label("L-1", "B-2") == "L-1/B-2"


def step(step, infusion="1", status=BagStatus.ALLOCATED, minutes=None, recorded=None):
    """Write a step; `minutes` before the start a check was made, `recorded` a step entered."""
    return BagMovement(
        step=step,
        status_after=status,
        infusion_id=infusion,
        checked_at=None if minutes is None else START - timedelta(minutes=minutes),
        recorded_at=None if recorded is None else START - timedelta(minutes=recorded),
    )


REGISTERED = step(BagStep.REGISTERED, infusion=None, status=BagStatus.AVAILABLE)
ALLOCATED = step(BagStep.ALLOCATED)
ELSEWHERE = step(BagStep.ALLOCATED, infusion="2")
CHECKED = step(BagStep.CHECKED, minutes=5)
RETURNED = step(BagStep.RETURNED, status=BagStatus.AVAILABLE)
INFUSED = step(BagStep.INFUSED, status=BagStatus.INFUSED)
REMAINDER = step(BagStep.REMAINDER_DISCARDED, status=BagStatus.INFUSED)
LATE_ENTRY = step(BagStep.CHECKED, status=BagStatus.INFUSED, minutes=5)


@pytest.mark.parametrize(
    ("movements", "unchecked"),
    [
        ([REGISTERED, ALLOCATED, CHECKED, INFUSED, REMAINDER], False),
        ([REGISTERED, ALLOCATED, INFUSED], True),
        ([REGISTERED, ALLOCATED, INFUSED, LATE_ENTRY], False),
        ([ALLOCATED, CHECKED, RETURNED, ALLOCATED, INFUSED], True),
        ([ALLOCATED, CHECKED, RETURNED, ALLOCATED, CHECKED, INFUSED], False),
        ([ELSEWHERE, step(BagStep.CHECKED, infusion="2", minutes=5), ALLOCATED, INFUSED], True),
        ([step(BagStep.CHECKED, infusion="2", minutes=5), INFUSED], True),
        ([step(BagStep.OPENED, status=BagStatus.INFUSED), REMAINDER], False),
        ([step(BagStep.OPENED), INFUSED], True),
        ([step(BagStep.OPENED), CHECKED, INFUSED], False),
        ([INFUSED], True),
    ],
)
def test_a_check_counts_from_the_last_allocation_on(movements, unchecked):
    """Recorded before or after the start, but for this infusion and since the last allocation."""
    assert is_unchecked(movements, START) is unchecked


@pytest.mark.parametrize(("minutes", "unchecked"), [(1, False), (0, False), (-1, True)])
def test_a_check_after_the_start_does_not_count(minutes, unchecked):
    """In the minute of the start it still does."""
    checked = step(BagStep.CHECKED, minutes=minutes)
    assert is_unchecked([ALLOCATED, checked, INFUSED], START) is unchecked


@pytest.mark.parametrize(
    ("recorded", "minutes", "unchecked"),
    [(10, 11, True), (10, 10, False), (10, 9, False), (0, 1, True), (-1, 600, False)],
)
def test_a_check_before_the_allocation_does_not_count(recorded, minutes, unchecked):
    """Where the allocation was entered by the start: who entered it late checked at any time."""
    movements = [
        step(BagStep.ALLOCATED, recorded=recorded),
        step(BagStep.CHECKED, minutes=minutes),
        INFUSED,
    ]
    assert is_unchecked(movements, START) is unchecked


def test_one_check_in_time_is_enough():
    """A claim from before the allocation takes nothing from the check after it."""
    movements = [
        step(BagStep.ALLOCATED, recorded=10),
        step(BagStep.CHECKED, minutes=60),
        step(BagStep.CHECKED, minutes=5),
        INFUSED,
    ]
    assert is_unchecked(movements, START) is False


def test_an_allocation_counts_to_the_minute():
    """Who checks at once and writes down the minute has not checked too early."""
    allocated = START - timedelta(minutes=9, seconds=15)
    minute = START - timedelta(minutes=10)
    assert not precedes_allocation(minute, allocated, START)
    assert precedes_allocation(minute - timedelta(microseconds=1), allocated, START)
