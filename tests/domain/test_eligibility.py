"""Eligibility as a whole: one eligible subject, and each criterion spoilt in turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.domain.eligibility import Verdict
from app.domain.eligibility_evidence import EligibilityFacts, FlagCode
from app.domain.eligibility_rules import CriterionKind, Outcome, permits
from app.domain.vocabulary import (
    AssessmentKind,
    Disease,
    Finding,
    LabStatus,
    MedicationClass,
)
from tests.domain.eligible_subject import (
    ANSWERED_NO,
    ANSWERED_YES,
    ASSESSMENTS,
    ELIGIBLE,
    FIRST_INFUSION,
    SCREENING,
    TESTED,
    answer,
    assessment,
    criterion,
    judged,
    lab,
    medication,
    rules,
    with_answers,
    with_assessment,
    with_lab,
    with_subject,
    without_labs,
)

LEUKEMIA = with_subject(disease=Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA)


def _marrow(**content: object) -> EligibilityFacts:
    return with_assessment(assessment(AssessmentKind.BONE_MARROW, **content))


def _exam(**content: object) -> EligibilityFacts:
    return with_assessment(
        assessment(
            AssessmentKind.PHYSICAL_EXAMINATION,
            **({"nyha_class": 1, "fev1_percent_predicted": 81} | content),
        )
    )


def _unanswered(id_: str) -> EligibilityFacts:
    return replace(
        ELIGIBLE,
        attestations=tuple(each for each in ELIGIBLE.attestations if each.criterion != id_),
    )


def _without(kind: AssessmentKind) -> EligibilityFacts:
    return replace(
        ELIGIBLE, assessments=tuple(each for each in ASSESSMENTS if each.kind is not kind)
    )


FAILING = {
    "I1": with_subject(consent_day=SCREENING + timedelta(days=1)),
    "I2": with_subject(age_at_consent=17),
    "I3": with_subject(disease=Disease.OTHER),
    "I4": with_lab(lab("ANC", "1.01")),
    "I5": with_assessment(assessment(AssessmentKind.ECOG, score=3)),
    "I6": with_answers(answer("I6", False)),
    "I8": with_answers(answer("I8", False)),
    "E2a": with_assessment(
        assessment(AssessmentKind.BONE_MARROW, blasts_percent=Decimal("5.1")), LEUKEMIA
    ),
    "E2b": _marrow(flow_mrd="positive", ihc_infiltration="negative"),
    "E2c": _marrow(flow_mrd="negative", ihc_infiltration="positive"),
    "E4": with_lab(lab("CREA", "150", uln="100")),
    "E5": with_lab(lab("BUN", "10.5", uln="7")),
    "E6": with_lab(lab("ALT", "120", uln="40")),
    "E7": with_lab(lab("AST", "120", uln="40")),
    "E8": with_lab(lab("TBIL", "30", uln="20")),
    "E9c": with_assessment(assessment(AssessmentKind.ECG, qtcf_ms=481)),
    "E9d": _exam(nyha_class=3),
    "E9e": with_lab(lab("HBA1C", "9.1")),
    "E9g": _exam(fev1_percent_predicted=Decimal("49.9")),
    "E11a": with_lab(lab("HIV_AGAB", finding=Finding.POSITIVE)),
    "E11b": with_lab(lab("TP_AB", finding=Finding.POSITIVE)),
    "E11c": with_lab(lab("HBSAG", finding=Finding.POSITIVE)),
    "E11d": with_lab(
        lab("HBCAB", finding=Finding.POSITIVE), with_lab(lab("HBV_DNA", "21", uln="20"))
    ),
    "E11e": with_lab(lab("HCV_RNA", "16", uln="15")),
    "E13a": with_subject(allogeneic_transplant_day=date(2025, 9, 11)),
    "E13b": with_assessment(assessment(AssessmentKind.CHIMERISM, donor_percent=95)),
    "E15": with_assessment(assessment(AssessmentKind.PREGNANCY_TEST, lactating=True)),
} | {id_: with_answers(answer(id_, True)) for id_ in ANSWERED_NO}

UNDETERMINED = {
    "I1": with_subject(consent_day=None),
    "I2": with_subject(age_at_consent=None, birth_year=2008),
    "I4": without_labs("ANC"),
    "I5": _without(AssessmentKind.ECOG),
    "E2a": with_assessment(assessment(AssessmentKind.BONE_MARROW), LEUKEMIA),
    "E2b": _marrow(ihc_infiltration="negative"),
    "E2c": _marrow(flow_mrd="negative", ihc_infiltration="indeterminate"),
    "E4": without_labs("CREA"),
    "E5": without_labs("BUN"),
    "E6": with_lab(lab("ALT", "30")),
    "E7": with_lab(lab("AST", "30", uln="40", status=LabStatus.PRELIMINARY)),
    "E8": with_lab(lab("TBIL", uln="20", finding=Finding.NEGATIVE)),
    "E9c": with_assessment(assessment(AssessmentKind.ECG, qt_ms=400)),
    "E9d": _exam(nyha_class=None),
    "E9e": with_lab(lab("HBA1C", "43", unit="mmol/mol")),
    "E9g": _exam(fev1_percent_predicted=None),
    "E11a": without_labs("HIV_AGAB"),
    "E11b": with_lab(lab("TP_AB", finding=Finding.INDETERMINATE)),
    "E11c": without_labs("HBSAG"),
    "E11d": with_lab(lab("HBCAB", finding=Finding.POSITIVE)),
    "E11e": with_lab(lab("HCV_RNA", "15")),
    "E13a": with_subject(allogeneic_transplant_day=None),
    "E13b": _without(AssessmentKind.CHIMERISM),
    "E15": _without(AssessmentKind.PREGNANCY_TEST),
} | {id_: _unanswered(id_) for id_ in ANSWERED_NO + ANSWERED_YES}


def test_the_registered_criteria_are_all_there_in_order():
    """The shipped list holds every leaf of I1-I8 and E1-E19, in the record's order."""
    expected = [f"I{number}" for number in range(1, 9)]
    leaves = {2: "abc", 3: "abcdefg", 9: "abcdefgh", 11: "abcde", 13: "abcd", 14: "ab"}
    for number in range(1, 20):
        expected += [f"E{number}{letter}" for letter in leaves.get(number, [""])]
    assert [each.id for each in judged(ELIGIBLE).criteria] == expected


