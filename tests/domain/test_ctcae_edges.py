"""CTCAE v5.0 laboratory grades on every edge and one small step beside it.

A line reads upwards: in `4 <0.5 3 <=1 0` values below 0.5 have grade 4, 0.5 itself and up to 1 have
grade 3, and beyond 1 the grade is 0.
"""

from decimal import Decimal

import pytest

from app.domain.ctcae.tables import LAB_TABLES, Condition
from app.domain.ctcae.terms import find_term
from tests.domain.ctcae_cases import one

STEP = Decimal("0.0001")
APTT_TERM = "Activated partial thromboplastin time prolonged"
QT_TERM = "Electrocardiogram QT corrected interval prolonged"
ABNORMAL_LIVER = {"uln": "40", "baseline": "80"}

GRADES = [
    ("Anemia", "HGB", {"lln": "120"}, "3 <80 2 <100 1 <120 0"),
    ("Hemoglobin increased", "HGB", {"uln": "160"}, "0 <=160 1 <=180 2 <=200 3"),
    ("Neutrophil count decreased", "ANC", {"lln": "1.8"}, "4 <0.5 3 <1.0 2 <1.5 1 <1.8 0"),
    ("Neutrophil count decreased", "ANC", {"lln": "1.3"}, "4 <0.5 3 <1.0 2 <1.5 0"),
    ("Platelet count decreased", "PLT", {"lln": "125"}, "4 <25 3 <50 2 <75 1 <125 0"),
    ("White blood cell decreased", "WBC", {"lln": "3.5"}, "4 <1 3 <2 2 <3 1 <3.5 0"),
    ("Leukocytosis", "WBC", {"uln": "9.5"}, "0 <=100 3"),
    ("Lymphocyte count decreased", "LYM", {"lln": "1.1"}, "4 <0.2 3 <0.5 2 <0.8 1 <1.1 0"),
    ("Lymphocyte count increased", "LYM", {"uln": "3.2"}, "0 <=4 2 <=20 3"),
    ("CD4 lymphocytes decreased", "CD4", {"lln": "550"}, "4 <50 3 <200 2 <500 1 <550 0"),
    ("Eosinophilia", "EOS", {"uln": "0.5"}, "0 <=0.5 1"),
    ("Eosinophilia", "EOS", {"uln": "0.5", "baseline": "0.8"}, "0 <=0.8 1"),
    ("Eosinophilia", "EOS", {"uln": "0.5", "baseline": "0.2"}, "0 <=0.5 1"),
    (
        "Alanine aminotransferase increased",
        "ALT",
        {"uln": "40"},
        "0 <=40 1 <=120 2 <=200 3 <=800 4",
    ),
    (
        "Alanine aminotransferase increased",
        "ALT",
        {"uln": "40", "baseline": "40"},
        "0 <=40 1 <=120 2 <=200 3 <=800 4",
    ),
    (
        "Alanine aminotransferase increased",
        "ALT",
        ABNORMAL_LIVER,
        "0 <120 1 <=240 2 <=400 3 <=1600 4",
    ),
    (
        "Aspartate aminotransferase increased",
        "AST",
        {"uln": "40"},
        "0 <=40 1 <=120 2 <=200 3 <=800 4",
    ),
    (
        "Aspartate aminotransferase increased",
        "AST",
        ABNORMAL_LIVER,
        "0 <120 1 <=240 2 <=400 3 <=1600 4",
    ),
    ("Alkaline phosphatase increased", "ALP", {"uln": "40"}, "0 <=40 1 <=100 2 <=200 3 <=800 4"),
    (
        "Alkaline phosphatase increased",
        "ALP",
        ABNORMAL_LIVER,
        "0 <160 1 <=200 2 <=400 3 <=1600 4",
    ),
    ("GGT increased", "GGT", {"uln": "40"}, "0 <=40 1 <=100 2 <=200 3 <=800 4"),
    ("GGT increased", "GGT", ABNORMAL_LIVER, "0 <160 1 <=200 2 <=400 3 <=1600 4"),
    ("Blood bilirubin increased", "TBIL", {"uln": "20"}, "0 <=20 1 <=30 2 <=60 3 <=200 4"),
    ("Blood bilirubin increased", "TBIL", ABNORMAL_LIVER, "0 <=80 1 <=120 2 <=240 3 <=800 4"),
    ("Creatinine increased", "CREA", {"uln": "110"}, "0 <=110 1 <=165 2 <=330 3 <=660 4"),
    (
        "Creatinine increased",
        "CREA",
        {"uln": "110", "baseline": "50"},
        "0 <=75 2 <=150 3 <=660 4",
    ),
    (
        "Creatinine increased",
        "CREA",
        {"uln": "110", "baseline": "200"},
        "0 <=110 1 <=165 2 <=330 3 <=660 4",
    ),
    ("INR increased", "INR", {"uln": "1.2"}, "0 <=1.2 1 <=1.5 2 <=2.5 3"),
    (
        "INR increased",
        "INR",
        {"baseline": "0.8", "on_anticoagulant": True},
        "0 <=0.8 1 <=1.2 2 <=2 3",
    ),
    (
        "INR increased",
        "INR",
        {"baseline": "0.8", "on_anticoagulant": False},
        "0 <=1.2 1 <=1.5 2 <=2.5 3",
    ),
    (APTT_TERM, "APTT", {"uln": "36"}, "0 <=36 1 <=54 2 <=90 3"),
    ("Fibrinogen decreased", "FIB", {"lln": "4"}, "4 <1 3 <2 2 <3 1 <4 0"),
    ("Fibrinogen decreased", "FIB", {"lln": "1.6"}, "4 <0.5 3 <0.8 2 <1.2 1 <1.6 0"),
    ("Fibrinogen decreased", "FIB", {"lln": "2", "baseline": "4"}, "4 <=1 3 <2 0"),
    (
        "Fibrinogen decreased",
        "FIB",
        {"lln": "2", "baseline": "2.4"},
        "4 <=0.6 3 <=1.2 2 <=1.8 1 <2 0",
    ),
    ("Blood lactate dehydrogenase increased", "LDH", {"uln": "250"}, "0 <=250 1"),
    ("CPK increased", "CK", {"uln": "200"}, "0 <=200 1 <=500 2 <=1000 3 <=2000 4"),
    ("Lipase increased", "LIP", {"uln": "60"}, "0 <=60 1 <=90 2 <=300 3"),
    ("Serum amylase increased", "AMY", {"uln": "100"}, "0 <=100 1 <=150 2 <=500 3"),
    ("Haptoglobin decreased", "HAPTO", {"lln": "0.3"}, "1 <0.3 0"),
    ("Blood bicarbonate decreased", "HCO3", {"lln": "22"}, "1 <22 0"),
    ("Cholesterol high", "CHOL", {"uln": "5.2"}, "0 <=5.2 1 <=7.75 2 <=10.34 3 <=12.92 4"),
    ("Hypertriglyceridemia", "TG", {}, "0 <1.71 1 <=3.42 2 <=5.7 3 <=11.4 4"),
    (QT_TERM, "QTCF", {}, "0 <450 1 <=480 2 <501 3"),
    (QT_TERM, "QTCF", {"baseline": "380"}, "0 <=440 3"),
    ("Hypernatremia", "NA", {"uln": "145"}, "0 <=145 1 <=150 2 <=155 3 <=160 4"),
    ("Hyponatremia", "NA", {"lln": "135"}, "4 <120 3 <125 2 <130 1 <135 0"),
    ("Hyperkalemia", "K", {"uln": "5.1"}, "0 <=5.1 1 <=5.5 2 <=6 3 <=7 4"),
    ("Hypokalemia", "K", {"lln": "3.5"}, "4 <2.5 3 <3 1 <3.5 0"),
    ("Hypercalcemia", "CA", {"uln": "2.6"}, "0 <=2.6 1 <=2.9 2 <=3.1 3 <=3.4 4"),
    ("Hypocalcemia", "CA", {"lln": "2.1"}, "4 <1.5 3 <1.75 2 <2 1 <2.1 0"),
    ("Hypercalcemia", "ICA", {"uln": "1.3"}, "0 <=1.3 1 <=1.5 2 <=1.6 3 <=1.8 4"),
    ("Hypocalcemia", "ICA", {"lln": "1.1"}, "4 <0.8 3 <0.9 2 <1 1 <1.1 0"),
    ("Hypermagnesemia", "MG", {"uln": "1.0"}, "0 <=1.0 1 <=1.23 3 <=3.3 4"),
    ("Hypomagnesemia", "MG", {"lln": "0.7"}, "4 <0.3 3 <0.4 2 <0.5 1 <0.7 0"),
    ("Hypoglycemia", "GLU", {"lln": "3.9"}, "4 <1.7 3 <2.2 2 <3 1 <3.9 0"),
    ("Hypoalbuminemia", "ALB", {"lln": "40"}, "3 <20 2 <30 1 <40 0"),
    ("Hyperuricemia", "UA", {"uln": "420"}, "0 <=420 1"),
    ("Acidosis", "PH", {"lln": "7.35"}, "3 <7.3 1 <7.35 0"),
    ("Alkalosis", "PH", {"uln": "7.45"}, "0 <=7.45 1 <=7.5 3"),
]
# The grade that a clinician may still give: with symptoms, or on anticoagulation.
WORST_GRADES = [
    ("Lipase increased", "LIP", {"uln": "60"}, "0 <=60 1 <=90 2 <=120 3 <=300 4"),
    ("Serum amylase increased", "AMY", {"uln": "100"}, "0 <=100 1 <=150 2 <=200 3 <=500 4"),
    ("Hyponatremia", "NA", {"lln": "135"}, "4 <120 3 <130 1 <135 0"),
    ("Hypokalemia", "K", {"lln": "3.5"}, "4 <2.5 3 <3 2 <3.5 0"),
    ("Hyperuricemia", "UA", {"uln": "420"}, "0 <=420 3"),
    ("INR increased", "INR", {"baseline": "0.8"}, "0 <=0.8 1 <=1.2 2 <=2 3"),
]


