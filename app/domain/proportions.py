"""Shares of participants: events among n with the exact interval that the protocol names."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache

from app.domain.outcomes import PLACES, PRECISION, OutcomeRules, clopper_pearson


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """`events` among `n` participants; rate and limits are None when there is nobody."""

    events: int
    n: int
    rate: Decimal | None
    lower: Decimal | None
    upper: Decimal | None


@lru_cache(maxsize=2048)
def proportion(events: int, n: int, rules: OutcomeRules) -> Proportion:
    """Give the share of `events` among `n`, rounded half-even to 8 decimals (C38).

    Raises ValueError unless 0 <= events <= n.
    """
    interval = clopper_pearson(events, n, rules.confidence)
    rate = None
    if interval is not None:
        with localcontext(PRECISION):
            rate = (Decimal(events) / n).quantize(PLACES, rounding=ROUND_HALF_EVEN)
    return Proportion(
        events=events,
        n=n,
        rate=rate,
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
    )
