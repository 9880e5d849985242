"""Kaplan-Meier estimates with exact fractions, for the handful of subjects of an early trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from app.domain.outcomes import (
    PLACES,
    PRECISION,
    Interval,
    OutcomeRules,
)

_HALF = Fraction(1, 2)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalStep:
    """The curve from one observed time on; `survival` is rounded, `survival_exact` is not.

    `at_risk` counts those still followed just before `time`, including those censored at it. The
    interval is None where the estimate is 0 or 1, because log(-log S) does not exist there.
    """

    time: int
    at_risk: int
    events: int
    censored: int
    survival: Decimal
    survival_exact: str
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianTime:
    """The median time; `value` is None when it cannot be estimated. `rule` says how it was read."""

    value: Decimal | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalCurve:
    """A Kaplan-Meier estimate: one step per observed time, from a curve that starts at 1."""

    n: int
    events: int
    steps: tuple[SurvivalStep, ...]
    median: MedianTime


def kaplan_meier(times: Iterable[tuple[int, bool]], rules: OutcomeRules) -> SurvivalCurve:
    """Estimate a survival curve from (days, event) pairs, where False means censored.

    At one time events come before censorings. Raises ValueError for a negative time.
    """
    observed = list(times)
    if any(days < 0 for days, _ in observed):
        raise ValueError("A time to an event cannot be negative.")
    events = Counter(days for days, event in observed if event)
    censored = Counter(days for days, event in observed if not event)
    at_risk = len(observed)
    survival, variance = Fraction(1), Fraction(0)
    steps = []
    curve = []
    for time in sorted(events | censored):
        died = events[time]
        survival *= Fraction(at_risk - died, at_risk)
        if survival:
            variance += Fraction(died, at_risk * (at_risk - died))
        steps.append(
            SurvivalStep(
                time=time,
                at_risk=at_risk,
                events=died,
                censored=censored[time],
                survival=_rounded(_decimal(survival)),
                survival_exact=str(survival),
                interval=_log_log_interval(survival, variance, rules),
            )
        )
        curve.append((time, survival))
        at_risk -= died + censored[time]
    median = MedianTime(value=_median(curve), rule=rules.survival_median.value)
    return SurvivalCurve(n=len(observed), events=events.total(), steps=tuple(steps), median=median)


def _median(curve: list[tuple[int, Fraction]]) -> Decimal | None:
    """Read the median as SAS does: the first time with S below one half.

    Where S is exactly one half for a while, it is the midpoint of that stretch; a curve that never
    falls below one half has no median.
    """
    below = next((time for time, survival in curve if survival < _HALF), None)
    if below is None:
        return None
    reached = next(time for time, survival in curve if survival <= _HALF)
    return Decimal(reached + below) / 2


def _log_log_interval(
    survival: Fraction, variance: Fraction, rules: OutcomeRules
) -> Interval | None:
    """Give the interval S ** exp(-+ z * se), with se from Greenwood's sum over -log S.

    The sum is exact; logarithm, root and exponential carry 60 digits and the ends are rounded
    half-even to 8, so the ends stay within 0 and 1 and any two machines agree.
    """
    if survival in (0, 1):
        return None
    with localcontext(PRECISION):
        log = _decimal(survival).ln()
        error = _decimal(variance).sqrt() / -log
        reach = normal_quantile((1 + rules.confidence) / 2) * error
        return Interval(
            lower=_rounded((log * reach.exp()).exp()),
            upper=_rounded((log * (-reach).exp()).exp()),
            confidence=rules.confidence,
            method=rules.survival_interval.value,
        )


@lru_cache(maxsize=8)
def normal_quantile(probability: Decimal) -> Decimal:
    """Give the standard normal deviate below which `probability` lies, for 0.5 to 1 - 1e-15.

    Bisects the series of the distribution function to 20 decimals.
    """
    low, high = Decimal(0), Decimal(8)
    with localcontext(PRECISION):
        target = (probability - Decimal("0.5")) * (2 * _PI).sqrt()
        for _ in range(70):
            middle = (low + high) / 2
            if _central_area(middle) < target:
                low = middle
            else:
                high = middle
        return low


def _central_area(deviate: Decimal) -> Decimal:
    """Integrate exp(-x*x/2) from 0 to `deviate` by its series of positive terms."""
    square = deviate * deviate
    term = total = deviate
    odd = 1
    while term > Decimal("1e-50"):
        odd += 2
        term = term * square / odd
        total += term
    return total * (-square / 2).exp()


def _decimal(fraction: Fraction) -> Decimal:
    with localcontext(PRECISION):
        return Decimal(fraction.numerator) / Decimal(fraction.denominator)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(PLACES, rounding=ROUND_HALF_EVEN)
