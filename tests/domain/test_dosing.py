"""The dose of each level: worked examples, then the limits of every rule."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dosing import (
    DosingRules,
    VolumeRounding,
    calculate_dose,
    nominal_cells,
    viability_suffices,
    weight_change_needs_new_dose,
    within_administered_tolerance,
)
from app.domain.errors import DomainError, ErrorKind
from tests.protocol_data import section

RULES = section("dosing", DosingRules)

weights = st.decimals(min_value=20, max_value=300, places=2)


@pytest.mark.parametrize(
    ("weight", "volume", "bags", "waste"),
    [
        ("40", "80", 1, "20"),
        ("50", "100", 1, "0"),
        ("50.1", "100.2", 2, "99.8"),
        ("60", "120", 2, "80"),
        ("65.5", "131", 2, "69"),
        ("75", "150", 2, "50"),
        ("100", "200", 2, "0"),
        ("100.1", "200.2", 3, "99.8"),
    ],
)
def test_one_infusion(weight: str, volume: str, bags: int, waste: str) -> None:
    """Two millilitres and two million cells per kilogram, in as many bags as that needs."""
    dose = calculate_dose(Decimal(weight), "A", RULES).per_infusion
    assert dose.cells == Decimal(weight) * 2_000_000
    assert dose.volume_ml == Decimal(volume)
    assert dose.bags == bags
    assert dose.waste_volume_ml == Decimal(waste)


@pytest.mark.parametrize(("level", "infusions"), [("A", 1), ("B", 2), ("C", 4)])
def test_levels_differ_by_the_number_of_infusions(level: str, infusions: int) -> None:
    """Each infusion of a level is the same and opens its own bags."""
    dose = calculate_dose(Decimal(60), level, RULES)
    assert dose.planned_infusions == infusions
    assert dose.per_infusion == calculate_dose(Decimal(60), "A", RULES).per_infusion
    assert dose.cumulative.cells == Decimal(120_000_000) * infusions
    assert dose.cumulative.volume_ml == Decimal(120) * infusions
    assert dose.cumulative.bags == 2 * infusions
    assert dose.cumulative.waste_volume_ml == Decimal(80) * infusions


def test_calculation_names_its_inputs() -> None:
    """A dose can be recomputed from what the answer says."""
    dose = calculate_dose(Decimal("65.5"), "C", RULES)
    assert (dose.weight_kg, dose.weight_source, dose.dose_level) == (Decimal("65.5"), "actual", "C")
    assert (dose.bag_cells, dose.bag_volume_ml) == (Decimal(100_000_000), Decimal(100))
    assert (dose.cells_per_kg, dose.volume_rounding) == (Decimal(2_000_000), "none")
    assert dose.rule == "dosing.levels.C"


@settings(max_examples=200, deadline=None)
@given(weight=weights)
def test_bags_are_the_fewest_that_hold_the_dose(weight: Decimal) -> None:
    """One bag fewer would not do, at any weight."""
    dose = calculate_dose(weight, "A", RULES).per_infusion
    assert (dose.bags - 1) * 100 < dose.volume_ml <= dose.bags * 100
    assert dose.volume_ml + dose.waste_volume_ml == dose.bags * 100
    assert nominal_cells(dose.volume_ml, RULES) == dose.cells


@settings(max_examples=50, deadline=None)
@given(bags=st.integers(min_value=1, max_value=6))
def test_an_exact_multiple_opens_no_further_bag(bags: int) -> None:
    """Full bags are enough at exactly their content, and one gram more opens another."""
    weight = Decimal(50 * bags)
    assert calculate_dose(weight, "A", RULES).per_infusion.bags == bags
    if bags < 6:
        above = calculate_dose(weight + Decimal("0.001"), "A", RULES)
        assert above.per_infusion.bags == bags + 1


@pytest.mark.parametrize("weight", ["20", "300"])
def test_limits_of_a_plausible_weight_pass(weight: str) -> None:
    """Both limits are plausible."""
    assert calculate_dose(Decimal(weight), "A", RULES).weight_kg == Decimal(weight)


@pytest.mark.parametrize("weight", ["19.999", "300.001", "0", "-60", "NaN", "Infinity"])
def test_implausible_weight_is_refused(weight: str) -> None:
    """A weight outside the limits, or none at all, gives no dose."""
    with pytest.raises(DomainError) as refusal:
        calculate_dose(Decimal(weight), "A", RULES)
    assert refusal.value.kind is ErrorKind.INVALID
    assert refusal.value.code == "weight_implausible"
    assert weight not in refusal.value.message.split()


@pytest.mark.parametrize("level", ["D", "a", ""])
def test_unknown_level_is_refused(level: str) -> None:
    """There is no level of three infusions, nor any other that the record does not name."""
    with pytest.raises(DomainError) as refusal:
        calculate_dose(Decimal(60), level, RULES)
    assert refusal.value.code == "dose_level_unknown"
    assert "A, B, C" in refusal.value.message


def test_rounding_to_whole_millilitres() -> None:
    """Where a site can only measure millilitres, cells follow the rounded volume."""
    rules = replace(RULES, volume_rounding=VolumeRounding.WHOLE_ML)
    dose = calculate_dose(Decimal("50.1"), "A", rules).per_infusion
    assert (dose.volume_ml, dose.cells, dose.bags) == (Decimal(100), Decimal(100_000_000), 1)
    up = calculate_dose(Decimal("50.25"), "A", rules).per_infusion
    assert (up.volume_ml, up.bags, up.waste_volume_ml) == (Decimal(101), 2, Decimal(99))


@pytest.mark.parametrize(
    ("cells", "within"),
    [
        (108_000_000, True),
        (107_999_999, False),
        (132_000_000, True),
        (132_000_001, False),
        (120_000_000, True),
    ],
)
def test_administered_tolerance_includes_its_limits(cells: int, within: bool) -> None:
    """Ten percent more or less is still the dose."""
    planned = Decimal(120_000_000)
    assert within_administered_tolerance(planned, Decimal(cells), RULES) is within


@pytest.mark.parametrize(
    ("weight", "needed"), [("54", True), ("54.01", False), ("66", True), ("65.99", False)]
)
def test_weight_change_asks_for_a_new_dose_from_ten_percent(weight: str, needed: bool) -> None:
    """A change of exactly the trigger counts."""
    assert weight_change_needs_new_dose(Decimal(60), Decimal(weight), RULES) is needed


@pytest.mark.parametrize(("viability", "enough"), [("85", True), ("84.99", False), ("100", True)])
def test_viability_minimum_passes(viability: str, enough: bool) -> None:
    """A lot at exactly the minimum can be released."""
    assert viability_suffices(Decimal(viability), RULES) is enough


def test_rules_that_contradict_themselves_are_refused() -> None:
    """A ladder must climb with distinct names, and percentages, weights and bags must be real."""
    low, high = RULES.levels[0], RULES.levels[1]
    refused = [
        lambda: replace(RULES, levels=()),
        lambda: replace(RULES, levels=(high, low)),
        lambda: replace(RULES, levels=(low, replace(high, name=low.name))),
        lambda: replace(RULES, administered_tolerance_percent=Decimal(100)),
        lambda: replace(RULES, viability_minimum_percent=Decimal(101)),
        lambda: replace(low, planned_infusions=0),
        lambda: replace(RULES.weight, minimum_kg=Decimal(300)),
        lambda: replace(RULES.bag, cells=Decimal(0)),
        lambda: replace(RULES.premedication, late_tolerance_minutes=31),
    ]
    for build in refused:
        with pytest.raises(ValueError, match=r"must"):
            build()
