"""The exact behaviour of the 3 + 3 design for assumed true DLT rates, in fractions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from math import comb
from operator import mul

from app.domain.errors import invalid
from app.domain.escalation_rules import Design

MAX_LEVELS = 10
_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCharacteristics:
    """One level: how often it is reached, filled again and selected, and what it costs.

    Selecting the top level means that the MTD was not exceeded.
    """

    level: str
    true_dlt_rate: Fraction
    p_reached: Fraction
    p_refilled: Fraction
    p_selected: Fraction
    expected_n: Fraction
    expected_dlts: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingCharacteristics:
    """The whole design; `p_none` and the levels' `p_selected` sum to exactly 1."""

    p_none: Fraction
    by_level: tuple[LevelCharacteristics, ...]
    expected_n: Fraction
    expected_dlts: Fraction
    design: Design
    rule: str


@dataclass(frozen=True, slots=True)
class _Odds:
    """What one level does, given that it is reached on the way up.

    It passes with a `single` cohort or a `double` one; `expands` is the chance of a second
    cohort, `stays` the chance that a level without DLT so far stays tolerated by a second one.
    """

    rate: Fraction
    single: Fraction
    double: Fraction
    expands: Fraction
    stays: Fraction


@dataclass(frozen=True, slots=True)
class _Path:
    """How likely one level is reached on the way up, refilled on the way down, and selected."""

    reached: Fraction
    refilled: Fraction
    selected: Fraction


def operating_characteristics(
    true_dlt_rates: Mapping[str, Decimal | Fraction], design: Design
) -> OperatingCharacteristics:
    """Compute what the design does if each level, lowest first, truly has this DLT rate.

    Cohorts are filled whole and every subject is evaluable. All numbers are exact; `rounded`
    makes decimals of them. Raises invalid for no level, more than 10, or a rate outside 0 to 1.
    """
    if not 1 <= len(true_dlt_rates) <= MAX_LEVELS:
        raise invalid("levels_out_of_range", f"Give between 1 and {MAX_LEVELS} levels.")
    if not all(0 <= rate <= 1 for rate in true_dlt_rates.values()):
        raise invalid("rate_out_of_range", "A DLT rate lies between 0 and 1.")
    top = len(true_dlt_rates) - 1
    odds = [
        _odds(Fraction(rate), design, both_cohorts=place == top and design.confirm_top_with_six)
        for place, rate in enumerate(true_dlt_rates.values())
    ]
    paths, none = _walk(odds, design)
    by_level = tuple(
        _characteristics(level, one, path, design.cohort_size)
        for level, one, path in zip(true_dlt_rates, odds, paths, strict=True)
    )
    return OperatingCharacteristics(
        p_none=none,
        by_level=by_level,
        expected_n=sum((level.expected_n for level in by_level), _ZERO),
        expected_dlts=sum((level.expected_dlts for level in by_level), _ZERO),
        design=design,
        rule=f"operating_characteristics.{design.variant}",
    )


def rounded(value: Fraction, places: int) -> Decimal:
    """Round an exact number to decimal places, half to even."""
    return Decimal(round(value * 10**places)).scaleb(-places)


def _odds(rate: Fraction, design: Design, *, both_cohorts: bool) -> _Odds:
    """Compute the chances of one level from the binomial distribution of its cohorts."""
    size, stop = design.cohort_size, design.stop_at_dlts
    cohort = [comb(size, dlts) * rate**dlts * (1 - rate) ** (size - dlts) for dlts in range(stop)]
    expanding = range(0 if both_cohorts else 1, stop)
    return _Odds(
        rate=rate,
        single=_ZERO if both_cohorts else cohort[0],
        double=sum((cohort[first] * sum(cohort[: stop - first]) for first in expanding), _ZERO),
        expands=sum((cohort[first] for first in expanding), _ZERO),
        stays=sum(cohort, _ZERO),
    )


def _walk(odds: list[_Odds], design: Design) -> tuple[list[_Path], Fraction]:
    """Follow all paths up and down; give each level's path and the chance that none is left.

    What a level did on the way up does not depend on what happened above it, so the way down
    needs only the share of passes that took one cohort.
    """
    reached = list(accumulate((one.single + one.double for one in odds), mul, initial=Fraction(1)))
    paths = [_Path(reached[-2], _ZERO, reached[-1])]
    falling = reached[-2] - reached[-1]
    for place in range(len(odds) - 2, -1, -1):
        one, passed = odds[place], reached[place + 1]
        alone = one.single / (one.single + one.double) if passed else _ZERO
        refilled = falling * alone if design.refill_lower_to_six else _ZERO
        lost = refilled * (1 - one.stays)
        paths.append(_Path(reached[place], refilled, falling - lost))
        falling = lost + reached[place] - passed
    return paths[::-1], falling


def _characteristics(level: str, odds: _Odds, path: _Path, cohort: int) -> LevelCharacteristics:
    """Put one level together; its DLTs follow from its subjects, each at the same risk."""
    expected_n = cohort * (path.reached * (1 + odds.expands) + path.refilled)
    return LevelCharacteristics(
        level=level,
        true_dlt_rate=odds.rate,
        p_reached=path.reached,
        p_refilled=path.refilled,
        p_selected=path.selected,
        expected_n=expected_n,
        expected_dlts=expected_n * odds.rate,
    )
