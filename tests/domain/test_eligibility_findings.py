"""Infection markers, viremia and pregnancy tests, by laboratory result or by assessment."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.domain.eligibility_rules import Outcome
from app.domain.quantities import Comparator
from app.domain.vocabulary import (
    AssessmentKind,
    Finding,
)
from tests.domain.eligible_subject import (
    ELIGIBLE,
    FIRST_INFUSION,
    SCREENING,
    TESTED,
    assessment,
    criterion,
    judged,
    lab,
    with_assessment,
    with_lab,
    with_subject,
    without_labs,
)

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN
NO_ANSWERS = replace(ELIGIBLE, attestations=())
SCREEN = AssessmentKind.INFECTION_SCREEN


@pytest.mark.parametrize(
    ("id_", "analyte", "key"),
    [
        ("E11a", "HIV_AGAB", "hiv_antibody"),
        ("E11b", "TP_AB", "treponemal_antibody"),
        ("E11c", "HBSAG", "hbsag"),
        ("E11e", "HCV_RNA", "hcv_rna"),
    ],
)
@pytest.mark.parametrize(
    ("finding", "outcome"), [("positive", MET), ("negative", NOT_MET), ("indeterminate", UNKNOWN)]
)
def test_infection_markers_by_result_or_by_screen(id_, analyte, key, finding, outcome):
    """E11: a laboratory finding and the same finding in an infection screen are worth the same."""
    assert criterion(with_lab(lab(analyte, finding=Finding(finding))), id_).outcome is outcome
    screened = with_assessment(assessment(SCREEN, **{key: finding}), without_labs(analyte))
    assert criterion(screened, id_).outcome is outcome


@pytest.mark.parametrize(
    ("id_", "analyte"), [("E11a", "HIV_AGAB"), ("E11b", "TP_AB"), ("E11c", "HBSAG")]
)
@pytest.mark.parametrize(
    ("value", "finding", "outcome"),
    [("0.9", Finding.POSITIVE, MET), ("1.1", None, MET), ("1.0", None, NOT_MET)],
)
def test_antibody_with_an_index_value(id_, analyte, value, finding, outcome):
    """E11a-c: the laboratory's positive finding counts even at an index below its limit."""
    facts = with_lab(lab(analyte, value, finding=finding, uln="1.0"))
    assert criterion(facts, id_).outcome is outcome


def test_hepatitis_b_reads_the_antibody_by_finding_and_the_dna_by_limit():
    """E11d: a detected antibody counts at any index; detected DNA below its limit does not."""
    core = with_lab(lab("HBCAB", "0.9", uln="1.0", finding=Finding.POSITIVE))
    for value, outcome in (("15", NOT_MET), ("25", MET)):
        dna = lab("HBV_DNA", value, uln="20", finding=Finding.POSITIVE)
        assert criterion(with_lab(dna, core), "E11d").outcome is outcome


def test_the_latest_marker_counts_across_sources():
    """E11a: a later screen replaces a result, an earlier one does not."""
    later = assessment(SCREEN, day=FIRST_INFUSION, hiv_antibody="positive")
    assert criterion(with_assessment(later), "E11a").outcome is MET
    earlier = assessment(SCREEN, day=SCREENING, hiv_antibody="positive")
    assert criterion(with_assessment(earlier), "E11a").outcome is NOT_MET


