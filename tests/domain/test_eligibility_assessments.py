"""Assessments at every threshold: ECOG, marrow, QTcF, NYHA class, FEV1 and chimerism."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.eligibility_assessments import fridericia
from app.domain.eligibility_evidence import FlagCode
from app.domain.eligibility_rules import Outcome
from app.domain.vocabulary import AssessmentKind, Disease
from tests.domain.eligible_subject import (
    ELIGIBLE,
    FIRST_INFUSION,
    SCREENING,
    assessment,
    criterion,
    judged,
    with_assessment,
    with_subject,
)

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN
LEUKEMIA = with_subject(disease=Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA)
EXAMINATION = AssessmentKind.PHYSICAL_EXAMINATION


def _ecg(**content: Any) -> Outcome:
    return criterion(with_assessment(assessment(AssessmentKind.ECG, **content)), "E9c").outcome


@pytest.mark.parametrize("score", range(6))
def test_ecog_up_to_two_is_included(score):
    """I5: 0, 1 and 2 are in, 3 to 5 are out."""
    facts = with_assessment(assessment(AssessmentKind.ECOG, score=score))
    assert criterion(facts, "I5").outcome is (MET if score <= 2 else NOT_MET)


@pytest.mark.parametrize(
    ("id_", "kind", "key", "threshold", "excluded_at", "excluded_above"),
    [
        ("E2a", AssessmentKind.BONE_MARROW, "blasts_percent", 50, False, True),
        ("E9c", AssessmentKind.ECG, "qtcf_ms", 4800, False, True),
        ("E9d", EXAMINATION, "nyha_class", 30, True, True),
        ("E9g", EXAMINATION, "fev1_percent_predicted", 500, False, False),
        ("E13b", AssessmentKind.CHIMERISM, "donor_percent", 950, True, False),
    ],
)
@settings(max_examples=25, deadline=None)
@given(offset=st.integers(-12, 12))
def test_every_threshold_has_its_own_relation(
    id_, kind, key, threshold, excluded_at, excluded_above, offset
):
    """C26: blasts 5.0 %, QTcF 480 and FEV1 50 % pass; NYHA III and chimerism 95.0 % exclude."""
    facts = LEUKEMIA if id_ == "E2a" else ELIGIBLE
    value = Decimal(threshold + offset).scaleb(-1)
    outcome = criterion(with_assessment(assessment(kind, **{key: value}), facts), id_).outcome
    excluded = excluded_at if offset == 0 else (offset > 0) is excluded_above
    assert outcome is (MET if excluded else NOT_MET)


@pytest.mark.parametrize("number", [5, Decimal(5), 5.0, "5"])
def test_numbers_are_read_by_their_decimal_notation(number):
    """E2a: 5 % passes in whatever form the content carries it."""
    made = assessment(AssessmentKind.BONE_MARROW, blasts_percent=number)
    result = criterion(with_assessment(made, LEUKEMIA), "E2a")
    assert result.outcome is NOT_MET


def test_marrow_must_be_of_the_screening_period():
    """E2 ('during the screening period'): an older marrow says nothing."""
    for days, outcome in ((-1, UNKNOWN), (0, NOT_MET)):
        day = SCREENING + timedelta(days=days)
        made = assessment(AssessmentKind.BONE_MARROW, day=day, flow_mrd="negative")
        assert criterion(with_assessment(made), "E2b").outcome is outcome
    after = assessment(
        AssessmentKind.BONE_MARROW, day=FIRST_INFUSION + timedelta(days=1), flow_mrd="positive"
    )
    assert criterion(with_assessment(after), "E2b").outcome is UNKNOWN


def test_the_latest_answer_to_a_key_counts():
    """A later assessment replaces an earlier one, but not where it leaves the key out."""
    later = assessment(AssessmentKind.ECOG, hour=9, score=3)
    facts = replace(ELIGIBLE, assessments=(later, *ELIGIBLE.assessments))
    assert criterion(facts, "I5").outcome is NOT_MET
    empty = assessment(AssessmentKind.ECOG, hour=10)
    facts = replace(facts, assessments=(empty, *facts.assessments))
    assert criterion(facts, "I5").value == 3


@pytest.mark.parametrize(
    ("qt", "rr", "outcome"),
    [(384, 512, NOT_MET), (385, 512, MET), (383, 512, NOT_MET), (480, 1000, NOT_MET)],
)
def test_fridericia_is_exact_at_the_threshold(qt, rr, outcome):
    """E9c: 384 ms at RR 512 ms (cube root 0.8) is exactly 480 ms, which passes."""
    assert _ecg(qt_ms=qt, rr_ms=rr) is outcome


@settings(max_examples=100, deadline=None)
@given(st.integers(250, 700), st.integers(300, 2000))
def test_fridericia_agrees_with_an_independent_formula(qt, rr):
    """QT and RR alone decide as whole-number arithmetic does, and the shown value is near."""
    assert (_ecg(qt_ms=qt, rr_ms=rr) is MET) is (1000 * qt**3 > 480**3 * rr)
    shown = fridericia(Decimal(qt), Decimal(rr))
    assert abs(float(shown) - qt / (rr / 1000) ** (1 / 3)) < 0.01


@pytest.mark.parametrize(
    ("content", "outcome", "flagged"),
    [
        ({"qt_ms": 400, "rr_ms": 1000, "qtcf_ms": 405}, NOT_MET, False),
        ({"qt_ms": 400, "rr_ms": 1000, "qtcf_ms": 406}, NOT_MET, True),
        ({"qt_ms": 485, "rr_ms": 1000, "qtcf_ms": 480}, MET, False),
        ({"qt_ms": 470, "rr_ms": 1000, "qtcf_ms": 490}, MET, True),
        ({"qt_ms": 490, "rr_ms": 1000, "qtcf_ms": 470}, MET, True),
    ],
)
def test_reported_qtcf_is_checked(content, outcome, flagged):
    """E9c: the longer of the reported and the computed value decides; disagreement is flagged."""
    facts = with_assessment(assessment(AssessmentKind.ECG, **content))
    assert criterion(facts, "E9c").outcome is outcome
    codes = [flag.code for flag in judged(facts).flags]
    assert codes == ([FlagCode.QTCF_DISAGREES] if flagged else [])


def test_qtcf_needs_one_complete_ecg():
    """E9c: QT of one recording and RR of another are not combined; the last complete one counts."""
    assert _ecg(qt_ms=400) is UNKNOWN
    assert _ecg(rr_ms=900) is UNKNOWN
    ecgs = (
        assessment(AssessmentKind.ECG, hour=6, qtcf_ms=500),
        assessment(AssessmentKind.ECG, hour=7, qt_ms=380),
    )
    others = tuple(each for each in ELIGIBLE.assessments if each.kind is not AssessmentKind.ECG)
    facts = replace(ELIGIBLE, assessments=others + ecgs)
    assert criterion(facts, "E9c").outcome is MET
