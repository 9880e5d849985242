"""Blood counts of one lineage: the baseline, and one test per local date with what it meets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

from app.domain.facts import LabResult
from app.domain.quantities import Comparator, Measurement, all_of, any_of, negate
from app.domain.response_flags import (
    Exposures,
    Flag,
    flag_baseline,
    flag_result,
    merge_flags,
    transfused_within,
)
from app.domain.response_rules import Criterion, LineageCriteria, ResponseRules, SameDayRule
from app.domain.response_treatment import Treatment
from app.domain.vocabulary import USABLE_LAB_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The last valid value before the first infusion began; with a comparator only a bound (C18).

    `evaluable` tells whether it lies below the CR limit; None if the bound cannot tell.
    """

    value: Decimal
    comparator: Comparator | None
    day: date
    age_days: int
    evaluable: bool | None
    evidence: tuple[str, ...]
    flags: tuple[Flag, ...]
    rule: str = "response.baseline"

    @property
    def measurement(self) -> Measurement:
        """Give value and comparator as one measurement."""
        return Measurement(self.value, self.comparator)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageTest:
    """One local date of one lineage: its value, and whether it meets CR and PR (None: unknown)."""

    day: date
    value: Decimal
    comparator: Comparator | None
    cr: bool | None
    pr: bool | None
    evidence: tuple[str, ...]
    flags: tuple[Flag, ...]

    def meets(self, criterion: Criterion) -> bool | None:
        """Tell whether this date meets a criterion; None if the data cannot tell."""
        if criterion is Criterion.OR:
            return any_of((self.cr, self.pr))
        return self.cr if criterion is Criterion.CR else self.pr


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A valid result of a lineage's analyte together with its measured value."""

    result: LabResult
    measurement: Measurement


def valid_counts(criteria: LineageCriteria, labs: tuple[LabResult, ...]) -> tuple[Count, ...]:
    """Keep final, corrected and amended numbers of the lineage's analyte, by time."""
    return usable_counts(entry for entry in labs if entry.analyte == criteria.analyte)


def usable_counts(labs: Iterable[LabResult]) -> tuple[Count, ...]:
    """Keep final, corrected and amended numbers, by time."""
    counts = (
        Count(result=entry, measurement=entry.measurement)
        for entry in labs
        if entry.status in USABLE_LAB_STATUSES and entry.measurement is not None
    )
    return tuple(
        sorted(counts, key=lambda entry: (entry.result.day, entry.result.at, entry.result.id))
    )


def find_baseline(
    criteria: LineageCriteria,
    counts: tuple[Count, ...],
    treatment: Treatment,
    exposures: Exposures,
    rules: ResponseRules,
) -> Baseline | None:
    """Take the last count before the first infusion began.

    Of several at one instant the highest is taken, because it never makes a response easier.
    """
    before = (entry for entry in counts if treatment.is_after(entry.result.at, entry.result.day))
    products = rules.transfusion_products
    blood = [entry for entry in exposures.transfusions if entry.product in products]
    latest_first = sorted(
        before,
        key=lambda entry: (entry.result.at, entry.measurement.value, entry.result.id),
        reverse=True,
    )
    for count in latest_first:
        day = count.result.day
        transfused = transfused_within(blood, day, day, rules.transfusion_free_days)
        if not (transfused and rules.baseline_exclude_transfused):
            age_days = (treatment.first_day - day).days
            flags = (
                flag_baseline(count.measurement, age_days, transfused, rules),
                flag_result(criteria.lineage, count.result, exposures, rules.confounders),
            )
            return _baseline(criteria, count, age_days, merge_flags(flags))
    return None


def _baseline(
    criteria: LineageCriteria, count: Count, age_days: int, flags: tuple[Flag, ...]
) -> Baseline:
    return Baseline(
        value=count.measurement.value,
        comparator=count.measurement.comparator,
        day=count.result.day,
        age_days=age_days,
        evaluable=negate(criteria.cr.met_by(count.measurement)),
        evidence=(count.result.id,),
        flags=flags,
    )


def list_tests(
    criteria: LineageCriteria,
    counts: tuple[Count, ...],
    baseline: Baseline | None,
    exposures: Exposures,
    rules: ResponseRules,
) -> Iterator[LineageTest]:
    """Make one test of each local date, so that two tests are always two specimens (C14)."""
    for day, used in counts_by_day(counts, rules.same_day_rule):
        lowest = lowest_of(used)
        yield LineageTest(
            day=day,
            value=lowest.value,
            comparator=lowest.comparator,
            # The lowest value reaches a lower limit exactly when every value of the day does;
            # said this way it also holds for values that are only a bound.
            cr=all_of(criteria.cr.met_by(entry.measurement) for entry in used),
            pr=all_of(_increase_met(criteria, entry.measurement, baseline) for entry in used),
            evidence=tuple(entry.result.id for entry in used),
            flags=merge_flags(
                flag_result(criteria.lineage, entry.result, exposures, rules.confounders)
                for entry in used
            ),
        )


def counts_by_day(counts: Iterable[Count], rule: SameDayRule) -> Iterator[tuple[date, list[Count]]]:
    """Give each local date with the counts that its value rests on; the counts come by time."""
    for day, same_day in groupby(counts, key=lambda entry: entry.result.day):
        used = list(same_day)
        yield day, used[-1:] if rule is SameDayRule.LATEST else used


def lowest_of(used: Iterable[Count]) -> Measurement:
    """Give the value of a local date: the lowest of the counts that it rests on."""
    return min((entry.measurement for entry in used), key=_display_order)


_COMPARATOR_ORDER = (Comparator.LT, Comparator.LE, None, Comparator.GE, Comparator.GT)


def _display_order(measurement: Measurement) -> tuple[Decimal, int]:
    return measurement.value, _COMPARATOR_ORDER.index(measurement.comparator)


def _increase_met(
    criteria: LineageCriteria, measurement: Measurement, baseline: Baseline | None
) -> bool | None:
    difference = increase(measurement, baseline.measurement) if baseline else None
    return criteria.pr.met_by(difference) if difference else None


_MIRRORED = {
    None: None,
    Comparator.LT: Comparator.GT,
    Comparator.LE: Comparator.GE,
    Comparator.GE: Comparator.LE,
    Comparator.GT: Comparator.LT,
}


def increase(measurement: Measurement, baseline: Measurement) -> Measurement | None:
    """Subtract a baseline as far as both bounds allow; None if they say nothing about it.

    A baseline below 0.1 makes the increase more than `value - 0.1`: its bound is used (C18).
    """
    difference = measurement.value - baseline.value
    sides = {measurement.comparator, _MIRRORED[baseline.comparator]} - {None}
    lower_bounds = sides & {Comparator.GT, Comparator.GE}
    if lower_bounds and lower_bounds != sides:
        return None
    strict = sides & {Comparator.LT, Comparator.GT}
    return Measurement(difference, next(iter(strict or sides), None))
