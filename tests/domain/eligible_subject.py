"""A subject who is eligible and whom every criterion but E2a concerns, for tests to spoil."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from app.domain.eligibility import CriterionResult, Eligibility, evaluate
from app.domain.eligibility_evidence import EligibilityFacts
from app.domain.eligibility_rules import EligibilityRules
from app.domain.facts import Assessment, Attestation, LabResult, Medication, Subject, Transfusion
from app.domain.quantities import Comparator, Measurement
from app.domain.vocabulary import (
    AssessmentKind,
    Disease,
    Finding,
    LabStatus,
    MedicationClass,
    Sex,
    TransfusionProduct,
)
from tests.protocol_data import section

SCREENING = date(2026, 3, 2)
TESTED = date(2026, 3, 8)
FIRST_INFUSION = date(2026, 3, 10)
ZONE = timezone(timedelta(hours=8))
UNITS = {"ANC": "10*9/L", "PLT": "10*9/L", "HGB": "g/L", "HBA1C": "%"}
LATER = datetime(2026, 3, 9, 12, tzinfo=ZONE)


def rules() -> EligibilityRules:
    """Return the shipped criteria."""
    return section("eligibility", EligibilityRules)


def moment(day: date, hour: int = 8) -> datetime:
    """Return a local time on a day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def lab(
    analyte: str,
    value: str | Decimal | None = None,
    *,
    day: date = TESTED,
    hour: int = 8,
    comparator: Comparator | None = None,
    finding: Finding | None = None,
    uln: str | Decimal | None = None,
    **more: Any,
) -> LabResult:
    """Make one result; `value` in the analyte's canonical unit."""
    measurement = None if value is None else Measurement(Decimal(value), comparator)
    defaults = {
        "id": f"{analyte}-{day}-{hour}",
        "unit": UNITS.get(analyte),
        "status": LabStatus.FINAL,
    }
    return LabResult(
        analyte=analyte,
        measurement=measurement,
        finding=finding,
        uln=None if uln is None else Decimal(uln),
        at=moment(day, hour),
        day=day,
        **(defaults | more),
    )


def assessment(kind: AssessmentKind, *, day: date = SCREENING, hour: int = 8, **content: Any):
    """Make one assessment."""
    return Assessment(
        id=f"{kind}-{day}-{hour}", kind=kind, at=moment(day, hour), day=day, content=content
    )


def medication(
    medication_class: MedicationClass, start: date, end: date | None = None, **more: Any
) -> Medication:
    """Make one medication."""
    return Medication(
        id=f"{medication_class}-{start}",
        medication_class=medication_class,
        name="a drug",
        start_at=moment(start),
        start_day=start,
        end_day=end,
        **more,
    )


def transfusion(product: TransfusionProduct, day: date, hour: int = 7) -> Transfusion:
    """Make one transfusion."""
    return Transfusion(id=f"{product}-{day}", product=product, at=moment(day, hour), day=day)


def answer(
    criterion: str, met: bool, *, reason: str | None = None, at: datetime = LATER
) -> Attestation:
    """Make a person's answer."""
    return Attestation(
        id=f"answer-{criterion}-{at.isoformat()}",
        criterion=criterion,
        met=met,
        at=at,
        reason=reason,
    )


