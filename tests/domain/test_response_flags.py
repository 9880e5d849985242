"""Confounder flags at each of their limits; they never change what a test meets."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.response_flags import Confounder, Flag
from app.domain.vocabulary import Lineage, MedicationClass
from tests.domain.response_cases import (
    RULES,
    infusion,
    lab,
    lineage_of,
    medication,
    moment,
    respond,
    series,
    transfusion,
)

ANC, PLT, HGB = Lineage.NEUTROPHIL, Lineage.PLATELET, Lineage.HEMOGLOBIN
ANALYTES = {ANC: "ANC", PLT: "PLT", HGB: "HGB"}


def flags_of_test(*groups, lineage=ANC, on_day=30, hour=8, **options):
    """Flag one count of a lineage on a day."""
    count = lab(ANALYTES[lineage], on_day, "50", hour=hour)
    (test,) = lineage_of(respond(count, *groups, **options), lineage).tests
    return test.flags


@pytest.mark.parametrize(
    ("code", "lineage", "limit"),
    [
        ("g_csf", ANC, 7),
        ("pegylated_g_csf", ANC, 14),
        ("tpo_receptor_agonist", PLT, 7),
        ("tpo_receptor_agonist", ANC, 7),
        ("tpo_receptor_agonist", HGB, 7),
        ("erythropoietin", HGB, 14),
    ],
)
def test_growth_factor_is_flagged_up_to_its_limit(code, lineage, limit):
    """A single dose is flagged through the last day of its window and not after."""
    flag = Flag(MedicationClass(code), (f"{code}{30 - limit}",))
    assert flags_of_test(medication(code, 30 - limit), lineage=lineage) == (flag,)
    assert flags_of_test(medication(code, 29 - limit), lineage=lineage) == ()


@pytest.mark.parametrize(
    ("code", "lineage"), [("g_csf", PLT), ("g_csf", HGB), ("erythropoietin", ANC)]
)
def test_growth_factor_of_another_lineage_is_not_flagged(code, lineage):
    """G-CSF says nothing about platelets, nor erythropoietin about neutrophils."""
    assert flags_of_test(medication(code, 29), lineage=lineage) == ()


def test_course_is_flagged_from_its_end():
    """A course that ended 7 days before is flagged, one day longer ago is not."""
    assert flags_of_test(medication("g_csf", 1, end=23))
    assert flags_of_test(medication("g_csf", 1, end=22)) == ()
    assert flags_of_test(medication("g_csf", 1, ongoing=True))


def test_dose_after_the_test_is_not_flagged():
    """A dose later on the same day cannot have moved the count."""
    assert flags_of_test(medication("g_csf", 30, hour=9)) == ()
    assert flags_of_test(medication("g_csf", 30, hour=8))
    assert flags_of_test(medication("dexamethasone", 30, hour=9)) == ()


def test_dexamethasone_is_flagged_for_72_hours():
    """Demargination lasts up to 72 hours, to the minute."""
    flag = Flag(MedicationClass.DEXAMETHASONE, ("dexamethasone27",))
    assert flags_of_test(medication("dexamethasone", 27, hour=8)) == (flag,)
    assert flags_of_test(medication("dexamethasone", 27, hour=7)) == ()
    assert flags_of_test(medication("dexamethasone", 30, hour=8))
    assert flags_of_test(medication("dexamethasone", 29), lineage=PLT) == ()


def test_dexamethasone_course_is_counted_by_days():
    """A course without an instant of its last dose is flagged for three days after its end."""
    assert flags_of_test(medication("dexamethasone", 1, end=27))
    assert flags_of_test(medication("dexamethasone", 1, end=26)) == ()
    assert flags_of_test(medication("dexamethasone", 1, ongoing=True))
    rules = replace(RULES, confounders=replace(RULES.confounders, dexamethasone_hours=36))
    assert flags_of_test(medication("dexamethasone", 1, end=28), rules=rules)
    assert flags_of_test(medication("dexamethasone", 1, end=27), rules=rules) == ()


def test_window_of_no_days_is_the_day_of_the_dose():
    """With a window of 0 days, only a dose on the day of the test and before it is flagged."""
    entry = replace(RULES.confounders.medications[0], within_days=0)
    rules = replace(RULES, confounders=replace(RULES.confounders, medications=(entry,)))
    assert flags_of_test(medication("g_csf", 30, hour=7), rules=rules)
    assert flags_of_test(medication("g_csf", 29), rules=rules) == ()


def test_premedication_is_dexamethasone():
    """Each infusion's premedication is flagged at a count within 72 hours after it (C20)."""
    given = (replace(infusion(1, 0), premedication_given_at=moment(0, 11)),)
    flag = Flag(MedicationClass.DEXAMETHASONE, ("inf1",))
    assert flags_of_test(infusions=given, on_day=3, hour=11) == (flag,)
    assert flags_of_test(infusions=given, on_day=3, hour=12) == ()
    assert (
        lineage_of(respond(lab("ANC", 0, "0.3", hour=10), infusions=given), ANC).baseline.flags
        == ()
    )


