"""Chemistry and HbA1c: multiples of the limit, thresholds, window edges, missing limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.eligibility_rules import Outcome
from app.domain.quantities import Comparator
from app.domain.vocabulary import (
    Finding,
)
from tests.domain.eligible_subject import (
    FIRST_INFUSION,
    SCREENING,
    criterion,
    judged,
    lab,
    with_lab,
    without_labs,
)

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN


def _tenths(number: int) -> Decimal:
    return Decimal(number).scaleb(-1)


def _exclusion(excluded: bool) -> Outcome:
    return MET if excluded else NOT_MET


MULTIPLES = {
    "E4": ("CREA", 15),
    "E5": ("BUN", 15),
    "E6": ("ALT", 30),
    "E7": ("AST", 30),
    "E8": ("TBIL", 15),
}


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(MULTIPLES)), st.integers(1, 4000), st.integers(-3, 3))
def test_multiples_of_the_limit_exclude_from_equality_on(id_, uln_tenths, offset):
    """E4-E8 (C26): 1.5 or 3 times the limit excludes, one hundredth less does not."""
    analyte, factor_tenths = MULTIPLES[id_]
    threshold_hundredths = factor_tenths * uln_tenths
    value = Decimal(threshold_hundredths + offset).scaleb(-2)
    result = criterion(with_lab(lab(analyte, value, uln=_tenths(uln_tenths))), id_)
    assert result.outcome is _exclusion(offset >= 0)
    assert result.readings[0].limit == Decimal(threshold_hundredths).scaleb(-2)


def test_three_times_the_limit_is_exact():
    """30.3 is exactly 3 times 10.1; binary fractions would let it pass."""
    assert 3 * 10.1 < 30.3
    assert criterion(with_lab(lab("ALT", "30.3", uln="10.1")), "E6").outcome is MET


@pytest.mark.parametrize(
    ("urea", "bun", "outcome"),
    [
        (None, "10.5", MET),
        ("10.5", None, MET),
        ("10.5", "5", MET),
        ("5", "10.49", NOT_MET),
        ("5", None, NOT_MET),
        (None, None, UNKNOWN),
    ],
)
def test_urea_counts_like_urea_nitrogen(urea, bun, outcome):
    """E5 (C24): either of the two reports of one quantity excludes."""
    labs = [lab(name, value, uln="7") for name, value in (("UREA", urea), ("BUN", bun)) if value]
    facts = without_labs("BUN")
    assert criterion(replace(facts, labs=(*facts.labs, *labs)), "E5").outcome is outcome


def test_either_kidney_value_excludes():
    """C24: creatinine or urea nitrogen; normal urea nitrogen does not rescue creatinine."""
    result = judged(with_lab(lab("CREA", "150", uln="100")))
    assert result.failed == ("E4",)


def test_a_missing_limit_is_unknown_and_said():
    """A multiple of an unknown limit cannot be judged."""
    result = criterion(with_lab(lab("CREA", "70")), "E4")
    assert result.outcome is UNKNOWN
    assert "upper limit" in result.note


@pytest.mark.parametrize(
    ("days", "outcome"), [(-1, UNKNOWN), (0, NOT_MET), (7, NOT_MET), (8, UNKNOWN)]
)
def test_chemistry_is_at_most_seven_days_old(days, outcome):
    """C25: the last value within 7 days before the first infusion."""
    taken = lab("TBIL", "10", uln="20", day=FIRST_INFUSION - timedelta(days=days))
    assert criterion(with_lab(taken), "E8").outcome is outcome


def test_latest_chemistry_decides():
    """C25: an earlier high value gives way to a later normal one, and the other way round."""
    high, normal = lab("ALT", "120", uln="40", hour=6), lab("ALT", "30", uln="40", hour=9)
    facts = without_labs("ALT")
    assert criterion(replace(facts, labs=(*facts.labs, normal, high)), "E6").outcome is NOT_MET
    worse = lab("ALT", "120", uln="40", hour=10)
    assert criterion(replace(facts, labs=(*facts.labs, worse, normal)), "E6").outcome is MET


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize(
    ("id_", "harmless", "harmful"),
    [
        ("E6", lab("ALT", "30", uln="40"), lab("ALT", "120", uln="40")),
        ("E9e", lab("HBA1C", "6"), lab("HBA1C", "9.1")),
        ("E11c", lab("HBSAG", finding=Finding.NEGATIVE), lab("HBSAG", finding=Finding.POSITIVE)),
    ],
)
def test_any_result_of_the_latest_instant_excludes(id_, harmless, harmful, first, second):
    """Two results of one moment are both judged; no id decides which of them counts."""
    labs = (replace(harmless, id=first), replace(harmful, id=second))
    facts = without_labs(harmless.analyte)
    result = criterion(replace(facts, labs=(*facts.labs, *labs)), id_)
    assert (result.outcome, len(result.readings)) == (MET, 2)
    assert result.value == (harmful.measurement.value if harmful.measurement else harmful.finding)


def test_an_undecided_result_of_the_latest_instant_leaves_it_open():
    """A second result without its limit cannot be ruled out by the normal one beside it."""
    labs = (lab("ALT", "30", uln="40", id="a"), lab("ALT", "30", id="b"))
    facts = without_labs("ALT")
    assert criterion(replace(facts, labs=(*facts.labs, *labs)), "E6").outcome is UNKNOWN


@pytest.mark.parametrize(
    ("value", "comparator", "outcome"),
    [
        ("60", Comparator.LT, NOT_MET),
        ("60", Comparator.LE, UNKNOWN),
        ("61", Comparator.LT, UNKNOWN),
        ("60", Comparator.GE, MET),
        ("59", Comparator.GT, UNKNOWN),
    ],
)
def test_chemistry_bounds(value, comparator, outcome):
    """E8 with ULN 40: `<60` is below 1.5 times the limit, `<=60` may be on it."""
    facts = with_lab(lab("TBIL", value, comparator=comparator, uln="40"))
    assert criterion(facts, "E8").outcome is outcome


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 250))
@example(89)
@example(90)
@example(91)
def test_hba1c_above_nine_excludes(tenths):
    """E9e: 9.0 % passes, 9.1 % does not."""
    result = criterion(with_lab(lab("HBA1C", _tenths(tenths))), "E9e")
    assert result.outcome is _exclusion(tenths > 90)


@pytest.mark.parametrize(("offset", "outcome"), [(-1, UNKNOWN), (0, NOT_MET)])
def test_screening_results_are_not_older_than_screening(offset, outcome):
    """Items without a window in the record rest on results since screening began."""
    day = SCREENING + timedelta(days=offset)
    assert criterion(with_lab(lab("HBA1C", "6", day=day)), "E9e").outcome is outcome
    marker = lab("HBSAG", finding=Finding.NEGATIVE, day=day)
    assert criterion(with_lab(marker), "E11c").outcome is outcome