@pytest.mark.parametrize(
    ("core", "value", "comparator", "outcome"),
    [
        (Finding.POSITIVE, "20", None, NOT_MET),
        (Finding.POSITIVE, "20.1", None, MET),
        (Finding.POSITIVE, "20", Comparator.LT, NOT_MET),
        (Finding.POSITIVE, "20", Comparator.GT, MET),
        (Finding.POSITIVE, None, None, UNKNOWN),
        (Finding.NEGATIVE, "500", None, NOT_MET),
        (Finding.NEGATIVE, None, None, NOT_MET),
        (None, "20", None, NOT_MET),
        (None, "500", None, UNKNOWN),
    ],
)
def test_hepatitis_b_core_antibody_needs_dna_above_its_limit(core, value, comparator, outcome):
    """E11d (C34): core antibody with DNA at or below the limit passes; both are needed."""
    facts = without_labs("HBCAB")
    labs = [lab("HBCAB", finding=core)] if core else []
    labs += [lab("HBV_DNA", value, comparator=comparator, uln="20")] if value else []
    assert criterion(replace(facts, labs=(*facts.labs, *labs)), "E11d").outcome is outcome


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (lab("HCV_RNA", "15", uln="15"), NOT_MET),
        (lab("HCV_RNA", "16", uln="15"), MET),
        (lab("HCV_RNA", "12", uln="15", finding=Finding.POSITIVE), NOT_MET),
        (lab("HCV_RNA", "16", finding=Finding.POSITIVE), MET),
        (lab("HCV_RNA", "16", uln="15", finding=Finding.NEGATIVE), MET),
        (lab("HCV_RNA", "16"), UNKNOWN),
    ],
)
def test_viral_load_against_its_own_limit(result, outcome):
    """E11e (C34): the number against its limit goes first, the finding where there is none."""
    assert criterion(with_lab(result), "E11e").outcome is outcome


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (lab("CMV_DNA", finding=Finding.POSITIVE), MET),
        (lab("B19_DNA", finding=Finding.POSITIVE), MET),
        (lab("CMV_DNA", "501", uln="500"), MET),
        (lab("CMV_DNA", "400", uln="500", finding=Finding.POSITIVE), MET),
        (lab("B19_DNA", "2", uln="3", finding=Finding.POSITIVE), MET),
        (lab("CMV_DNA", "500", comparator=Comparator.LT, uln="500"), UNKNOWN),
        (lab("CMV_DNA", finding=Finding.NEGATIVE), UNKNOWN),
        (lab("CMV_DNA", finding=Finding.POSITIVE, day=FIRST_INFUSION - timedelta(7)), MET),
        (lab("CMV_DNA", finding=Finding.POSITIVE, day=FIRST_INFUSION - timedelta(8)), UNKNOWN),
    ],
)
def test_viremia_is_proven_by_a_test_but_ruled_out_by_a_person(result, outcome):
    """E3e: any positive test of the last 7 days counts; a negative one leaves other viruses."""
    assert criterion(with_lab(result, NO_ANSWERS), "E3e").outcome is outcome


def test_an_earlier_positive_viral_test_still_counts():
    """E3e: a later negative test does not undo viremia within the week."""
    labs = (
        lab("CMV_DNA", finding=Finding.POSITIVE, day=FIRST_INFUSION - timedelta(days=5)),
        lab("CMV_DNA", finding=Finding.NEGATIVE, day=FIRST_INFUSION - timedelta(days=1)),
    )
    facts = replace(NO_ANSWERS, labs=NO_ANSWERS.labs + labs)
    result = criterion(facts, "E3e")
    assert (result.outcome, result.value) == (MET, Finding.POSITIVE)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (lab("HCG_S", "5", uln="5"), MET),
        (lab("HCG_S", "5.1", uln="5"), NOT_MET),
        (lab("HCG_S", "1"), UNKNOWN),
        (lab("HCG_S", finding=Finding.NEGATIVE), MET),
        (lab("HCG_U", finding=Finding.INDETERMINATE), UNKNOWN),
        (lab("HCG_U", finding=Finding.NEGATIVE, day=FIRST_INFUSION - timedelta(7)), MET),
        (lab("HCG_U", finding=Finding.NEGATIVE, day=FIRST_INFUSION - timedelta(8)), UNKNOWN),
    ],
)
def test_pregnancy_test_in_the_week_before(result, outcome):
    """I7: a negative test, in urine or serum, at most 7 days before the first infusion."""
    assert criterion(with_lab(result, without_labs("HCG_U")), "I7").outcome is outcome


def test_pregnancy_assessment_is_as_good_as_a_result():
    """I7: the assessment's result counts; one positive test outweighs a negative one."""
    bare = without_labs("HCG_U")
    for finding, outcome in (("negative", MET), ("positive", NOT_MET), ("indeterminate", UNKNOWN)):
        made = assessment(
            AssessmentKind.PREGNANCY_TEST, day=TESTED, result=finding, lactating=False
        )
        assert criterion(with_assessment(made, bare), "I7").outcome is outcome
    positive = assessment(AssessmentKind.PREGNANCY_TEST, day=TESTED, hour=6, result="positive")
    assert criterion(with_assessment(positive), "I7").outcome is NOT_MET
    assert criterion(with_assessment(positive), "E15").outcome is MET


def test_the_reference_day_moves_the_windows():
    """A later planned infusion makes results of the week before the old plan too old."""
    moved = with_subject(planned_first_infusion_day=date(2026, 3, 16))
    assert judged(moved).unknown == ("I4", "I7", "E4", "E5", "E6", "E7", "E8", "E15")
