"""CTCAE v5.0 laboratory grading: worked examples, missing data and clinical input."""

import pytest

from app.domain.ctcae.grading import grade
from app.domain.errors import DomainError
from tests.domain.ctcae_cases import one, read

# Limits, baselines and ranges


def test_absolute_band_holds_inside_the_reference_range():
    """ANC 1.4 with a lower limit of 1.3 is grade 2 and within the range."""
    result = one("Neutrophil count decreased", "ANC", "1.4", lln="1.3")
    assert (result.grade, result.within_reference_range) == (2, True)
    assert result.rule == "ctcae5:Neutrophil count decreased:2:ANC:ABS"
    assert result.rests_on == ("lln 1.3", "threshold 1.5")


def test_creatinine_rises_inside_the_reference_range():
    """Creatinine 76 on a baseline of 50 is grade 2 below the upper limit of 110."""
    result = one("Creatinine increased", "CREA", "76", uln="110", baseline="50")
    assert (result.grade, result.within_reference_range) == (2, True)
    assert result.rule == "ctcae5:Creatinine increased:2:CREA:xBASE"
    assert result.rests_on == ("uln 110", "baseline 50", "threshold 75.0")


def test_qt_interval_rises_below_every_absolute_edge():
    """449 ms on a baseline of 380 ms is grade 3, more than 60 ms above it."""
    result = one("Electrocardiogram QT corrected interval prolonged", "QTCF", "449", baseline="380")
    assert (result.grade, result.within_reference_range) == (3, None)


def test_baseline_limit_of_its_own_day_decides():
    """A baseline is abnormal by its own limit; without one, by the limit of this result."""
    term = "Alanine aminotransferase increased"
    assert one(term, "ALT", "70", uln="60", baseline="50").grade == 1
    assert one(term, "ALT", "70", uln="60", baseline="50", baseline_uln="40").grade == 0
    assert one(term, "ALT", "75", uln="60", baseline="50", baseline_uln="40").grade == 1
    assert one(term, "ALT", "75", baseline="50", baseline_uln="40").grade == 1


def test_abnormal_baseline_itself_is_grade_0_above_the_limit():
    """A value at an abnormal baseline is grade 0 though it lies outside the reference range."""
    result = one("Blood bilirubin increased", "TBIL", "40", uln="20", baseline="40")
    assert (result.grade, result.within_reference_range) == (0, False)
    assert result.rule == "ctcae5:Blood bilirubin increased:0"


def test_nothing_is_a_multiple_of_a_zero_baseline():
    """A baseline of zero gives no ratio; the limits alone decide."""
    assert one("Creatinine increased", "CREA", "80", uln="110", baseline="0").grade == 0


@pytest.mark.parametrize("limits", [{"lln": "100", "uln": "50"}, {"uln": "0"}, {"uln": "-1"}])
def test_contradictory_limits_are_not_used(limits):
    """Inverted or non-positive limits are no reference range: the result is not gradable."""
    result = one("Alanine aminotransferase increased", "ALT", "60", **limits)
    assert not result.gradable
    assert result.missing == ("uln",)
    assert result.rests_on == ()


@pytest.mark.parametrize(
    ("value", "limits", "expected"),
    [
        ("150", {"lln": "120", "uln": "160"}, True),
        ("120", {"lln": "120", "uln": "160"}, True),
        ("119", {"lln": "120", "uln": "160"}, False),
        ("161", {"lln": "120", "uln": "160"}, False),
        ("150", {"lln": "120"}, True),
        ("150", {"uln": "160"}, None),
        ("161", {"uln": "160"}, False),
        ("150", {}, None),
        (">150", {"lln": "120", "uln": "160"}, None),
        (">160", {"lln": "120", "uln": "160"}, False),
    ],
)
def test_reference_range_flag(value, limits, expected):
    """The flag is certain only when the limit on the bad side is known."""
    assert one("Anemia", "HGB", value, **limits).within_reference_range is expected


# Missing data and clinical input


def test_missing_limit_matters_only_below_the_absolute_bands():
    """Without the lower limit 95 g/L is grade 2, but 105 g/L could be grade 0 or 1."""
    assert one("Anemia", "HGB", "95").grade == 2
    result = one("Anemia", "HGB", "105")
    assert (result.grade, result.grade_min, result.grade_max) == (None, 0, 1)
    assert (result.gradable, result.needs_clinical_input) == (False, False)
    assert result.missing == ("lln",)
    assert result.rule == "ctcae5:Anemia:not_gradable"


def test_missing_limit_leaves_all_multiples_open():
    """Without any upper limit a transaminase cannot be graded."""
    result = one("Alanine aminotransferase increased", "ALT", "60", baseline="50")
    assert (result.grade, result.grade_min, result.grade_max) == (None, 0, 4)
    assert result.missing == ("uln",)


