"""What an assessment leaves open or contradicts, given who the subject is; it blocks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from app.domain.assessment_content import ContentKey
from app.domain.eligibility_assessments import fridericia
from app.domain.eligibility_evidence import exact
from app.domain.errors import Reason
from app.domain.facts import Subject
from app.domain.vocabulary import AssessmentKind, Disease, Sex

Content = Mapping[str, Any]

_LYMPHOID = (ContentKey.FLOW_MRD, ContentKey.IHC_INFILTRATION)
# What a marrow is judged by, disease by disease (E2a, E2b, E2c).
MARROW_FINDINGS: Mapping[Disease, tuple[ContentKey, ...]] = {
    Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA: (ContentKey.BLASTS_PERCENT,),
    Disease.LYMPHOMA: _LYMPHOID,
    Disease.MULTIPLE_MYELOMA: _LYMPHOID,
}


def computed_qtcf(kind: AssessmentKind, content: Content) -> Decimal | None:
    """Work out QTcF in milliseconds from QT and RR, None where they were not measured (E9c)."""
    qt, rr = content.get(ContentKey.QT_MS), content.get(ContentKey.RR_MS)
    if kind is not AssessmentKind.ECG or qt is None or rr is None:
        return None
    return fridericia(exact(qt), exact(rr))


def assessment_doubts(
    kind: AssessmentKind, content: Content, subject: Subject
) -> tuple[Reason, ...]:
    """List what is missing from an assessment, or speaks against what is known of the subject."""
    if kind is AssessmentKind.BONE_MARROW:
        return tuple(_marrow(content, subject.disease))
    if kind is AssessmentKind.CHIMERISM:
        return tuple(_chimerism(subject.had_allogeneic_transplant))
    if kind is AssessmentKind.PREGNANCY_TEST and subject.sex is Sex.MALE:
        return (Reason("not_of_this_sex", "The subject is recorded as male; correct one of them."),)
    return ()


def _marrow(content: Content, disease: Disease) -> Iterator[Reason]:
    """Ask for the findings that the disease is judged by; one may come later than another."""
    for key in MARROW_FINDINGS.get(disease, ()):
        if content.get(key) is None:
            yield Reason(
                f"{key}_missing",
                f"The subject's disease is judged by {key}; add it when it is there.",
                f"/content/{key}",
            )


def _chimerism(had_transplant: bool | None) -> Iterator[Reason]:
    """Donor cells are there after an allogeneic transplant only (E13b)."""
    if had_transplant is False:
        yield Reason(
            "no_transplant",
            "The subject is recorded as not transplanted; correct one of them.",
        )
    if had_transplant is None:
        yield Reason(
            "transplant_unknown", "Whether the subject was transplanted is not recorded; record it."
        )
