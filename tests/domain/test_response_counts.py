"""Baselines and tests: which values count, which are only bounds, and what they meet."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.quantities import Comparator, Measurement, Relation
from app.domain.response_counts import increase
from app.domain.response_rules import SameDayRule
from app.domain.vocabulary import LabStatus, Lineage
from tests.domain.response_cases import (
    RULES,
    infusion,
    lab,
    lineage_of,
    measurement,
    respond,
    series,
    spans,
    transfusion,
)

ANC, PLT, HGB = Lineage.NEUTROPHIL, Lineage.PLATELET, Lineage.HEMOGLOBIN


def baseline(*groups, lineage=ANC, **options):
    """Derive one lineage's baseline."""
    return lineage_of(respond(*groups, **options), lineage).baseline


def test_baseline_is_the_last_value_before_the_first_infusion_starts():
    """A value in the morning of the infusion day counts, one after its start does not."""
    chosen = baseline(
        lab("ANC", -3, "0.2"), lab("ANC", 0, "0.4", hour=11), lab("ANC", 0, "0.9", hour=13)
    )
    assert (chosen.value, chosen.evidence, chosen.age_days) == (Decimal("0.4"), ("ANC0",), 0)


def test_value_at_the_start_or_later_that_day_is_neither_baseline_nor_test():
    """The start instant itself is no longer before, and day 0 is not after the baseline date."""
    response = respond(lab("ANC", 0, "0.9", hour=12), lab("ANC", 0, "1.9", hour=15))
    lineage = lineage_of(response, ANC)
    assert (lineage.baseline, lineage.tests) == (None, ())


def test_without_an_instant_of_infusion_its_whole_day_is_left_out():
    """If the start is unknown, only values of earlier days are surely before it."""
    unknown = (replace(infusion(1, 0), started_at=None),)
    labs = series("ANC", {-1: "0.3", 0: "0.4"})
    assert baseline(labs, infusions=unknown).value == Decimal("0.3")


def test_first_of_two_infusions_on_one_day_counts_by_its_earliest_known_start():
    """Two infusions on one day: the earlier start bounds the baseline, an unknown one the day."""
    later = replace(infusion(2, 0), started_at=infusion(1, 0).started_at.replace(hour=9))
    labs = (lab("ANC", -1, "0.3"), lab("ANC", 0, "0.4", hour=10))
    assert baseline(labs, infusions=(infusion(1, 0), later)).value == Decimal("0.3")
    unknown = replace(later, started_at=None)
    early = (lab("ANC", -1, "0.3"), lab("ANC", 0, "0.4", hour=7))
    assert baseline(early, infusions=(infusion(1, 0), unknown)).value == Decimal("0.3")


def test_of_two_values_at_one_instant_the_higher_is_baseline():
    """An ambiguous baseline never makes an increase easier to reach."""
    assert baseline(lab("ANC", -1, "0.2"), lab("ANC", -1, "0.4", name="again")).value == Decimal(
        "0.4"
    )


@pytest.mark.parametrize(
    "status",
    [LabStatus.PRELIMINARY, LabStatus.CANCELLED, LabStatus.ENTERED_IN_ERROR],
)
def test_results_that_are_not_final_are_ignored(status):
    """Preliminary, cancelled and erroneous results take no part, before or after."""
    response = respond(
        lab("ANC", -2, "0.3"),
        lab("ANC", -1, "0.9", status=status),
        lab("ANC", 5, "2.0", status=status),
    )
    lineage = lineage_of(response, ANC)
    assert lineage.baseline.value == Decimal("0.3")
    assert lineage.tests == ()


@pytest.mark.parametrize("status", [LabStatus.CORRECTED, LabStatus.AMENDED])
def test_corrected_and_amended_results_count(status):
    """A corrected result is as valid as a final one."""
    assert baseline(lab("ANC", -1, "0.4", status=status)).value == Decimal("0.4")


def test_result_without_a_number_is_no_test():
    """A purely qualitative result says nothing about a count."""
    assert lineage_of(respond(lab("ANC", 5, None)), ANC).tests == ()


@pytest.mark.parametrize(
    ("value", "evaluable"),
    [("1.49", True), ("1.5", False), ("<0.1", True), ("<1.5", True), ("<=1.5", None), (">1", None)],
)
def test_lineage_is_evaluable_only_below_its_cr_limit(value, evaluable):
    """A bound that leaves both sides open makes evaluability unknown, not true."""
    response = respond(lab("ANC", -1, value))
    lineage = lineage_of(response, ANC)
    assert lineage.baseline.evaluable is evaluable
    assert lineage.counts is (evaluable is True)


def test_baseline_after_a_transfusion_can_be_left_out():
    """With baseline_exclude_transfused the last value free of transfusion for 7 days is taken."""
    rules = replace(RULES, baseline_exclude_transfused=True)
    labs = series("HGB", {-12: "61", -5: "70", -1: "80"})
    blood = transfusion(-6)
    assert baseline(labs, blood, lineage=HGB).value == 80
    assert baseline(labs, blood, lineage=HGB, rules=rules).value == 61
    assert baseline(labs[1:], blood, lineage=HGB, rules=rules) is None


