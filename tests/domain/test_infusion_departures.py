"""What an infusion departs from: its amount, its premedication, the number that its level has."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.bag_ledger import Account
from app.domain.chain_of_identity import InfusedBag
from app.domain.deviations import Deviation, DeviationCode, DeviationRules, DeviationSeverity
from app.domain.dosing import DosingRules
from app.domain.facts import Infusion
from app.domain.infusion_departures import infusion_departures, volumes_beyond_bags
from app.domain.vocabulary import MedicationClass
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

RULES = section("deviations", DeviationRules)
DOSING = section("dosing", DosingRules)
FIRST = date(2026, 1, 5)
WEEK = timedelta(days=7)
NOTHING = {"volume_ml": Decimal(0), "cells": None}


def derive(*infusions: Infusion, level: str | None = "A") -> tuple[Deviation, ...]:
    """Derive what infusions depart from on a level."""
    return infusion_departures(
        infusions, None if level is None else DOSING.level(level), RULES, DOSING
    )


def keys(deviations: tuple[Deviation, ...]) -> list[str]:
    """List what was found."""
    return [deviation.key for deviation in deviations]


def test_an_infusion_as_planned_departs_from_nothing() -> None:
    """Nor does one that has not begun, and a subject without a level has none."""
    assert derive(given(1, FIRST)) == derive(planned(1, FIRST)) == derive(level=None) == ()
    assert derive(cancelled(1, FIRST)) == ()


@pytest.mark.parametrize(
    ("cells", "found"),
    [(107_999_999, True), (108_000_000, False), (132_000_000, False), (132_000_001, True)],
)
def test_dose_by_cells(cells: int, found: bool) -> None:
    """Ten percent more or less than planned is the dose, one cell beyond is not."""
    deviations = derive(replace(given(1, FIRST), cells=Decimal(cells)))
    assert keys(deviations) == (["dose_out_of_tolerance:1"] if found else [])
    if found:
        assert deviations[0].severity is DeviationSeverity.MAJOR
        assert "120,000,000" in deviations[0].sentence
    unknown = replace(given(1, FIRST), cells=Decimal(cells), volume_ml=None)
    assert keys(derive(unknown)) == keys(deviations)


@pytest.mark.parametrize(
    ("volume", "found"),
    [("12", True), ("107.9", True), ("108", False), ("132", False), ("132.1", True)],
)
@pytest.mark.parametrize("cells", [None, Decimal(120_000_000)])
def test_dose_by_volume(volume: str, found: bool, cells: Decimal | None) -> None:
    """The volume is held against the plan by itself, whether cells were counted or not."""
    stopped = replace(given(1, FIRST), cells=cells, volume_ml=Decimal(volume))
    deviations = derive(stopped)
    assert keys(deviations) == (["dose_out_of_tolerance:1"] if found else [])
    if found:
        expected = f"Infusion 1 gave {volume} mL instead of 120 mL."
        assert deviations[0].sentence == expected


def test_cells_and_volume_are_one_departure() -> None:
    """Both amounts are named; the dose of one infusion is one cause to write about."""
    half = replace(given(1, FIRST), cells=Decimal(60_000_000), volume_ml=Decimal("60.0"))
    assert derive(half) == (
        Deviation(
            key="dose_out_of_tolerance:1",
            code=DeviationCode.DOSE_OUT_OF_TOLERANCE,
            severity=DeviationSeverity.MAJOR,
            day=FIRST,
            sentence=(
                "Infusion 1 gave 60,000,000 cells instead of 120,000,000"
                " and 60 mL instead of 120 mL."
            ),
            evidence=("infusion-1",),
            rule="dosing.administered_tolerance_percent",
        ),
    )


@settings(max_examples=100, deadline=None)
@property_of(
    volume=st.none() | st.decimals(0, 300, places=1),
    cells=st.none() | st.integers(0, 300_000_000).map(Decimal),
)
def test_each_amount_counts_by_itself(volume: Decimal | None, cells: Decimal | None) -> None:
    """Whatever is recorded has to lie within 108 and 132 mL, and as many million cells."""
    found = derive(replace(given(1, FIRST), volume_ml=volume, cells=cells))
    short = volume is not None and not 108 <= volume <= 132
    few = cells is not None and not 108_000_000 <= cells <= 132_000_000
    assert keys(found) == (["dose_out_of_tolerance:1"] if short or few else [])


def test_a_start_that_gave_nothing_is_no_dose() -> None:
    """Called off it is made up for by another infusion; its premedication is looked at still."""
    empty = replace(given(1, FIRST), **NOTHING)
    assert [each.sentence for each in derive(empty)] == ["Infusion 1 gave 0 mL instead of 120 mL."]
    off = replace(empty, cancelled=True)
    assert derive(off) == ()
    assert keys(derive(replace(off, premedication_drug=None))) == ["premedication_missing:1"]


@pytest.mark.parametrize("volume", [Decimal(120), None, Decimal(0)])
@pytest.mark.parametrize(
    "change",
    [
        {"premedication_given_at": None},
        {"premedication_dose_mg": None},
        {"premedication_drug": None},
        {"premedication_drug": MedicationClass.OTHER},
    ],
)
def test_premedication_missing(
    change: dict[str, MedicationClass | None], volume: Decimal | None
) -> None:
    """Every infusion that began needs a complete record of it, whatever is known of the volume."""
    deviations = derive(replace(given(1, FIRST), volume_ml=volume, **change))
    (found,) = [each for each in deviations if each.code is not DeviationCode.DOSE_OUT_OF_TOLERANCE]
    assert (found.key, found.severity) == ("premedication_missing:1", DeviationSeverity.MAJOR)
    assert found.sentence == (
        "Before infusion 1 the record of dexamethasone is missing or incomplete."
    )
    assert found.rule == "dosing.premedication"


@pytest.mark.parametrize("dose", ["4.9", "5.1"])
def test_premedication_dose(dose: str) -> None:
    """Five milligrams are given, not less and not more."""
    infusion = replace(given(1, FIRST), premedication_dose_mg=Decimal(dose))
    assert keys(derive(infusion)) == ["premedication_dose:1"]
    same = replace(infusion, premedication_dose_mg=Decimal("5.0"))
    assert derive(same) == ()


@settings(max_examples=100, deadline=None)
@property_of(seconds=st.integers(min_value=-7200, max_value=7200) | st.sampled_from([1799, 1800]))
def test_premedication_time(seconds: int) -> None:
    """Thirty minutes ahead or more is in time, one second less is late."""
    infusion = given(1, FIRST)
    assert infusion.started_at is not None
    at = infusion.started_at - timedelta(seconds=seconds)
    found = keys(derive(replace(infusion, premedication_given_at=at)))
    assert found == (["premedication_late:1"] if seconds < 1800 else [])


@pytest.mark.parametrize(("hours", "found"), [(24, False), (25, True)])
def test_premedication_of_another_day_is_missing(hours: int, found: bool) -> None:
    """What was given over a day ahead was not given before this infusion."""
    infusion = given(1, FIRST)
    assert infusion.started_at is not None
    early = replace(infusion, premedication_given_at=infusion.started_at - timedelta(hours=hours))
    deviations = derive(early)
    assert keys(deviations) == (["premedication_missing:1"] if found else [])
    assert all("24 hours" in deviation.sentence for deviation in deviations)


def test_an_infusion_beyond_the_level() -> None:
    """One more than the level has is a major departure of the one that began last."""
    both = (given(1, FIRST), given(2, FIRST + WEEK))
    assert derive(*both, level="B") == derive(*both, level=None) == ()
    assert derive(*both) == (
        Deviation(
            key="infusion_beyond_level:2",
            code=DeviationCode.INFUSION_BEYOND_LEVEL,
            severity=DeviationSeverity.MAJOR,
            day=FIRST + WEEK,
            sentence="Infusion 2 was given beyond the 1 of level A.",
            evidence=("infusion-2",),
            rule="dosing.levels.A",
        ),
    )


@settings(max_examples=100, deadline=None)
@property_of(
    volumes=st.lists(st.none() | st.sampled_from([Decimal(0), Decimal(120)]), max_size=6),
    level=st.sampled_from(["A", "B", "C"]),
)
def test_what_may_have_entered_counts_against_the_level(
    volumes: list[Decimal | None], level: str
) -> None:
    """A start of unknown volume counts, one that gave nothing does not."""
    infusions = [
        replace(given(number, FIRST + number * WEEK), volume_ml=volume)
        for number, volume in enumerate(volumes, start=1)
    ]
    entered = [each.number for each in infusions if each.volume_ml != 0]
    beyond = entered[DOSING.level(level).planned_infusions :]
    found = derive(*infusions, level=level)
    assert [key for key in keys(found) if "beyond" in key] == [
        f"infusion_beyond_level:{number}" for number in beyond
    ]


@pytest.mark.parametrize(("infused", "found"), [("100", False), ("100.1", True), ("4900", True)])
def test_no_infusion_gives_more_than_its_bags_held(infused: str, found: bool) -> None:
    """Emptied bags are accounted for; a drop more is a departure that names what they held."""
    account = Account(filled_ml=Decimal(100), infused_ml=Decimal(100))
    first = InfusedBag(id="bag-1", label="L/1", account=account, unchecked=False)
    last = replace(first, id="bag-2", account=replace(account, infused_ml=Decimal(infused)))
    deviations = volumes_beyond_bags([(given(1, FIRST), [first, last])], RULES)
    assert keys(deviations) == (["volume_beyond_bags:1"] if found else [])
    for deviation in deviations:
        assert deviation.sentence == "Infusion 1 gave more than its bags' 200 mL."
        assert deviation.evidence == ("infusion-1", "bag-2")
        assert deviation.severity is DeviationSeverity.MAJOR
