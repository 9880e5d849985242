"""Whom a criterion concerns: not applicable, open, or settled whatever the answer."""

from __future__ import annotations

from app.domain.eligibility import Verdict
from app.domain.eligibility_rules import Outcome
from app.domain.vocabulary import AssessmentKind, Disease, Finding, Sex
from tests.domain.eligible_subject import (
    ELIGIBLE,
    assessment,
    criterion,
    judged,
    lab,
    with_assessment,
    with_lab,
    with_subject,
    without_labs,
)

LEUKEMIA = with_subject(disease=Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA)


def test_a_man_needs_no_pregnancy_test():
    """Items about women are not applicable to men, and do not stand in the way."""
    man = with_subject(without_labs("HCG_U"), sex=Sex.MALE, childbearing_potential=None)
    assert judged(man).verdict is Verdict.ELIGIBLE
    assert criterion(man, "I7").outcome is Outcome.NOT_APPLICABLE
    assert criterion(man, "E15").outcome is Outcome.NOT_APPLICABLE
    assert criterion(man, "I8").outcome is Outcome.MET


def test_a_woman_who_cannot_bear_children_needs_neither_test_nor_contraception():
    """I7 and I8 are not applicable to her; lactation is still asked about."""
    facts = with_subject(without_labs("HCG_U"), childbearing_potential=False)
    assert judged(facts).verdict is Verdict.ELIGIBLE
    assert criterion(facts, "I7").outcome is Outcome.NOT_APPLICABLE
    assert criterion(facts, "I8").outcome is Outcome.NOT_APPLICABLE
    assert criterion(facts, "E15").outcome is Outcome.NOT_MET


def test_unknown_childbearing_potential_is_settled_by_a_negative_test_only():
    """A negative test satisfies I7 either way; without one nothing is certain."""
    unsure = with_subject(childbearing_potential=None)
    assert criterion(unsure, "I7").outcome is Outcome.MET
    for facts in (without_labs("HCG_U"), with_lab(lab("HCG_U", finding=Finding.POSITIVE))):
        changed = with_subject(facts, childbearing_potential=None)
        assert criterion(changed, "I7").outcome is Outcome.UNKNOWN


def test_transplant_items_need_a_transplant():
    """E13 is not applicable without allogeneic transplantation and open while that is open."""
    without = with_subject(allogeneic_transplant_day=None, had_allogeneic_transplant=False)
    unsure = with_subject(allogeneic_transplant_day=None, had_allogeneic_transplant=None)
    for id_ in ("E13a", "E13b", "E13c", "E13d"):
        assert criterion(without, id_).outcome is Outcome.NOT_APPLICABLE
    assert judged(without).verdict is Verdict.ELIGIBLE
    assert judged(unsure).unknown == ("E13a",)
    low = with_assessment(assessment(AssessmentKind.CHIMERISM, donor_percent=80), unsure)
    assert criterion(low, "E13b").outcome is Outcome.UNKNOWN


def test_copd_item_needs_copd():
    """E9g is not applicable without COPD; while that is open only a good FEV1 settles it."""
    poor = with_assessment(
        assessment(AssessmentKind.PHYSICAL_EXAMINATION, nyha_class=1, fev1_percent_predicted=30)
    )
    assert criterion(with_subject(poor, has_copd=False), "E9g").outcome is Outcome.NOT_APPLICABLE
    assert criterion(with_subject(poor, has_copd=None), "E9g").outcome is Outcome.UNKNOWN
    assert criterion(with_subject(has_copd=None), "E9g").outcome is Outcome.NOT_MET


def test_marrow_items_follow_the_disease():
    """Blasts concern leukemia, flow MRD and immunohistochemistry concern the other two."""
    assert criterion(ELIGIBLE, "E2a").outcome is Outcome.NOT_APPLICABLE
    assert criterion(LEUKEMIA, "E2b").outcome is Outcome.NOT_APPLICABLE
    myeloma = with_subject(disease=Disease.MULTIPLE_MYELOMA)
    assert criterion(myeloma, "E2b").outcome is Outcome.NOT_MET
    assert criterion(myeloma, "E2a").outcome is Outcome.NOT_APPLICABLE
