"""Kaplan-Meier curves: exact against a second method, their intervals and the SAS median."""

from decimal import Decimal
from fractions import Fraction
from math import erf, exp, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.outcomes import OutcomeRules
from app.domain.survival import kaplan_meier, normal_quantile
from tests.protocol_data import section

RULES = section("outcomes", OutcomeRules)
TIMES = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=10)


def median_of(*times):
    """Read the median; positive days are events, negative ones censored."""
    return kaplan_meier([(abs(days), days > 0) for days in times], RULES).median


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((7, 14, -21, -28), None),
        ((7, 14, 21, -28), "17.5"),
        ((7, 14, 21, 28), "17.5"),
        ((7, 14, -15, 21, -28), "21"),
        ((7, 14, 21), "14"),
        ((7, -14, -21), None),
        ((7, 14, -20, 21), "17.5"),
        ((-7, -14), None),
        ((5, 5, 5), "5"),
        ((), None),
    ],
)
def test_median_follows_the_rule_it_names(times, expected):
    """Below one half decides; a stretch at exactly one half gives its midpoint."""
    found = median_of(*times)
    assert found.value == (None if expected is None else Decimal(expected))
    assert found.rule == "sas-midpoint"


def test_steps_show_who_is_at_risk():
    """Events come before censorings at one time, so those censored then are still at risk."""
    curve = kaplan_meier([(7, True), (7, False), (14, True), (21, False)], RULES)
    assert [(s.time, s.at_risk, s.events, s.censored, s.survival_exact) for s in curve.steps] == [
        (7, 4, 1, 1, "3/4"),
        (14, 2, 1, 0, "3/8"),
        (21, 1, 0, 1, "3/8"),
    ]
    assert (curve.n, curve.events) == (4, 2)
    assert curve.steps[1].survival == Decimal("0.37500000")


def test_negative_time_is_refused():
    """A subject cannot respond before the time begins."""
    with pytest.raises(ValueError, match="negative"):
        kaplan_meier([(-1, True)], RULES)


def test_interval_has_no_value_where_the_estimate_is_0_or_1():
    """The transformation does not exist at the ends."""
    curve = kaplan_meier([(3, False), (5, True)], RULES)
    assert [(s.survival, s.interval) for s in curve.steps] == [(1, None), (0, None)]


def test_log_log_interval_gives_a_published_value():
    """Two of four gone: half survive, between 0.0578 and 0.8449."""
    interval = (
        kaplan_meier([(7, True), (14, True), (21, False), (28, False)], RULES).steps[1].interval
    )
    assert [round(x, 4) for x in (interval.lower, interval.upper)] == [
        Decimal("0.0578"),
        Decimal("0.8449"),
    ]
    assert (interval.method, interval.confidence) == ("log-log", Decimal("0.95"))


def redistribute(times):
    """Estimate by giving the weight of each censored subject to those who stay longer."""
    weights = [Fraction(1, len(times) or 1)] * len(times)
    order = sorted(range(len(times)), key=lambda i: (times[i][0], not times[i][1]))
    for position, subject in enumerate(order):
        day, event = times[subject]
        later = [x for x in order[position + 1 :] if times[x][0] > day]
        if not event and later:
            for heir in later:
                weights[heir] += weights[subject] / len(later)
            weights[subject] = Fraction(0)
    return {
        day: 1 - sum(w for w, (t, event) in zip(weights, times, strict=True) if event and t <= day)
        for day, _ in times
    }


@settings(max_examples=150)
@given(TIMES)
def test_curve_agrees_with_redistribution_to_the_right(times):
    """Efron's construction gives the same fractions by another way."""
    curve = kaplan_meier(times, RULES)
    found = {step.time: Fraction(step.survival_exact) for step in curve.steps}
    assert found == redistribute(times)
    assert sum(step.events + step.censored for step in curve.steps) == curve.n == len(times)


@settings(max_examples=100)
@given(TIMES)
def test_interval_agrees_with_its_formula_in_floating_point(times):
    """Greenwood's sum on the log-log scale, computed a second time without decimals."""
    survival, total = 1.0, 0.0
    for step in kaplan_meier(times, RULES).steps:
        survival *= 1 - step.events / step.at_risk
        if step.interval is None:
            assert step.survival in (0, 1)
            continue
        total += step.events / (step.at_risk * (step.at_risk - step.events))
        reach = 1.959963984540054 * sqrt(total) / -log(survival)
        assert float(step.interval.lower) == pytest.approx(survival ** exp(reach), abs=2e-8)
        assert float(step.interval.upper) == pytest.approx(survival ** exp(-reach), abs=2e-8)
        assert step.interval.lower <= step.survival <= step.interval.upper


@settings(max_examples=100)
@given(TIMES)
def test_median_splits_the_exact_curve(times):
    """Before the median at least half survive, from its next fall on fewer do."""
    curve = kaplan_meier(times, RULES)
    below = [s.time for s in curve.steps if Fraction(s.survival_exact) < Fraction(1, 2)]
    half = [s.time for s in curve.steps if Fraction(s.survival_exact) == Fraction(1, 2)]
    if not below:
        assert curve.median.value is None
    else:
        assert curve.median.value == Decimal(min(half + below) + min(below)) / 2


@pytest.mark.parametrize(
    ("probability", "expected"),
    [("0.5", "0"), ("0.975", "1.959963984540054"), ("0.95", "1.644853626951473")],
)
def test_normal_quantile_gives_known_values(probability, expected):
    """The deviates that tables print."""
    assert abs(normal_quantile(Decimal(probability)) - Decimal(expected)) < Decimal("1e-15")


@settings(max_examples=50)
@given(st.integers(500, 999))
def test_normal_quantile_inverts_the_distribution_function(permille):
    """Back through the distribution function comes the probability."""
    deviate = float(normal_quantile(Decimal(permille) / 1000))
    assert (1 + erf(deviate / sqrt(2))) / 2 == pytest.approx(permille / 1000, abs=1e-12)
