"""Questions to the dictionary: a value is graded in its own unit, or refused with the reason."""

from decimal import Decimal

import pytest

from app.domain.ctcae.dictionary import ValueToGrade, find_entries, grade_value
from app.domain.errors import DomainError


def test_a_term_is_graded_by_each_analyte_that_could_have_the_value():
    """2.95 mmol/L is a plausible corrected and a plausible ionized calcium."""
    wanted = ValueToGrade(term="hypercalcemia", value=Decimal("2.95"), unit="mmol/L")
    assert {each.analyte: each.grade for each in grade_value(wanted)} == {"CA": 2, "ICA": 4}


def test_units_are_converted_before_grading():
    """Haemoglobin of 7.9 g/dL is 79 g/L, grade 3."""
    wanted = ValueToGrade(analyte="HGB", value=Decimal("7.9"), unit="g/dL")
    grades = {result.term: result.grade for result in grade_value(wanted)}
    assert grades["Anemia"] == 3


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (ValueToGrade(analyte="nothing", value=Decimal(1)), "unknown_analyte"),
        (ValueToGrade(term="nothing", value=Decimal(1)), "unknown_term"),
        (ValueToGrade(term="Nausea", value=Decimal(1)), "term_not_numeric"),
        (ValueToGrade(term="Anemia", value=Decimal("10.2"), unit="g/L"), "implausible_value"),
        (ValueToGrade(term="Anemia", value=Decimal(100), unit="stone"), "unknown_unit"),
    ],
)
def test_what_cannot_be_graded_is_refused_with_the_reason(wanted, code):
    """Nothing is guessed: not the analyte, the term, the unit or the decimal point."""
    with pytest.raises(DomainError) as refusal:
        grade_value(wanted)
    assert refusal.value.code == code


def test_terms_are_found_by_words_and_organ_class():
    """Every word has to occur, and the class narrows the answer."""
    found = find_entries("platelet decreased", "investigations")
    assert [(entry.term, entry.analytes) for entry in found] == [
        ("Platelet count decreased", ("PLT",))
    ]