def test_a_subject_who_meets_everything_is_eligible():
    """All inclusions met, no exclusion present, nothing unknown: eligible, without remarks."""
    result = judged(ELIGIBLE)
    assert (result.verdict, result.failed, result.unknown) == (Verdict.ELIGIBLE, (), ())
    assert result.flags == ()
    assert result.reference_date == FIRST_INFUSION


def test_the_result_shows_what_it_rests_on():
    """A computed criterion shows value, unit, date, rule, limit and evidence."""
    result = criterion(ELIGIBLE, "I4")
    assert (result.value, result.unit, result.date) == (Decimal("0.8"), "10*9/L", TESTED)
    assert result.rule == "cytopenia"
    assert [reading.limit for reading in result.readings] == [1, 30, 70]
    assert result.evidence == tuple(reading.evidence for reading in result.readings)
    assert len(result.evidence) == 3


@pytest.mark.parametrize("id_", FAILING)
def test_one_failing_criterion_suffices(id_):
    """A subject who fails one criterion only is not eligible, and that one is named."""
    result = judged(FAILING[id_])
    assert result.verdict is Verdict.NOT_ELIGIBLE
    assert result.failed == (id_,)
    assert result.unknown == ()


def test_every_criterion_but_the_pregnancy_test_can_fail_alone():
    """The table above leaves no criterion out; a positive pregnancy test fails I7 and E15."""
    assert set(FAILING) | {"I7"} == {each.id for each in rules().criteria}
    result = judged(with_lab(lab("HCG_U", finding=Finding.POSITIVE)))
    assert result.failed == ("I7", "E15")


@pytest.mark.parametrize("id_", UNDETERMINED)
def test_one_unknown_criterion_suffices(id_):
    """Missing, unusable or unanswered data leave the verdict open and name the criterion."""
    result = judged(UNDETERMINED[id_])
    assert result.verdict is Verdict.UNDETERMINED
    assert result.unknown == (id_,)
    assert result.failed == ()


