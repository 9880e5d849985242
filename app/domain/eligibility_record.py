"""Eligibility rules on the subject's record, whom criteria concern, what only people answer."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from app.domain.eligibility_evidence import Case, Flag, FlagCode, Judgement, read_subject
from app.domain.facts import Subject
from app.domain.rules import rule_set
from app.domain.vocabulary import Disease, Sex


class Population(StrEnum):
    """Whom a criterion concerns; for everybody else it is not applicable."""

    EVERYONE = "everyone"
    FEMALE = "female"
    FEMALE_OF_CHILDBEARING_POTENTIAL = "female_of_childbearing_potential"
    MALE_OR_OF_CHILDBEARING_POTENTIAL = "male_or_of_childbearing_potential"
    ACUTE_LYMPHOBLASTIC_LEUKEMIA = "acute_lymphoblastic_leukemia"
    LYMPHOMA_OR_MYELOMA = "lymphoma_or_myeloma"
    COPD = "copd"
    ALLOGENEIC_TRANSPLANT = "allogeneic_transplant"


def _male_or_fertile(subject: Subject) -> bool | None:
    return True if subject.sex is Sex.MALE else subject.childbearing_potential


def _fertile_female(subject: Subject) -> bool | None:
    return False if subject.sex is Sex.MALE else subject.childbearing_potential


def _transplanted(subject: Subject) -> bool | None:
    if subject.allogeneic_transplant_day is not None:
        return True
    return subject.had_allogeneic_transplant


_BELONGS: dict[Population, Callable[[Subject], bool | None]] = {
    Population.EVERYONE: lambda _: True,
    Population.FEMALE: lambda subject: subject.sex is Sex.FEMALE,
    Population.FEMALE_OF_CHILDBEARING_POTENTIAL: _fertile_female,
    Population.MALE_OR_OF_CHILDBEARING_POTENTIAL: _male_or_fertile,
    Population.ACUTE_LYMPHOBLASTIC_LEUKEMIA: lambda subject: (
        subject.disease is Disease.ACUTE_LYMPHOBLASTIC_LEUKEMIA
    ),
    Population.LYMPHOMA_OR_MYELOMA: lambda subject: (
        subject.disease in (Disease.LYMPHOMA, Disease.MULTIPLE_MYELOMA)
    ),
    Population.COPD: lambda subject: subject.has_copd,
    Population.ALLOGENEIC_TRANSPLANT: _transplanted,
}


def belongs(subject: Subject, population: Population) -> bool | None:
    """Tell whether a criterion concerns the subject, or None while that is not recorded."""
    return _BELONGS[population](subject)


@rule_set
class SignedConsent:
    """Consent no later than the first study procedure, the start of screening (I1)."""

    name: Literal["signed_consent"]

    def judge(self, case: Case) -> Judgement:
        """Tell whether consent came first; flag assessments that were made before it."""
        consent = case.subject.consent_day
        if consent is None:
            return Judgement(None, note="No consent is recorded.")
        holds = consent <= case.subject.screening_day
        early = tuple(each.id for each in case.facts.assessments if each.day < consent)
        flags = (Flag(FlagCode.PROCEDURE_BEFORE_CONSENT, early),) if early else ()
        return Judgement(
            holds, (read_subject(case.subject, "consent", holds, day=consent),), flags=flags
        )


@rule_set
class MinimumAge:
    """Age in completed years at consent, or today while there is no consent (I2, C32)."""

    name: Literal["minimum_age"]
    years: int

    def judge(self, case: Case) -> Judgement:
        """Tell whether the age suffices; a birth year alone leaves two ages open."""
        day = case.subject.consent_day or case.today
        oldest = day.year - case.subject.birth_year
        youngest = oldest - 1
        if case.subject.age_at_consent is not None:
            oldest = youngest = case.subject.age_at_consent
        holds = True if youngest >= self.years else None
        if oldest < self.years:
            holds = False
        value = Decimal(oldest) if oldest == youngest else f"{youngest} or {oldest}"
        reading = read_subject(case.subject, "age", holds, value=value, day=day, unit="a")
        note = "" if holds is not None else "The birth year alone does not settle the age."
        return Judgement(holds, (reading,), note)


@rule_set
class DiseaseAmong:
    """The disease treated by CAR-T is one of those listed (I3)."""

    name: Literal["disease_among"]
    diseases: tuple[Disease, ...]

    def judge(self, case: Case) -> Judgement:
        """Tell whether the disease is listed."""
        disease = case.subject.disease
        holds = disease in self.diseases
        return Judgement(holds, (read_subject(case.subject, "disease", holds, value=disease),))


@rule_set
class PersonAnswers:
    """Nothing recorded can decide: a person says whether the statement is true."""

    name: Literal["person_answers"]

    def judge(self, case: Case) -> Judgement:
        """Leave the question open, whatever the facts are."""
        del case
        return Judgement(None)