SUBJECT = Subject(
    id="subject",
    number="S-001",
    sex=Sex.FEMALE,
    birth_year=1980,
    age_at_consent=45,
    childbearing_potential=True,
    consent_day=SCREENING,
    screening_day=SCREENING,
    disease=Disease.LYMPHOMA,
    car_t_product="a product",
    car_t_day=date(2026, 1, 20),
    car_t_was_investigational=False,
    allogeneic_transplant_day=date(2025, 3, 1),
    had_allogeneic_transplant=True,
    has_copd=True,
    planned_first_infusion_day=FIRST_INFUSION,
)
LABS = (
    lab("ANC", "0.8"),
    lab("PLT", "45"),
    lab("HGB", "85"),
    lab("CREA", "70", uln="100"),
    lab("BUN", "5", uln="7"),
    lab("ALT", "30", uln="40"),
    lab("AST", "30", uln="40"),
    lab("TBIL", "10", uln="20"),
    lab("HBA1C", "6.1"),
    lab("HIV_AGAB", finding=Finding.NEGATIVE),
    lab("TP_AB", finding=Finding.NEGATIVE),
    lab("HBSAG", finding=Finding.NEGATIVE),
    lab("HBCAB", finding=Finding.NEGATIVE),
    lab("HCV_RNA", "15", comparator=Comparator.LT, uln="15"),
    lab("HCG_U", finding=Finding.NEGATIVE),
)
ASSESSMENTS = (
    assessment(AssessmentKind.ECOG, score=1),
    assessment(AssessmentKind.ECG, qt_ms=400, rr_ms=1000, qtcf_ms=400),
    assessment(
        AssessmentKind.BONE_MARROW,
        blasts_percent=Decimal("1.5"),
        flow_mrd="negative",
        ihc_infiltration="negative",
    ),
    assessment(AssessmentKind.CHIMERISM, donor_percent=Decimal("99.2")),
    assessment(AssessmentKind.PREGNANCY_TEST, lactating=False),
    assessment(
        AssessmentKind.PHYSICAL_EXAMINATION, nyha_class=1, fev1_percent_predicted=Decimal(81)
    ),
)
ANSWERED_YES = ("I6", "I8")
ANSWERED_NO = (
    *("E1", "E3a", "E3b", "E3c", "E3d", "E3e", "E3f", "E3g", "E9a", "E9b", "E9f", "E9h", "E10"),
    *("E12", "E13c", "E13d", "E14a", "E14b", "E16", "E17", "E18", "E19"),
)
ANSWERS = tuple(answer(id_, True) for id_ in ANSWERED_YES) + tuple(
    answer(id_, False) for id_ in ANSWERED_NO
)
ELIGIBLE = EligibilityFacts(
    subject=SUBJECT, labs=LABS, assessments=ASSESSMENTS, attestations=ANSWERS
)


def with_subject(facts: EligibilityFacts = ELIGIBLE, **changes: Any) -> EligibilityFacts:
    """Change the subject's record."""
    return replace(facts, subject=replace(facts.subject, **changes))


def with_lab(result: LabResult, facts: EligibilityFacts = ELIGIBLE) -> EligibilityFacts:
    """Let one result stand in for all of its analyte."""
    others = tuple(each for each in facts.labs if each.analyte != result.analyte)
    return replace(facts, labs=(*others, result))


def without_labs(*analytes: str, facts: EligibilityFacts = ELIGIBLE) -> EligibilityFacts:
    """Take all results of some analytes away."""
    return replace(facts, labs=tuple(each for each in facts.labs if each.analyte not in analytes))


def with_assessment(made: Assessment, facts: EligibilityFacts = ELIGIBLE) -> EligibilityFacts:
    """Let one assessment stand in for all of its kind."""
    others = tuple(each for each in facts.assessments if each.kind is not made.kind)
    return replace(facts, assessments=(*others, made))


def with_answers(*answers: Attestation, facts: EligibilityFacts = ELIGIBLE) -> EligibilityFacts:
    """Let answers stand in for the earlier ones to the same criteria."""
    ids = {each.criterion for each in answers}
    others = tuple(each for each in facts.attestations if each.criterion not in ids)
    return replace(facts, attestations=others + answers)


def judged(facts: EligibilityFacts, today: date = TESTED) -> Eligibility:
    """Evaluate against the shipped criteria."""
    return evaluate(facts, rules(), today)


def criterion(facts: EligibilityFacts, id_: str, today: date = TESTED) -> CriterionResult:
    """Evaluate and pick one criterion."""
    return next(each for each in judged(facts, today).criteria if each.id == id_)
