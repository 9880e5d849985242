"""The eligibility rule set: the registered criteria, each with the rule that decides it."""

from __future__ import annotations

from enum import StrEnum

from app.domain.eligibility_assessments import AssessmentFinding, AssessmentLimit, Qtcf
from app.domain.eligibility_evidence import Window, WindowName
from app.domain.eligibility_findings import (
    InfectionMarkers,
    PregnancyTest,
    PregnantOrLactating,
    Viremia,
)
from app.domain.eligibility_laboratory import Cytopenia, LabLimit, MultipleOfUln
from app.domain.eligibility_record import (
    DiseaseAmong,
    MinimumAge,
    PersonAnswers,
    Population,
    SignedConsent,
)
from app.domain.eligibility_treatment import (
    RecentMedication,
    SoonAfterTransplant,
    TherapyAfterCarT,
)
from app.domain.rules import rule_set

Rule = (
    SignedConsent
    | MinimumAge
    | DiseaseAmong
    | Cytopenia
    | LabLimit
    | MultipleOfUln
    | AssessmentLimit
    | AssessmentFinding
    | Qtcf
    | InfectionMarkers
    | Viremia
    | PregnancyTest
    | PregnantOrLactating
    | TherapyAfterCarT
    | RecentMedication
    | SoonAfterTransplant
    | PersonAnswers
)


class CriterionKind(StrEnum):
    """Whether a true statement lets the subject in or shuts it out."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class CriterionType(StrEnum):
    """Where the answer to a criterion comes from in the first place."""

    RECORD = "record"
    COMPUTED = "computed"
    CODED = "coded"
    ATTESTED = "attested"


class Outcome(StrEnum):
    """Whether the criterion's statement is true of the subject.

    `met` always means that the statement is true: an inclusion that is met lets the subject in,
    an exclusion that is met shuts the subject out.
    """

    MET = "met"
    NOT_MET = "not_met"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@rule_set
class Criterion:
    """One registered item; a person may answer it without a reason only where facts leave it open.

    `answer_window` is the span that an answer should not precede, if the item has one.
    """

    id: str
    kind: CriterionKind
    type: CriterionType
    text: str
    concerns: Population
    person_may_answer: bool
    answer_window: WindowName | None
    rule: Rule

    def __post_init__(self) -> None:
        if isinstance(self.rule, PersonAnswers) and not self.person_may_answer:
            raise ValueError(f"{self.id}: nobody could ever answer it")


@rule_set
class EligibilityRules:
    """The windows and the criteria of the trial, in the order of the record."""

    windows: dict[WindowName, Window]
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        if set(self.windows) != set(WindowName):
            raise ValueError("every window needs its days")
        if len({criterion.id for criterion in self.criteria}) != len(self.criteria):
            raise ValueError("criterion ids must differ")

    def criterion(self, id_: str) -> Criterion | None:
        """Return the criterion of this id, or None if the trial has no such criterion."""
        return next((each for each in self.criteria if each.id == id_), None)


def permits(kind: CriterionKind, outcome: Outcome) -> bool | None:
    """Tell whether an outcome lets the subject in; None while it is unknown."""
    if outcome is Outcome.UNKNOWN:
        return None
    if outcome is Outcome.NOT_APPLICABLE:
        return True
    return (outcome is Outcome.MET) is (kind is CriterionKind.INCLUSION)
