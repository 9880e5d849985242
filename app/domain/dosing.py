"""How many cells, millilitres and bags one infusion and one whole dose level mean for a weight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import pairwise

from app.domain.errors import invalid
from app.domain.rules import rule_set
from app.domain.vocabulary import MedicationClass


class WeightSource(StrEnum):
    """Which body weight the prescriber has to enter."""

    ACTUAL = "actual"
    IDEAL = "ideal"


class VolumeRounding(StrEnum):
    """How the volume is rounded; never to whole bags, which would miss the dose by up to 2/3."""

    NONE = "none"
    WHOLE_ML = "whole_ml"


MAX_INFUSIONS = 100


@rule_set
class DoseLevel:
    """One rung of the ladder: the dose that escalates is the number of weekly infusions (C5)."""

    name: str
    planned_infusions: int
    interval_days: int
    cells_per_kg: Decimal

    def __post_init__(self) -> None:
        """Refuse a level that gives nothing, or without end."""
        if self.planned_infusions < 1 or self.interval_days < 1 or self.cells_per_kg <= 0:
            raise ValueError(f"dose level {self.name} must give cells on distinct days")
        if self.planned_infusions > MAX_INFUSIONS:
            raise ValueError(f"dose level {self.name} must not have over {MAX_INFUSIONS} infusions")


@rule_set
class WeightRules:
    """The weight a dose rests on, in kg, and the change that asks for a new calculation."""

    source: WeightSource
    minimum_kg: Decimal
    maximum_kg: Decimal
    recalculation_percent: Decimal

    def __post_init__(self) -> None:
        """Refuse limits that no weight can meet."""
        if not 0 < self.minimum_kg < self.maximum_kg or self.recalculation_percent <= 0:
            raise ValueError("weight limits must be positive and ordered")


@rule_set
class BagRules:
    """What one bag holds (record: '100 ml and 1.0 × 10⁸ mesenchymal stem cells')."""

    cells: Decimal
    volume_ml: Decimal

    def __post_init__(self) -> None:
        """Refuse an empty bag."""
        if self.cells <= 0 or self.volume_ml <= 0:
            raise ValueError("a bag must hold cells in a volume")


@rule_set
class PremedicationRules:
    """What is given before every infusion (record: '5 mg dexamethasone before infusion').

    What was given more than `earliest_hours` ahead was not given before this infusion.
    """

    drug: MedicationClass
    dose_mg: Decimal
    minutes_before: int
    late_tolerance_minutes: int
    earliest_hours: int = 24

    def __post_init__(self) -> None:
        """Refuse a tolerance that would allow premedication after the start, or none before it."""
        if self.dose_mg <= 0 or not 0 <= self.late_tolerance_minutes <= self.minutes_before:
            raise ValueError("premedication must be a dose before the infusion")
        if self.earliest_hours * 60 < self.minutes_before:
            raise ValueError("premedication must be allowed when it is due")

    def is_too_early(self, given_at: datetime, started_at: datetime | None) -> bool:
        """Tell whether a dose was given so long ahead that it belongs to no infusion."""
        ahead = timedelta(hours=self.earliest_hours)
        return started_at is not None and started_at - given_at > ahead


@rule_set
class DosingRules:
    """Everything a dose rests on; `levels` are listed from the lowest to the highest.

    What begins within `reaction_hours` of an infusion's start may be a reaction to it.
    """

    levels: tuple[DoseLevel, ...]
    weight: WeightRules
    bag: BagRules
    volume_rounding: VolumeRounding
    administered_tolerance_percent: Decimal
    viability_minimum_percent: Decimal
    premedication: PremedicationRules
    reaction_hours: int = 24

    def __post_init__(self) -> None:
        """Refuse a ladder that does not climb, repeated names and impossible percentages."""
        totals = [level.cells_per_kg * level.planned_infusions for level in self.levels]
        if not totals or any(high <= low for low, high in pairwise(totals)):
            raise ValueError("dose levels must be listed from the lowest to the highest")
        if len({level.name for level in self.levels}) != len(self.levels):
            raise ValueError("dose levels must have different names")
        if not 0 <= self.administered_tolerance_percent < 100:
            raise ValueError("the administered tolerance must lie between 0 and 100 percent")
        if not 0 < self.viability_minimum_percent <= 100:
            raise ValueError("the minimum viability must lie between 0 and 100 percent")
        if self.reaction_hours < 1:
            raise ValueError("a reaction needs hours to begin in")

    def level(self, name: str) -> DoseLevel:
        """Find a dose level by name; raises DomainError (invalid) when there is none."""
        for level in self.levels:
            if level.name == name:
                return level
        known = ", ".join(level.name for level in self.levels)
        raise invalid(
            "dose_level_unknown", f"There is no such dose level; use one of {known}.", "/dose_level"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductAmount:
    """An amount of product; `waste_volume_ml` is what stays in the opened bags."""

    cells: Decimal
    volume_ml: Decimal
    bags: int
    waste_volume_ml: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCalculation:
    """The dose of one level for one weight, with the numbers it was computed from."""

    weight_kg: Decimal
    weight_source: WeightSource
    dose_level: str
    planned_infusions: int
    cells_per_kg: Decimal
    bag_cells: Decimal
    bag_volume_ml: Decimal
    volume_rounding: VolumeRounding
    per_infusion: ProductAmount
    cumulative: ProductAmount
    rule: str


def calculate_dose(weight_kg: Decimal, level: str, rules: DosingRules) -> DoseCalculation:
    """Compute the product for one infusion and for the whole level (C3 to C6).

    Raises DomainError (invalid) for an unknown level or a weight outside the plausible limits.
    """
    chosen = rules.level(level)
    check_weight(weight_kg, rules.weight)
    one = _infusion_amount(weight_kg * chosen.cells_per_kg, rules)
    times = chosen.planned_infusions
    return DoseCalculation(
        weight_kg=weight_kg,
        weight_source=rules.weight.source,
        dose_level=chosen.name,
        planned_infusions=times,
        cells_per_kg=chosen.cells_per_kg,
        bag_cells=rules.bag.cells,
        bag_volume_ml=rules.bag.volume_ml,
        volume_rounding=rules.volume_rounding,
        per_infusion=one,
        # Each infusion opens its own bags: a thawed remainder is never kept for the next week.
        cumulative=ProductAmount(
            cells=one.cells * times,
            volume_ml=one.volume_ml * times,
            bags=one.bags * times,
            waste_volume_ml=one.waste_volume_ml * times,
        ),
        rule=f"dosing.levels.{chosen.name}",
    )


def nominal_cells(volume_ml: Decimal, rules: DosingRules) -> Decimal:
    """Convert a volume of product into cells at the nominal content of a bag."""
    return volume_ml * rules.bag.cells / rules.bag.volume_ml


def nominal_volume_ml(cells: Decimal, rules: DosingRules) -> Decimal:
    """Convert cells into a volume of product at the nominal content of a bag."""
    return cells * rules.bag.volume_ml / rules.bag.cells


def weight_change_needs_new_dose(
    dosed_weight_kg: Decimal, current_weight_kg: Decimal, rules: DosingRules
) -> bool:
    """Tell whether the weight moved by the trigger or more since the dose was calculated (C6)."""
    change = abs(current_weight_kg - dosed_weight_kg)
    return change * 100 >= rules.weight.recalculation_percent * dosed_weight_kg


def within_administered_tolerance(
    planned_cells: Decimal, administered_cells: Decimal, rules: DosingRules
) -> bool:
    """Tell whether the cells given lie within the tolerance around the plan, limits included."""
    difference = abs(administered_cells - planned_cells)
    return difference * 100 <= rules.administered_tolerance_percent * planned_cells


def viability_suffices(viability_percent: Decimal, rules: DosingRules) -> bool:
    """Tell whether a lot's viability reaches the release minimum, which itself passes."""
    return viability_percent >= rules.viability_minimum_percent


def check_weight(weight_kg: Decimal, rules: WeightRules) -> None:
    """Refuse a weight that nobody in the trial can have; raise invalid."""
    if not weight_kg.is_finite() or not rules.minimum_kg <= weight_kg <= rules.maximum_kg:
        raise invalid(
            "weight_implausible",
            f"The weight must lie between {rules.minimum_kg} and {rules.maximum_kg} kg; "
            "weigh again or check the unit.",
            "/weight_kg",
        )


def _infusion_amount(cells: Decimal, rules: DosingRules) -> ProductAmount:
    bag = rules.bag
    volume = nominal_volume_ml(cells, rules)
    if rules.volume_rounding is VolumeRounding.WHOLE_ML:
        volume = volume.quantize(Decimal(1), rounding=ROUND_HALF_UP)
        cells = nominal_cells(volume, rules)
    full_bags, rest = divmod(volume, bag.volume_ml)
    bags = int(full_bags) + (1 if rest > 0 else 0)
    return ProductAmount(
        cells=cells,
        volume_ml=volume,
        bags=bags,
        waste_volume_ml=bags * bag.volume_ml - volume,
    )
