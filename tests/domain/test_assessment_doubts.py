"""What an assessment leaves open: marrow by disease, chimerism by transplant, QTcF worked out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from app.domain.assessment_doubts import MARROW_FINDINGS, assessment_doubts, computed_qtcf
from app.domain.facts import Subject
from app.domain.vocabulary import AssessmentKind, Disease, Sex

SUBJECT = Subject(
    id="subject",
    number="S-001",
    sex=Sex.MALE,
    birth_year=1980,
    screening_day=date(2026, 5, 1),
    disease=Disease.LYMPHOMA,
    had_allogeneic_transplant=True,
)
BLASTS, FLOW, IHC = "blasts_percent", "flow_mrd", "ihc_infiltration"


def codes(kind: AssessmentKind, content: dict[str, Any], **subject: Any) -> list[str]:
    """List the codes of the doubts."""
    return [each.code for each in assessment_doubts(kind, content, replace(SUBJECT, **subject))]


@pytest.mark.parametrize(
    ("disease", "given", "missing"),
    [
        (Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA, (BLASTS,), []),
        (Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA, (FLOW, IHC), ["blasts_percent_missing"]),
        (Disease.LYMPHOMA, (FLOW, IHC), []),
        (Disease.LYMPHOMA, (BLASTS, FLOW), ["ihc_infiltration_missing"]),
        (Disease.MULTIPLE_MYELOMA, (BLASTS,), ["flow_mrd_missing", "ihc_infiltration_missing"]),
        (Disease.OTHER, (BLASTS,), []),
    ],
)
def test_a_marrow_is_judged_by_the_disease(
    disease: Disease, given: tuple[str, ...], missing: list[str]
) -> None:
    """Zero blasts and a negative finding are there; a finding of another disease helps nothing."""
    content = {BLASTS: Decimal(0), FLOW: "negative", IHC: "negative"}
    found = {key: value for key, value in content.items() if key in given}
    assert codes(AssessmentKind.BONE_MARROW, found, disease=disease) == missing


def test_every_disease_of_the_trial_has_its_findings() -> None:
    """Only a disease that the trial does not take has none."""
    assert set(Disease) - set(MARROW_FINDINGS) == {Disease.OTHER}


@pytest.mark.parametrize(
    ("had_transplant", "doubts"),
    [(True, []), (False, ["no_transplant"]), (None, ["transplant_unknown"])],
)
def test_chimerism_is_of_a_transplant(had_transplant: bool | None, doubts: list[str]) -> None:
    """Without one, or as long as nobody knows of one, the percentage says nothing."""
    content = {"donor_percent": Decimal(98)}
    found = codes(AssessmentKind.CHIMERISM, content, had_allogeneic_transplant=had_transplant)
    assert found == doubts


def test_a_pregnancy_test_is_of_a_woman() -> None:
    """Of a man it contradicts the record of the sex."""
    kind, content = AssessmentKind.PREGNANCY_TEST, {"result": "negative"}
    assert codes(kind, content) == ["not_of_this_sex"]
    assert codes(kind, content, sex=Sex.FEMALE) == []


def test_other_kinds_leave_nothing_open() -> None:
    """A score is a score."""
    assert codes(AssessmentKind.ECOG, {"score": 1}) == []


@pytest.mark.parametrize(
    ("content", "qtcf"),
    [
        ({"qt_ms": 400, "rr_ms": 1000}, "400.00"),
        ({"qt_ms": 400, "rr_ms": 800}, "430.89"),
        ({"qt_ms": Decimal("400.5"), "rr_ms": 800, "qtcf_ms": 431}, "431.43"),
        ({"qtcf_ms": 431}, None),
        ({"qt_ms": 400}, None),
    ],
)
def test_qtcf_is_worked_out_from_qt_and_rr(content: dict[str, Any], qtcf: str | None) -> None:
    """QT / RR^(1/3) with RR in seconds; whatever was reported stays beside it."""
    found = computed_qtcf(AssessmentKind.ECG, content)
    assert found == (None if qtcf is None else Decimal(qtcf))
    assert computed_qtcf(AssessmentKind.VITAL_SIGNS, content) is None
