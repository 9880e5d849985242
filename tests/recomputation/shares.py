"""Shares of participants with the exact interval of Clopper and Pearson, in whole numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any

PLACES = 8
GRID = 10**PLACES
Share = dict[str, Any]


def rounded(value: Fraction | Decimal) -> Decimal:
    """Round half to even to 8 decimals."""
    if isinstance(value, Fraction):
        # Half-even of the scaled fraction, which Python's round is, exactly.
        return Decimal(round(value * GRID)).scaleb(-PLACES)
    return value.quantize(Decimal(1).scaleb(-PLACES), ROUND_HALF_EVEN)


def share(events: int, n: int, confidence: Decimal, one_sided: bool = False) -> Share:
    """Give events among n, the rate and its limits; nobody has no rate."""
    if n == 0:
        return {"events": events, "n": 0, "rate": None, "lower": None, "upper": None}
    tail = (1 - Fraction(confidence)) / (1 if one_sided else 2)
    lower, upper = _limits(events, n, tail)
    return {
        "events": events,
        "n": n,
        "rate": rounded(Fraction(events, n)),
        "lower": lower,
        "upper": upper,
    }


@cache
def _limits(events: int, n: int, tail: Fraction) -> tuple[Decimal, Decimal]:
    """Find the limits on the grid of 8 decimals, each rounded away from the rate.

    Lower: the largest p at which `events` or more are no likelier than the tail. Upper: the
    smallest p at which `events` or fewer are.
    """
    low, high = 0, GRID
    if events > 0:
        # Invariant: at `low` the upper tail is at most the wanted one, at `high` it is more.
        while high - low > 1:
            middle = (low + high) // 2
            if _probability(events, n, n, middle) <= tail:
                low = middle
            else:
                high = middle
    lower = low
    low, high = 0, GRID
    if events < n:
        while high - low > 1:
            middle = (low + high) // 2
            if _probability(0, events, n, middle) <= tail:
                high = middle
            else:
                low = middle
    return Decimal(lower).scaleb(-PLACES), Decimal(high).scaleb(-PLACES)


def _probability(least: int, most: int, n: int, p: int) -> Fraction:
    """Sum the binomial probabilities of `least` to `most` among n at the rate p / GRID."""
    total = sum(comb(n, k) * p**k * (GRID - p) ** (n - k) for k in range(least, most + 1))
    return Fraction(total, GRID**n)
