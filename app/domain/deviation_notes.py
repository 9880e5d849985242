"""Where a deviation stands once people have looked at it: nothing they write can hide one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class DeviationCategory(StrEnum):
    """What a deviation that a person reports is about."""

    CONSENT = "consent"
    ELIGIBILITY = "eligibility"
    PRODUCT = "product"
    DOSING = "dosing"
    VISIT = "visit"
    ASSESSMENT = "assessment"
    CONCOMITANT_TREATMENT = "concomitant_treatment"
    SAFETY_REPORTING = "safety_reporting"
    CONFIDENTIALITY = "confidentiality"
    DOCUMENTATION = "documentation"
    OTHER = "other"


class DeviationAssessment(StrEnum):
    """An investigator's word on a deviation.

    Important is what can affect a subject's rights, safety or well-being, or whether the data can
    be relied on (ICH E3, questions and answers).
    """

    IMPORTANT = "important"
    NOT_IMPORTANT = "not_important"


class DeviationStatus(StrEnum):
    """Where a deviation stands."""

    OPEN = "open"  # nobody has assessed it
    ASSESSED = "assessed"
    CHANGED = "changed"  # it reads differently than when it was assessed
    CAUSE_GONE = "cause_gone"  # a rule saw it once, and the records do not show it any more
    RETRACTED = "retracted"  # whoever reported it took it back


# How a deviation read when somebody looked at it, by plain names.
Seen = Mapping[str, object]
# The day of an overdue report is always today, so that it does not tell of a change.
_PASSING = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """An assessment, and how the deviation read that it is about."""

    word: DeviationAssessment
    seen: Seen


def stand(
    present: Seen | None, assessments: Sequence[Assessed], *, retracted: bool = False
) -> DeviationStatus:
    """Tell where a deviation stands; assessments come in the order of recording.

    `present` is how it reads now, None when no record shows it any more. The last assessment
    counts; what reads differently since then is to be looked at again.
    """
    if retracted:
        return DeviationStatus.RETRACTED
    if present is None:
        return DeviationStatus.CAUSE_GONE
    if not assessments:
        return DeviationStatus.OPEN
    same = _lasting(assessments[-1].seen) == _lasting(present)
    return DeviationStatus.ASSESSED if same else DeviationStatus.CHANGED


def _lasting(seen: Seen) -> dict[str, object]:
    return {name: value for name, value in seen.items() if name != _PASSING}