def test_every_criterion_with_data_behind_it_can_be_unknown():
    """Only the disease is always known; a missing pregnancy test leaves I7 and E15 open."""
    assert set(UNDETERMINED) | {"I3", "I7"} == {each.id for each in rules().criteria}
    assert judged(without_labs("HCG_U")).unknown == ("I7", "E15")


def test_a_failure_decides_even_beside_unknowns():
    """A certain failure makes the subject not eligible whatever else is missing."""
    result = judged(replace(FAILING["E4"], assessments=()))
    assert result.verdict is Verdict.NOT_ELIGIBLE
    assert result.failed == ("E4",)
    assert "I5" in result.unknown


def test_without_a_plan_windows_count_from_today():
    """Without a planned infusion day the reference is today, and that is said."""
    facts = with_subject(planned_first_infusion_day=None)
    result = judged(facts, today=TESTED)
    assert (result.verdict, result.reference_date) == (Verdict.ELIGIBLE, TESTED)
    assert [flag.code for flag in result.flags] == [FlagCode.NO_PLANNED_INFUSION]
    later = judged(facts, today=TESTED + timedelta(days=8))
    assert later.unknown == ("I4", "I7", "E4", "E5", "E6", "E7", "E8", "E15")


def test_a_plan_that_has_passed_is_remarked():
    """Windows still hang on the planned day, and the remark says that it is over."""
    assert judged(ELIGIBLE, today=FIRST_INFUSION).flags == ()
    late = judged(ELIGIBLE, today=FIRST_INFUSION + timedelta(days=1))
    assert [flag.code for flag in late.flags] == [FlagCode.PLANNED_INFUSION_PASSED]


def test_windows_count_from_the_infusion_that_was_given():
    """An infusion three days later than planned leaves the results outside the week."""
    late = replace(ELIGIBLE, first_infusion_day=FIRST_INFUSION + timedelta(days=6))
    result = judged(late, today=FIRST_INFUSION + timedelta(days=9))
    assert result.reference_date == FIRST_INFUSION + timedelta(days=6)
    assert (result.verdict, result.flags) == (Verdict.UNDETERMINED, ())
    assert result.unknown == ("I4", "I7", "E4", "E5", "E6", "E7", "E8", "E15")
    on_time = replace(ELIGIBLE, first_infusion_day=FIRST_INFUSION)
    assert judged(on_time, today=FIRST_INFUSION + timedelta(days=9)).flags == ()


@pytest.mark.parametrize(
    ("kind", "outcome", "expected"),
    [
        (CriterionKind.INCLUSION, Outcome.MET, True),
        (CriterionKind.INCLUSION, Outcome.NOT_MET, False),
        (CriterionKind.EXCLUSION, Outcome.MET, False),
        (CriterionKind.EXCLUSION, Outcome.NOT_MET, True),
        (CriterionKind.INCLUSION, Outcome.UNKNOWN, None),
        (CriterionKind.EXCLUSION, Outcome.UNKNOWN, None),
        (CriterionKind.INCLUSION, Outcome.NOT_APPLICABLE, True),
        (CriterionKind.EXCLUSION, Outcome.NOT_APPLICABLE, True),
    ],
)
def test_met_means_that_the_statement_is_true(kind, outcome, expected):
    """A true inclusion lets in, a true exclusion shuts out, nothing unknown lets in."""
    assert permits(kind, outcome) is expected


@pytest.mark.parametrize(
    ("id_", "medication_class"),
    [
        ("E1", MedicationClass.ANTITUMOR_THERAPY),
        ("E1", MedicationClass.HEMATOPOIETIC_TRANSPLANT),
        ("E14a", MedicationClass.LIVE_VACCINE),
        ("E17", MedicationClass.INVESTIGATIONAL_DRUG),
    ],
)
def test_recorded_medication_excludes_without_an_answer(id_, medication_class):
    """What is recorded excludes by itself; only its absence needs a person's word."""
    given = medication(medication_class, date(2026, 2, 20))
    result = judged(replace(_unanswered(id_), medications=(given,)))
    assert (result.failed, result.unknown) == ((id_,), ())