@pytest.mark.parametrize("volume", [None, Decimal(0)])
def test_premedication_counts_without_the_infusion(volume):
    """Dexamethasone was given, though no product followed it or nobody filed how much."""
    dry = replace(infusion(2, 7), volume_ml=volume, premedication_given_at=moment(7, 11))
    flag = Flag(MedicationClass.DEXAMETHASONE, ("inf2",))
    options = {"infusions": (infusion(1, 0), dry), "planned": 2}
    assert flags_of_test(on_day=10, hour=11, **options) == (flag,)
    assert flags_of_test(on_day=10, hour=12, **options) == ()


@pytest.mark.parametrize(("hour", "flagged"), [(10, False), (11, True), (20, True)])
def test_premedication_later_on_the_day_of_a_count_is_not_flagged(hour, flagged):
    """A weekly count is usually drawn before that week's premedication."""
    second = replace(infusion(2, 7), premedication_given_at=moment(7, 11))
    options = {"infusions": (infusion(1, 0), second), "planned": 2}
    assert bool(flags_of_test(on_day=7, hour=hour, **options)) is flagged


def test_granulocyte_transfusion_is_flagged_at_neutrophils():
    """Granulocytes given within 7 days may be what is counted."""
    flag = Flag(Confounder.GRANULOCYTE_TRANSFUSION, ("granulocytes24",))
    assert flags_of_test(transfusion(24, "granulocytes")) == (flag,)
    assert flags_of_test(transfusion(23, "granulocytes")) == ()
    assert flags_of_test(transfusion(31, "granulocytes")) == ()
    assert flags_of_test(transfusion(24, "platelets")) == ()
    assert flags_of_test(transfusion(24, "granulocytes"), lineage=PLT) == ()


@pytest.mark.parametrize(("number", "flagged"), [(-8, False), (-7, True), (-1, True), (0, False)])
def test_transfused_baseline_is_flagged(number, flagged):
    """A transfusion less than 7 days before the baseline, or on its day, is flagged (C18)."""
    response = respond(lab("PLT", -1, "12"), transfusion(number, hour=20))
    flags = lineage_of(response, PLT).baseline.flags
    expected = (Flag(Confounder.TRANSFUSED_BASELINE, (f"red_cells{number}",)),)
    assert flags == (expected if flagged else ())


def test_old_and_bounded_baselines_are_flagged():
    """Older than 7 days before the first infusion, or only a bound."""
    old = lineage_of(respond(lab("ANC", -8, "<0.1")), ANC).baseline
    assert [flag.code for flag in old.flags] == [
        Confounder.OLD_BASELINE,
        Confounder.COMPARATOR_BASELINE,
    ]
    assert lineage_of(respond(lab("ANC", -7, "0.1")), ANC).baseline.flags == ()


def test_flags_reach_the_episode_but_change_nothing():
    """A response under G-CSF stays a response; the episode says what it rests on."""
    labs = series("ANC", {-1: "<0.1", 20: "1.0", 30: "1.1"})
    plain = lineage_of(respond(labs), ANC)
    under = lineage_of(respond(labs, medication("g_csf", 29)), ANC)
    (episode,) = under.partial.episodes
    assert [flag.code for flag in episode.flags] == ["comparator_baseline", "g_csf"]
    assert [test.pr for test in under.tests] == [test.pr for test in plain.tests]
    assert under.time_to_response == plain.time_to_response
    assert [flag.code for flag in plain.partial.episodes[0].flags] == ["comparator_baseline"]
