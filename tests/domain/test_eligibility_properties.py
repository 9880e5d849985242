"""Properties of the verdict over random subsets, orders and additions of facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.eligibility import Verdict
from app.domain.eligibility_evidence import EligibilityFacts
from app.domain.facts import Assessment, Attestation, LabResult, Medication
from app.domain.vocabulary import AssessmentKind, Finding, MedicationClass
from tests.domain.eligible_subject import (
    ANSWERED_NO,
    ANSWERED_YES,
    ELIGIBLE,
    FIRST_INFUSION,
    SCREENING,
    ZONE,
    answer,
    assessment,
    judged,
    lab,
    medication,
)

Fact = LabResult | Assessment | Attestation | Medication
FACTS: tuple[Fact, ...] = (*ELIGIBLE.labs, *ELIGIBLE.assessments, *ELIGIBLE.attestations)
DISPENSABLE = {each.id for each in ELIGIBLE.labs if each.analyte in ("PLT", "HGB")}
AFTERWARDS = datetime(2026, 3, 10, 20, tzinfo=ZONE)


def _bundle(facts: list[Fact]) -> EligibilityFacts:
    return replace(
        ELIGIBLE,
        labs=tuple(each for each in facts if isinstance(each, LabResult)),
        assessments=tuple(each for each in facts if isinstance(each, Assessment)),
        attestations=tuple(each for each in facts if isinstance(each, Attestation)),
        medications=tuple(each for each in facts if isinstance(each, Medication)),
    )


FAILING_FACTS: tuple[Fact, ...] = (
    lab("CREA", "150", uln="100", day=FIRST_INFUSION),
    lab("UREA", "150", uln="7", day=FIRST_INFUSION),
    lab("ALT", "120", uln="40", day=FIRST_INFUSION),
    lab("TBIL", "30", uln="20", day=FIRST_INFUSION),
    lab("HBA1C", "9.1", day=FIRST_INFUSION),
    lab("HBSAG", finding=Finding.POSITIVE, day=FIRST_INFUSION),
    lab("CMV_DNA", finding=Finding.POSITIVE, day=FIRST_INFUSION - timedelta(days=7)),
    lab("CMV_DNA", finding=Finding.POSITIVE, day=FIRST_INFUSION),
    lab("HCG_S", finding=Finding.POSITIVE, day=FIRST_INFUSION),
    assessment(AssessmentKind.ECOG, day=FIRST_INFUSION, score=3),
    assessment(AssessmentKind.ECG, day=FIRST_INFUSION, qtcf_ms=Decimal("480.1")),
    assessment(AssessmentKind.BONE_MARROW, day=FIRST_INFUSION, flow_mrd="positive"),
    assessment(AssessmentKind.CHIMERISM, day=FIRST_INFUSION, donor_percent=95),
    medication(MedicationClass.ANTITUMOR_THERAPY, SCREENING),
    medication(MedicationClass.LIVE_VACCINE, SCREENING),
    medication(MedicationClass.INVESTIGATIONAL_DRUG, SCREENING),
    *(answer(id_, True, at=AFTERWARDS) for id_ in ANSWERED_NO),
    *(answer(id_, False, at=AFTERWARDS) for id_ in ANSWERED_YES),
)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(range(len(FACTS))), max_size=3), st.booleans())
def test_eligible_only_with_every_needed_fact(missing, drop_dispensable):
    """Take facts away: eligible exactly while no needed one is missing, else undetermined."""
    kept = [
        each
        for index, each in enumerate(FACTS)
        if index not in missing and not (drop_dispensable and each.id in DISPENSABLE)
    ]
    result = judged(_bundle(kept))
    complete = all(FACTS[index].id in DISPENSABLE for index in missing)
    assert result.verdict is (Verdict.ELIGIBLE if complete else Verdict.UNDETERMINED)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(FACTS + FAILING_FACTS), unique_by=lambda fact: fact.id))
def test_the_verdict_follows_from_the_criteria(facts):
    """Eligible means that each criterion permits entry; unknown and failed are listed in full."""
    result = judged(_bundle(facts))
    effects = {each.id: each.permits_entry for each in result.criteria}
    assert result.failed == tuple(id_ for id_, effect in effects.items() if effect is False)
    assert result.unknown == tuple(id_ for id_, effect in effects.items() if effect is None)
    assert (result.verdict is Verdict.ELIGIBLE) is all(effects.values())
    assert (result.verdict is Verdict.NOT_ELIGIBLE) is (False in effects.values())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(FACTS), unique_by=lambda fact: fact.id),
    st.lists(st.sampled_from(FAILING_FACTS), min_size=1, unique_by=lambda fact: fact.id),
    st.booleans(),
)
def test_a_failing_fact_never_makes_eligible(facts, failing, everything):
    """Whatever is known before, a fact that fails a criterion ends eligibility for good."""
    before = list(FACTS) if everything else facts
    known = {each.id for each in before}
    added: list[Fact] = []
    for fact in failing:
        assert fact.id not in known
        added.append(fact)
        assert judged(_bundle(before + added)).verdict is not Verdict.ELIGIBLE


@settings(max_examples=30, deadline=None)
@given(st.permutations(FACTS + FAILING_FACTS[:12]))
def test_order_does_not_matter(facts):
    """The same facts give the same result in whatever order they are stored."""
    assert judged(_bundle(facts)) == judged(_bundle([*FACTS, *FAILING_FACTS[:12]]))
