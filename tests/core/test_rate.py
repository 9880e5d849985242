"""Rates: a minute's allowance at once, then evenly, and a wait in whole seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.rate import MINUTE, SECOND, Rates


class Ticks:
    """A clock in nanoseconds that tests move."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        """Return the present reading."""
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    """The clock of the rates under test."""
    return Ticks()


@pytest.fixture
def rates(ticks: Ticks) -> Rates:
    """Rates on that clock."""
    return Rates(ticks)


@pytest.mark.parametrize("allowance", [1, 7, 600, 1_000_000])
def test_a_minutes_allowance_is_there_at_once(rates, allowance):
    """Exactly as many as a minute allows pass without a pause; the next one waits."""
    passed = min(allowance, 1000)
    assert [rates.take("a", allowance) for _ in range(passed)] == [0] * passed
    if passed == allowance:
        assert rates.take("a", allowance) >= 1


def test_the_wait_is_whole_seconds_rounded_up(rates, ticks):
    """At two a minute the third comes half a minute later, and not a moment sooner."""
    assert [rates.take("a", 2) for _ in range(3)] == [0, 0, 30]
    ticks.now += 30 * SECOND - 1
    assert rates.take("a", 2) == 1
    ticks.now += 1
    assert rates.take("a", 2) == 0
    assert rates.take("a", 2) == 30


def test_what_is_refused_costs_nothing(rates, ticks):
    """Asking again and again does not push the next chance away."""
    rates.take("a", 1)
    assert {rates.take("a", 1) for _ in range(100)} == {60}
    ticks.now += MINUTE
    assert rates.take("a", 1) == 0


def test_clients_do_not_use_up_one_anothers_allowance(rates):
    """Each client has its own."""
    assert rates.take("a", 1) == 0
    assert rates.take("b", 1) == 0
    assert rates.take("a", 1) == 60


def test_a_new_allowance_holds_at_once(rates):
    """A sender whose rate is raised need not wait for the old one."""
    rates.take("a", 1)
    assert rates.take("a", 1) == 60
    assert rates.take("a", 60) == 1


@given(
    allowance=st.integers(1, 50),
    pauses=st.lists(st.integers(0, 3 * SECOND), max_size=200),
)
def test_no_minute_holds_more_than_the_burst_and_the_refill(allowance, pauses):
    """In any time t at most the allowance and what refills in t pass; a wait is never too short."""
    ticks = Ticks()
    rates, began, passed = Rates(ticks), ticks.now, 0
    for pause in pauses:
        ticks.now += pause
        wait = rates.take("a", allowance)
        passed += wait == 0
        assert 0 <= wait <= 60
    # An interval is rounded down to a nanosecond, which may let one more through.
    refilled = (ticks.now - began) // (MINUTE // allowance)
    assert passed <= allowance + refilled + 1
    wait = rates.take("a", allowance)
    ticks.now += wait * SECOND
    assert wait == 0 or rates.take("a", allowance) == 0


def test_full_buckets_are_forgotten_and_empty_ones_are_not(rates, ticks, monkeypatch):
    """Many who come by once take no memory, and who waits does not get in by it."""
    monkeypatch.setattr(Rates, "MOST", 3)
    for name in "abc":
        rates.take(name, 1)
    ticks.now += MINUTE
    rates.take("d", 1)
    assert set(rates._full_at) == {"d"}
    assert rates.take("d", 1) == 60
