"""Measured values: exact decimals with an optional comparator, compared in three-valued logic.

`True` and `False` are certain; `None` means that the data cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Comparator(StrEnum):
    """How a laboratory qualifies a number it could not measure (FHIR comparator)."""

    LT = "<"
    LE = "<="
    GE = ">="
    GT = ">"


class Relation(StrEnum):
    """The relation a rule tests; each rule names its own, because the record mixes them."""

    LT = "<"
    LE = "<="
    GE = ">="
    GT = ">"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value in the analyte's canonical unit; with a comparator it is only a bound."""

    value: Decimal
    comparator: Comparator | None = None

    def compare(self, relation: Relation, threshold: Decimal) -> bool | None:
        """Tell whether the true value stands in `relation` to `threshold`, or None if unknown."""
        if relation in (Relation.GE, Relation.GT):
            return negate(self.compare(_OPPOSITE[relation], threshold))
        inclusive = relation is Relation.LE
        if self.comparator is None:
            return self.value <= threshold if inclusive else self.value < threshold
        return self._bound_is_below(inclusive, threshold)

    def _bound_is_below(self, inclusive: bool, threshold: Decimal) -> bool | None:
        """Decide `true value < threshold` (or `<=`) from a one-sided bound."""
        bound = self.value
        if self.comparator in (Comparator.LT, Comparator.LE):
            reached = bound < threshold or (
                bound == threshold and (inclusive or self.comparator is Comparator.LT)
            )
            return True if reached else None
        excluded = bound > threshold or (
            bound == threshold and (not inclusive or self.comparator is Comparator.GT)
        )
        return False if excluded else None


_OPPOSITE = {Relation.GE: Relation.LT, Relation.GT: Relation.LE}


def negate(truth: bool | None) -> bool | None:
    """Kleene negation: unknown stays unknown."""
    return None if truth is None else not truth


def all_of(truths: Iterable[bool | None]) -> bool | None:
    """Kleene conjunction: one False decides, else one unknown makes it unknown."""
    seen = list(truths)
    if any(truth is False for truth in seen):
        return False
    return None if any(truth is None for truth in seen) else True


def any_of(truths: Iterable[bool | None]) -> bool | None:
    """Kleene disjunction: one True decides, else one unknown makes it unknown."""
    return negate(all_of(negate(truth) for truth in truths))