@pytest.mark.parametrize(
    ("term", "analyte", "value", "context", "bounds", "missing"),
    [
        ("Neutrophil count decreased", "ANC", "<0.1", {}, (4, 4), ()),
        ("Neutrophil count decreased", "ANC", "<0.5", {}, (4, 4), ()),
        ("Neutrophil count decreased", "ANC", "<=0.5", {}, (3, 4), ("exact_value",)),
        ("Neutrophil count decreased", "ANC", "<1.2", {}, (2, 4), ("exact_value",)),
        ("Neutrophil count decreased", "ANC", ">1.2", {}, (0, 2), ("exact_value", "lln")),
        ("Neutrophil count decreased", "ANC", ">=1.8", {"lln": "1.8"}, (0, 0), ()),
        ("Lymphocyte count increased", "LYM", ">20", {}, (3, 3), ()),
        ("Creatinine increased", "CREA", ">700", {"uln": "110"}, (4, 4), ()),
        ("Creatinine increased", "CREA", "<100", {"uln": "110"}, (0, 0), ()),
        ("Fibrinogen decreased", "FIB", "<0.5", {}, (4, 4), ()),
        ("Hyponatremia", "NA", "<130", {}, (2, 4), ("exact_value", "symptoms")),
    ],
)
def test_a_bound_grades_only_when_it_decides(term, analyte, value, context, bounds, missing):
    """`<0.1` grades like every value below; otherwise the bounds of the grade are known."""
    result = one(term, analyte, value, **context)
    assert (result.grade_min, result.grade_max) == bounds
    assert result.gradable == (bounds[0] == bounds[1])
    assert result.missing == missing


@pytest.mark.parametrize(
    ("term", "analyte", "value", "limits", "bounds"),
    [
        ("Hypokalemia", "K", "3.2", {"lln": "3.5"}, (1, 2)),
        ("Hyponatremia", "NA", "127", {}, (2, 3)),
        ("Lipase increased", "LIP", "180", {"uln": "60"}, (2, 3)),
        ("Lipase increased", "LIP", "301", {"uln": "60"}, (3, 4)),
        ("Serum amylase increased", "AMY", "300", {"uln": "100"}, (2, 3)),
        ("Serum amylase increased", "AMY", "600", {"uln": "100"}, (3, 4)),
        ("Hyperuricemia", "UA", "500", {"uln": "420"}, (1, 3)),
    ],
)
def test_symptoms_can_raise_the_grade(term, analyte, value, limits, bounds):
    """The numbers support the lower grade; a clinician may give the higher one."""
    result = one(term, analyte, value, **limits)
    assert result.gradable
    assert result.needs_clinical_input
    assert result.missing == ("symptoms",)
    assert (result.grade, result.grade_min, result.grade_max) == (bounds[0], *bounds)


def test_symptoms_do_not_matter_where_they_change_nothing():
    """Sodium of 122 is grade 3 with or without symptoms; 3 mmol/L of potassium is in no doubt."""
    assert not one("Hyponatremia", "NA", "122", lln="135").needs_clinical_input
    assert not one("Hypokalemia", "K", "2.8", lln="3.5").needs_clinical_input


def test_unrecorded_anticoagulation_counts_as_none_but_is_asked_for():
    """INR 1.0 on a baseline of 0.9 is grade 0, and grade 1 if the subject is anticoagulated."""
    result = one("INR increased", "INR", "1.0", baseline="0.9")
    assert (result.grade, result.grade_max, result.needs_clinical_input) == (0, 1, True)
    assert result.missing == ("anticoagulation",)
    for answer, expected in ((False, 0), (True, 1)):
        known = one("INR increased", "INR", "1.0", baseline="0.9", on_anticoagulant=answer)
        assert (known.grade, known.needs_clinical_input) == (expected, False)


# What is graded at all


def test_one_result_for_each_term_of_the_analyte():
    """Hemoglobin touches two terms; an alias finds the same ones."""
    results = grade("Hb", read("150", lln="120", uln="160"))
    assert [result.term for result in results] == ["Anemia", "Hemoglobin increased"]
    assert [result.grade for result in results] == [0, 0]


def test_analytes_without_numeric_grades_give_nothing():
    """Version 5.0 grades by number no phosphate, urea, PT, D-dimer, CRP or uncorrected calcium."""
    for analyte in ("PHOS", "BUN", "UREA", "PT", "DDIMER", "FERR", "CRP", "IGG", "IL6", "CA_TOTAL"):
        assert grade(analyte, read("5", lln="1", uln="2")) == ()
    glucose = grade("GLU", read("30", lln="3.9", uln="6.1"))
    assert [result.term for result in glucose] == ["Hypoglycemia"]


@pytest.mark.parametrize(
    ("term", "analyte", "code"),
    [
        ("Hyperglycemia", "GLU", "term_not_numeric"),
        ("Hypophosphatemia", "PHOS", "term_not_numeric"),
        ("Anemia", "ANC", "term_not_numeric"),
        ("No such term", "CA_TOTAL", "term_not_numeric"),
        ("No such term", "HGB", "term_not_numeric"),
        ("Anemia", "no such analyte", "unknown_analyte"),
    ],
)
def test_what_cannot_be_graded_by_a_number_is_refused(term, analyte, code):
    """A term without numeric grades by this analyte needs a clinician."""
    with pytest.raises(DomainError) as refusal:
        one(term, analyte, "5")
    assert refusal.value.code == code
