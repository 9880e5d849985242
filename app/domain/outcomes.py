"""Small-sample statistics of proportions and times: exact intervals and medians."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from enum import StrEnum
from math import comb

from app.domain.rules import rule_set

PRECISION = Context(prec=60)
"""Digits enough that rounding stays far below the decimals given, for n in the hundreds."""

PLACES = Decimal("1e-8")
"""The last decimal given; the trial reports two to four."""

_HALVINGS = 40


class ProportionInterval(StrEnum):
    """The method of a confidence interval for a rate (C38)."""

    CLOPPER_PEARSON = "clopper-pearson"


class SurvivalInterval(StrEnum):
    """The transformation of a confidence interval for a survival probability."""

    LOG_LOG = "log-log"


class SurvivalMedian(StrEnum):
    """How a median is read off a survival curve; common software disagrees in small samples."""

    SAS_MIDPOINT = "sas-midpoint"


@rule_set
class OutcomeRules:
    """How outcomes are summarised (C38)."""

    confidence: Decimal
    proportion_interval: ProportionInterval
    survival_interval: SurvivalInterval
    survival_median: SurvivalMedian

    def __post_init__(self) -> None:
        """Refuse a confidence that is not a probability below one."""
        check_confidence(self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval and the method that made it."""

    lower: Decimal
    upper: Decimal
    confidence: Decimal
    method: str


def check_confidence(confidence: Decimal) -> None:
    """Refuse a confidence outside (0, 1) with ValueError."""
    if not 0 < confidence < 1:
        raise ValueError("A confidence lies between 0 and 1, both excluded.")


def clopper_pearson(events: int, n: int, confidence: Decimal) -> Interval | None:
    """Give the exact two-sided interval of `events` out of `n`; None when n is 0.

    Both ends are rounded outwards to 8 decimals, so the coverage is never less than promised.
    Raises ValueError unless 0 <= events <= n and 0 < confidence < 1.
    Source: Clopper and Pearson, Biometrika 26 (1934) 404.
    """
    check_confidence(confidence)
    if not 0 <= events <= n:
        raise ValueError("Events are counted among n: 0 <= events <= n.")
    if n == 0:
        return None
    # The upper limit is the mirror image of the lower limit of the non-events.
    with localcontext(PRECISION):
        tail = (1 - confidence) / 2
        return Interval(
            lower=_lower_limit(events, n, tail).quantize(PLACES, rounding=ROUND_FLOOR),
            upper=(1 - _lower_limit(n - events, n, tail)).quantize(PLACES, rounding=ROUND_CEILING),
            confidence=confidence,
            method=ProportionInterval.CLOPPER_PEARSON.value,
        )


def _lower_limit(events: int, n: int, tail: Decimal) -> Decimal:
    """Bisect for the rate at which `events` or more out of `n` have the probability `tail`.

    The answer is never above the true limit.
    """
    if events == 0:
        return Decimal(0)
    if n == 1:
        return tail  # met exactly, where halving only comes close
    # Sum the tail with fewer terms; all terms are positive, so nothing cancels.
    sums_below = events <= n // 2
    terms = range(events) if sums_below else range(events, n + 1)
    coefficients = [Decimal(comb(n, count)) for count in terms]
    low, high = Decimal(0), Decimal(1)
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        odds = rate / (1 - rate)
        total = Decimal(0)
        for coefficient in reversed(coefficients):
            total = total * odds + coefficient
        share = total * odds ** terms[0] * (1 - rate) ** n
        if (1 - share if sums_below else share) <= tail:
            low = rate
        else:
            high = rate
    return low


def median(values: Iterable[Decimal | int]) -> Decimal | None:
    """Give the middle value, or the mean of the middle two; None without values."""
    ordered = sorted(Decimal(value) for value in values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
