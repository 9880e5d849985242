"""Whether one numeric rule holds for one result: true, false, or unknown without more data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.ctcae.tables import Basis, Condition, Direction, Rule
from app.domain.quantities import Measurement, Relation, all_of, negate
from app.domain.units import EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingInput:
    """A result with what its grade depends on, all in the canonical unit of the analyte.

    `baseline_uln` is the upper limit that came with the baseline; without it the one of this
    result serves. `on_anticoagulant` is None when nobody recorded it. `origins` tells where a
    limit is from that did not come with the result, by its name in what a grade rests on.
    """

    measurement: Measurement
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    baseline_uln: Decimal | None = None
    on_anticoagulant: bool | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def baseline_abnormal(self) -> bool | None:
        """Tell whether the baseline was above its upper limit; a missing baseline was not."""
        if self.baseline is None:
            return False
        limit = self.uln if self.baseline_uln is None else self.baseline_uln
        return None if limit is None else self.baseline > limit

    def limit(self, direction: Direction) -> Decimal | None:
        """Give the reference limit on the bad side."""
        return self.lln if direction is Direction.LOW else self.uln

    def compare(self, relation: Relation, threshold: Decimal | None) -> bool | None:
        """Compare the value with a threshold that may be unknown."""
        return None if threshold is None else self.measurement.compare(relation, threshold)


def outcome(rule: Rule, given: GradingInput, *, clinical: bool) -> bool | None:
    """Tell whether a rule holds; `clinical` answers what only a clinician can know."""
    applies = _applies(rule, given, clinical=clinical)
    if applies is False:
        return False
    return all_of((applies, given.compare(rule.relation, threshold(rule, given))))


def threshold(rule: Rule, given: GradingInput) -> Decimal | None:
    """Give the number, exact and in the canonical unit, that the value is compared with.

    None when the reference limit or the baseline that it needs is missing.
    """
    return _THRESHOLDS[rule.basis](rule.number, given)


def _applies(rule: Rule, given: GradingInput, *, clinical: bool) -> bool | None:
    """Tell whether the condition is met; nothing is relative to a missing or zero baseline."""
    if rule.basis in _RELATIVE_TO_BASELINE and (given.baseline is None or given.baseline <= 0):
        return False
    if rule.condition is None:
        return True
    if rule.condition is Condition.SYMPTOMS:
        return clinical
    if rule.condition is Condition.ANTICOAGULATION and given.on_anticoagulant is None:
        return clinical
    return _RECORDED[rule.condition](given)


def _times(number: Decimal, quantity: Decimal | None) -> Decimal | None:
    return None if quantity is None else EXACT.multiply(number, quantity)


def _plus(number: Decimal, quantity: Decimal | None) -> Decimal | None:
    return None if quantity is None else EXACT.add(number, quantity)


def _changed_by(percent: Decimal, baseline: Decimal | None) -> Decimal | None:
    return _times(EXACT.scaleb(EXACT.add(Decimal(100), percent), Decimal(-2)), baseline)


_THRESHOLDS: dict[Basis, Callable[[Decimal, GradingInput], Decimal | None]] = {
    Basis.ABSOLUTE: lambda number, _: number,
    Basis.TIMES_LLN: lambda number, given: _times(number, given.lln),
    Basis.TIMES_ULN: lambda number, given: _times(number, given.uln),
    Basis.ABOVE_ULN: lambda number, given: _plus(number, given.uln),
    Basis.TIMES_BASELINE: lambda number, given: _times(number, given.baseline),
    Basis.PERCENT_CHANGE: lambda number, given: _changed_by(number, given.baseline),
    Basis.ABOVE_BASELINE: lambda number, given: _plus(number, given.baseline),
}
_RELATIVE_TO_BASELINE = (Basis.TIMES_BASELINE, Basis.PERCENT_CHANGE, Basis.ABOVE_BASELINE)
_RECORDED: dict[Condition, Callable[[GradingInput], bool | None]] = {
    Condition.BASELINE_NORMAL: lambda given: negate(given.baseline_abnormal),
    Condition.BASELINE_ABNORMAL: lambda given: given.baseline_abnormal,
    Condition.BELOW_LLN: lambda given: given.compare(Relation.LT, given.lln),
    Condition.OVER_BASELINE: lambda given: (
        given.baseline is None or given.compare(Relation.GT, given.baseline)
    ),
    Condition.ANTICOAGULATION: lambda given: given.on_anticoagulant,
}
