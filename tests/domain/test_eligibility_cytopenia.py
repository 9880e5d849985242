"""I4, severe cytopenia: thresholds, window edges, comparators, and what colours a count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.eligibility_evidence import FlagCode
from app.domain.eligibility_rules import Outcome
from app.domain.quantities import Comparator
from app.domain.vocabulary import (
    LabStatus,
    MedicationClass,
    TransfusionProduct,
)
from tests.domain.eligible_subject import (
    ELIGIBLE,
    FIRST_INFUSION,
    TESTED,
    criterion,
    judged,
    lab,
    medication,
    transfusion,
    with_lab,
    with_subject,
    without_labs,
)

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN
HIGH_COUNTS = with_lab(lab("HGB", "120"), with_lab(lab("PLT", "200"), with_lab(lab("ANC", "2.0"))))
NO_COUNTS = without_labs("ANC", "PLT", "HGB")


def _tenths(number: int) -> Decimal:
    return Decimal(number).scaleb(-1)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([("ANC", 10), ("PLT", 300), ("HGB", 700)]), st.integers(-15, 15))
def test_cytopenia_includes_its_thresholds(limit, offset):
    """I4: ANC 1.0, PLT 30 and Hb 70 g/L themselves still count; a tenth more does not (C1)."""
    analyte, tenths = limit
    facts = with_lab(lab(analyte, max(_tenths(tenths + offset), Decimal(0))), HIGH_COUNTS)
    assert criterion(facts, "I4").outcome is (MET if offset <= 0 else NOT_MET)


def test_hemoglobin_threshold_is_not_in_grams_per_decilitre():
    """C1: a normal Hb of 140 g/L does not make a subject eligible, nor does one in g/dL."""
    assert criterion(with_lab(lab("HGB", "140"), HIGH_COUNTS), "I4").outcome is NOT_MET
    deci = with_lab(lab("HGB", "14.0", unit="g/dL"), HIGH_COUNTS)
    assert criterion(deci, "I4").outcome is UNKNOWN


@pytest.mark.parametrize(("days", "outcome"), [(20, UNKNOWN), (21, MET), (22, MET)])
def test_count_is_taken_three_weeks_after_car_t(days, outcome):
    """C33: the count's day is 21 days or more after CAR-T."""
    facts = with_subject(car_t_day=TESTED - timedelta(days=days))
    assert criterion(facts, "I4").outcome is outcome


@pytest.mark.parametrize(("days", "outcome"), [(-1, UNKNOWN), (0, MET), (7, MET), (8, UNKNOWN)])
def test_count_is_at_most_seven_days_old(days, outcome):
    """I4: the count's day is 0 to 7 days before the first infusion."""
    taken = lab("ANC", "0.3", day=FIRST_INFUSION - timedelta(days=days))
    assert criterion(with_lab(taken, NO_COUNTS), "I4").outcome is outcome


def test_count_without_a_car_t_day_is_unknown():
    """I4: nothing says that three weeks are over."""
    result = criterion(with_subject(car_t_day=None), "I4")
    assert (result.outcome, result.evidence) == (UNKNOWN, ())
    assert "CAR-T" in result.note


def test_latest_day_decides_and_on_it_the_lowest_value():
    """'Still' severe: an older low value does not count, the lowest of the latest day does."""
    recovered = replace(
        HIGH_COUNTS, labs=(*HIGH_COUNTS.labs, lab("ANC", "0.2", day=TESTED - timedelta(days=1)))
    )
    assert criterion(recovered, "I4").outcome is NOT_MET
    twice = replace(HIGH_COUNTS, labs=(*HIGH_COUNTS.labs, lab("ANC", "0.9", hour=6)))
    result = criterion(twice, "I4")
    assert (result.outcome, result.value) == (MET, Decimal("0.9"))


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([("1.0", Comparator.LT)], MET),
        ([("1.0", Comparator.LE)], MET),
        ([("1.1", Comparator.LT)], UNKNOWN),
        ([("1.0", Comparator.GT)], NOT_MET),
        ([("1.0", Comparator.GE)], UNKNOWN),
        ([("1.5", None), ("2.0", Comparator.LT)], UNKNOWN),
        ([("0.5", None), ("2.0", Comparator.LT)], MET),
    ],
)
def test_bounds_are_read_as_bounds(values, outcome):
    """I4: `<1.1` may be below 1.0 or not, so it decides nothing."""
    labs = tuple(
        lab("ANC", value, comparator=comparator, hour=hour)
        for hour, (value, comparator) in enumerate(values, start=6)
    )
    others = tuple(each for each in HIGH_COUNTS.labs if each.analyte != "ANC")
    result = criterion(replace(HIGH_COUNTS, labs=others + labs), "I4")
    assert result.outcome is outcome