def expand(lines):
    """Turn every edge of the lines into three values with their expected grades."""
    cases = []
    for term, analyte, context, line in lines:
        words = line.split()
        for below, edge, above in zip(words[::2], words[1::2], words[2::2], strict=False):
            number = Decimal(edge.lstrip("<="))
            on_edge = below if edge.startswith("<=") else above
            expected = {number - STEP: below, number: on_edge, number + STEP: above}
            name = f"{term} {number} #{len(cases)}"
            cases.append(pytest.param(term, analyte, context, expected, id=name))
    return cases


@pytest.mark.parametrize(("term", "analyte", "context", "expected"), expand(GRADES))
def test_grade_at_each_edge(term, analyte, context, expected):
    """The grade changes exactly at the printed number, which belongs to the printed side."""
    results = {value: one(term, analyte, str(value), **context) for value in expected}
    assert {value: str(result.grade) for value, result in results.items()} == expected
    assert all(result.gradable for result in results.values())
    assert {result.soc for result in results.values()} == {find_term(term).soc}
    assert {result.dictionary_version for result in results.values()} == {"5.0"}


@pytest.mark.parametrize(("term", "analyte", "context", "expected"), expand(WORST_GRADES))
def test_clinical_grade_at_each_edge(term, analyte, context, expected):
    """The highest grade that clinical input allows changes exactly at the printed number."""
    results = {value: one(term, analyte, str(value), **context) for value in expected}
    assert {value: str(result.grade_max) for value, result in results.items()} == expected
    assert all(r.needs_clinical_input == (r.grade_min < r.grade_max) for r in results.values())


def test_every_table_is_tested_at_each_of_its_grades():
    """No table and no grade of one is left out of the lines above."""
    tested = {(term, int(word)) for term, _, _, line in GRADES for word in line.split()[::2]}
    for table in LAB_TABLES:
        by_numbers = {r.grade for r in table.rules if r.condition is not Condition.SYMPTOMS}
        assert {(table.term.name, grade) for grade in by_numbers | {0}} <= tested


def test_three_times_a_decimal_limit_is_exact():
    """30.3 is exactly three times 10.1, hence grade 1; binary floats would say grade 2."""
    for tenths in range(100, 500):
        uln = Decimal(tenths) / 10
        for value, expected in ((uln * 3, 1), (uln * 3 + STEP, 2)):
            result = one("Alanine aminotransferase increased", "ALT", str(value), uln=str(uln))
            assert result.grade == expected
