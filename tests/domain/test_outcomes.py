"""Exact intervals of proportions against their definition and published values; medians."""

from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.outcomes import OutcomeRules, clopper_pearson, median
from tests.protocol_data import section

RULES = section("outcomes", OutcomeRules)
NARROW = Fraction(1, 10**8)
PROPORTIONS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n)),
)
CONFIDENCES = st.sampled_from([Decimal("0.8"), Decimal("0.9"), Decimal("0.95"), Decimal("0.99")])


def at_least(events: int, n: int, rate: Fraction) -> Fraction:
    """Give the exact probability of `events` or more out of n."""
    return sum(
        (comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(events, n + 1)), Fraction(0)
    )


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [
        (0, 3, "0", "0.7076"),
        (1, 6, "0.0042", "0.6412"),
        (3, 6, "0.1181", "0.8819"),
        (7, 15, "0.2127", "0.7341"),
        (8, 15, "0.2659", "0.7873"),
        (12, 24, "0.2912", "0.7088"),
    ],
)
def test_clopper_pearson_gives_published_values(events, n, lower, upper):
    """The intervals that the trial's own sample sizes lead to."""
    interval = clopper_pearson(events, n, RULES.confidence)
    found = [round(limit, 4) for limit in (interval.lower, interval.upper)]
    assert found == [Decimal(lower), Decimal(upper)]
    assert (interval.confidence, interval.method) == (Decimal("0.95"), "clopper-pearson")


def test_clopper_pearson_of_one_is_exact():
    """Of one participant the limit is the tail itself, to the last digit."""
    none, one = (clopper_pearson(events, 1, RULES.confidence) for events in (0, 1))
    assert (none.lower, none.upper) == (0, Decimal("0.975"))
    assert (one.lower, one.upper) == (Decimal("0.025"), 1)


def test_clopper_pearson_of_nobody_is_none():
    """Without subjects there is no interval, and no error."""
    assert clopper_pearson(0, 0, RULES.confidence) is None


@pytest.mark.parametrize(("events", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_clopper_pearson_refuses_impossible_counts(events, n):
    """Events are counted among the subjects."""
    with pytest.raises(ValueError, match="0 <= events <= n"):
        clopper_pearson(events, n, RULES.confidence)


@pytest.mark.parametrize("confidence", ["0", "1", "95"])
def test_confidence_lies_between_0_and_1(confidence):
    """A confidence in percent is a mistake, in a call and in a definition."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        clopper_pearson(1, 3, Decimal(confidence))
    with pytest.raises(ValueError, match="between 0 and 1"):
        OutcomeRules(
            confidence=Decimal(confidence),
            proportion_interval=RULES.proportion_interval,
            survival_interval=RULES.survival_interval,
            survival_median=RULES.survival_median,
        )


@settings(max_examples=60, deadline=None)
@given(PROPORTIONS, CONFIDENCES)
def test_limits_solve_the_defining_tail_equations(proportion, confidence):
    """Each limit leaves half of the remainder in its tail, and is rounded outwards by < 1e-8."""
    events, n = proportion
    interval = clopper_pearson(events, n, confidence)
    tail = (1 - Fraction(confidence)) / 2
    lower, upper = Fraction(interval.lower), Fraction(interval.upper)
    if events == 0:
        assert lower == 0
    else:
        assert at_least(events, n, lower) <= tail
        assert at_least(events, n, lower + 2 * NARROW) > tail
    if events == n:
        assert upper == 1
    else:
        assert 1 - at_least(events + 1, n, upper) <= tail
        assert 1 - at_least(events + 1, n, upper - 2 * NARROW) > tail


@settings(max_examples=60, deadline=None)
@given(PROPORTIONS, CONFIDENCES)
def test_intervals_mirror_contain_the_rate_and_grow_with_the_events(proportion, confidence):
    """Counting non-events mirrors the interval; one more event moves both ends up."""
    events, n = proportion
    interval = clopper_pearson(events, n, confidence)
    mirror = clopper_pearson(n - events, n, confidence)
    assert (interval.lower, interval.upper) == (1 - mirror.upper, 1 - mirror.lower)
    assert interval.lower <= Fraction(events, n) <= interval.upper
    wider = clopper_pearson(events, n, Decimal("0.995"))
    assert wider.lower <= interval.lower <= interval.upper <= wider.upper
    if events < n:
        more = clopper_pearson(events + 1, n, confidence)
        assert interval.lower < more.lower
        assert interval.upper < more.upper


@pytest.mark.parametrize("n", [1, 3, 6, 15, 24])
@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(3, 10), Fraction(1, 2)])
def test_coverage_is_never_less_than_promised(n, rate):
    """For every true rate the interval contains it with at least 95 % probability."""
    covered = Fraction(0)
    for events in range(n + 1):
        interval = clopper_pearson(events, n, RULES.confidence)
        if interval.lower <= rate <= interval.upper:
            covered += comb(n, events) * rate**events * (1 - rate) ** (n - events)
    assert covered >= Fraction(95, 100)


def test_large_trials_stay_exact():
    """Two hundred subjects: the tail equation still holds to eight decimals."""
    interval = clopper_pearson(120, 200, RULES.confidence)
    tail = Fraction(25, 1000)
    assert at_least(120, 200, Fraction(interval.lower)) <= tail
    assert at_least(120, 200, Fraction(interval.lower) + 2 * NARROW) > tail


def test_median_takes_the_middle_or_the_mean_of_the_middle_two():
    """An even number of times has two middle ones; none has no median."""
    assert median([14, 7, 21]) == 14
    assert median([7, 14]) == Decimal("10.5")
    assert median([Decimal("1.1"), Decimal("0.1"), 5, 9]) == Decimal("3.05")
    assert median([]) is None


@settings(max_examples=60)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_median_has_half_of_the_values_on_each_side(values):
    """At least half of the values are not above, and at least half not below."""
    middle = median(values)
    assert 2 * sum(value <= middle for value in values) >= len(values)
    assert 2 * sum(value >= middle for value in values) >= len(values)