def test_an_absent_lineage_keeps_high_counts_open():
    """I4: two high lineages and a missing third are unknown; the note names the third."""
    result = criterion(
        replace(
            HIGH_COUNTS,
            labs=tuple(each for each in HIGH_COUNTS.labs if each.analyte != "PLT"),
        ),
        "I4",
    )
    assert result.outcome is UNKNOWN
    assert "PLT" in result.note


@pytest.mark.parametrize("status", list(LabStatus))
def test_only_valid_results_count(status):
    """Preliminary, cancelled and erroneous results are as if they were absent."""
    usable = status in (LabStatus.FINAL, LabStatus.CORRECTED, LabStatus.AMENDED)
    facts = with_lab(lab("ANC", "0.3", status=status), NO_COUNTS)
    assert criterion(facts, "I4").outcome is (MET if usable else UNKNOWN)


def _flags(facts) -> list[tuple[FlagCode, tuple[str, ...]]]:
    return [(flag.code, flag.evidence) for flag in judged(facts).flags]


@pytest.mark.parametrize(
    ("product", "days", "flagged"),
    [
        (TransfusionProduct.RED_CELLS, 7, True),
        (TransfusionProduct.PLATELETS, 8, False),
        (TransfusionProduct.WHOLE_BLOOD, 0, True),
        (TransfusionProduct.GRANULOCYTES, 1, True),
        (TransfusionProduct.PLASMA, 1, False),
    ],
)
def test_transfusion_in_the_week_before_the_count_is_flagged(product, days, flagged):
    """I4: a transfusion up to 7 days before the count is named; plasma changes no count."""
    given_ = transfusion(product, TESTED - timedelta(days=days))
    expected = [(FlagCode.TRANSFUSED_BEFORE_COUNT, (given_.id,))] if flagged else []
    assert _flags(replace(ELIGIBLE, transfusions=(given_,))) == expected


def test_transfusion_after_the_count_is_not_flagged():
    """I4: a transfusion later on the same day cannot have coloured the count."""
    later = transfusion(TransfusionProduct.PLATELETS, TESTED, hour=9)
    assert _flags(replace(ELIGIBLE, transfusions=(later,))) == []


@pytest.mark.parametrize(
    ("medication_class", "days"),
    [
        (MedicationClass.G_CSF, 7),
        (MedicationClass.PEGYLATED_G_CSF, 14),
        (MedicationClass.TPO_RECEPTOR_AGONIST, 7),
        (MedicationClass.ERYTHROPOIETIN, 14),
        (MedicationClass.DEXAMETHASONE, 3),
    ],
)
def test_medication_that_colours_counts_is_flagged(medication_class, days):
    """I4: each class counts for its own number of days after the last dose, and no longer."""
    for extra, flagged in ((0, True), (1, False)):
        last = TESTED - timedelta(days=days + extra)
        taken = medication(medication_class, last - timedelta(days=3), last)
        expected = [(FlagCode.MEDICATION_BEFORE_COUNT, (taken.id,))] if flagged else []
        assert _flags(replace(ELIGIBLE, medications=(taken,))) == expected
    ongoing = medication(medication_class, TESTED - timedelta(days=90), ongoing=True)
    assert _flags(replace(ELIGIBLE, medications=(ongoing,))) == [
        (FlagCode.MEDICATION_BEFORE_COUNT, (ongoing.id,))
    ]
    after = medication(medication_class, TESTED + timedelta(days=1))
    assert _flags(replace(ELIGIBLE, medications=(after,))) == []