def test_granulocytes_do_not_make_a_baseline_transfused():
    """Only red cells, platelets and whole blood are named by the record."""
    assert baseline(lab("HGB", -1, "70"), transfusion(-2, "plasma"), lineage=HGB).flags == ()


def test_lowest_value_of_a_day_is_its_test():
    """Repeats of one day are one test, and the lowest decides."""
    response = respond(
        lab("PLT", -1, "12"), lab("PLT", 5, "120"), lab("PLT", 5, "90", hour=20, name="evening")
    )
    (test,) = lineage_of(response, PLT).tests
    assert (test.value, test.cr, test.pr) == (90, False, True)
    assert test.evidence == ("PLT5", "evening")


def test_latest_value_of_a_day_can_be_configured():
    """Under same_day_rule=latest only the last value of the day counts."""
    rules = replace(RULES, same_day_rule=SameDayRule.LATEST)
    response = respond(
        lab("PLT", 5, "120", hour=20, name="evening"), lab("PLT", 5, "90"), rules=rules
    )
    (test,) = lineage_of(response, PLT).tests
    assert (test.value, test.evidence) == (120, ("evening",))


def test_bound_among_the_values_of_a_day_makes_the_lowest_unknown():
    """Below 95 may be less than the 60 beside it, so the day is not known to have 60."""
    response = respond(lab("PLT", -1, "12"), lab("PLT", 5, "60"), lab("PLT", 5, "<95", name="b"))
    (test,) = lineage_of(response, PLT).tests
    assert (test.value, test.cr, test.pr) == (60, False, None)


@pytest.mark.parametrize(
    ("value", "cr"),
    [(">=100", True), (">100", True), (">99", None), ("<100", False), ("<=100", None)],
)
def test_bounds_meet_cr_only_when_certain(value, cr):
    """A censored value counts as met or failed only if no true value could say otherwise."""
    (test,) = lineage_of(respond(lab("PLT", 5, value)), PLT).tests
    assert test.cr is cr


def test_increase_without_baseline_is_unknown_and_never_confirmed():
    """Without a baseline there is no PR; CR stands on its own value."""
    response = respond(series("PLT", {5: "110", 9: "120"}))
    lineage = lineage_of(response, PLT)
    assert [test.pr for test in lineage.tests] == [None, None]
    assert (spans(lineage.partial), spans(lineage.complete)) == ([], [(5, None)])
    assert lineage.counts is False


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        ("0.6", "0.1", "0.5"),
        ("0.6", "<0.1", ">0.5"),
        ("0.6", "<=0.1", ">=0.5"),
        (">=0.6", "<=0.1", ">=0.5"),
        (">=0.6", "<0.1", ">0.5"),
        (">0.6", "<=0.1", ">0.5"),
        ("0.6", ">0.1", "<0.5"),
        ("<=0.6", ">=0.1", "<=0.5"),
        ("<0.6", ">=0.1", "<0.5"),
        ("<0.6", "<0.1", None),
        (">0.6", ">=0.1", None),
    ],
)
def test_increase_keeps_what_the_bounds_allow(value, before, expected):
    """The difference of two bounds is a bound in the same direction, or says nothing."""
    found = increase(measurement(value), measurement(before))
    assert found == (None if expected is None else measurement(expected))


def test_comparator_baseline_uses_its_bound():
    """Neutrophils below 0.1 before: 0.60 is surely an increase of 0.5, 0.59 is not."""
    labs = series("ANC", {-1: "<0.1", 5: "0.60", 9: "0.59"})
    assert [test.pr for test in lineage_of(respond(labs), ANC).tests] == [True, None]


def sample(value: Measurement, step: Decimal) -> list[Decimal]:
    """Name some true values that a measurement allows."""
    match value.comparator:
        case None:
            return [value.value]
        case Comparator.LT:
            return [value.value - step, value.value - 2 * step]
        case Comparator.LE:
            return [value.value, value.value - step]
        case Comparator.GE:
            return [value.value, value.value + step]
        case Comparator.GT:
            return [value.value + step, value.value + 2 * step]


measurements = st.builds(
    Measurement,
    st.integers(0, 30).map(lambda tenth: Decimal(tenth) / 10),
    st.sampled_from([None, *Comparator]),
)


@settings(max_examples=200)
@given(measurements, measurements, st.sampled_from([Decimal("0.01"), Decimal(1)]))
def test_certain_increase_holds_for_every_possible_pair(value, before, step):
    """Whatever true values two measurements allow, a certain answer agrees with them."""
    difference = increase(value, before)
    verdict = None if difference is None else difference.compare(Relation.GE, Decimal("0.5"))
    truths = {
        after - earlier >= Decimal("0.5")
        for after in sample(value, step)
        for earlier in sample(before, step)
    }
    assert verdict is None or truths == {verdict}
