"""Eligibility I1-E19: weighs every criterion on the facts and on what people answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.domain.eligibility_answers import hear, latest_answers
from app.domain.eligibility_evidence import (
    Case,
    EligibilityFacts,
    Flag,
    FlagCode,
    Judgement,
    Reading,
)
from app.domain.eligibility_record import belongs
from app.domain.eligibility_rules import (
    Criterion,
    CriterionKind,
    CriterionType,
    EligibilityRules,
    Outcome,
    permits,
)
from app.domain.facts import Attestation
from app.domain.quantities import Comparator


class Verdict(StrEnum):
    """The conclusion over all criteria."""

    ELIGIBLE = "eligible"
    NOT_ELIGIBLE = "not_eligible"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionResult:
    """The outcome of one criterion; value, unit and date are those of the reading that decided.

    `permits_entry` is the outcome's effect, the same way round for inclusions and exclusions.
    `computed_outcome` is what the facts alone say; `attestation` is the latest answer of a person.
    """

    id: str
    kind: CriterionKind
    type: CriterionType
    text: str
    rule: str
    outcome: Outcome
    permits_entry: bool | None
    computed_outcome: Outcome
    attestation: Attestation | None
    value: Decimal | str | None
    comparator: Comparator | None
    unit: str | None
    date: dt.date | None
    readings: tuple[Reading, ...]
    evidence: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityFlag:
    """A remark beside the verdict; `criterion` is None where it concerns all of them."""

    code: FlagCode
    criterion: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """The verdict, every criterion in the record's order, and which of them stand in the way."""

    verdict: Verdict
    reference_date: dt.date
    criteria: tuple[CriterionResult, ...]
    failed: tuple[str, ...]
    unknown: tuple[str, ...]
    flags: tuple[EligibilityFlag, ...]


def evaluate(facts: EligibilityFacts, rules: EligibilityRules, today: dt.date) -> Eligibility:
    """Weigh all criteria; eligible only if each one permits entry and none is unknown.

    Windows count back from the first infusion; before it is given, from its planned day, or from
    `today` without a plan. A planned day that has passed is flagged: the verdict then is about a
    day on which nothing is recorded.
    """
    case = Case(facts=facts, windows=rules.windows, today=today)
    answers = latest_answers(facts.attestations)
    results, flags = [], list(_plan_flags(case))
    for criterion in rules.criteria:
        result, remarks = _weigh(criterion, case, answers.get(criterion.id))
        results.append(result)
        flags += [
            EligibilityFlag(code=flag.code, criterion=criterion.id, evidence=flag.evidence)
            for flag in remarks
        ]
    failed = tuple(result.id for result in results if result.permits_entry is False)
    unknown = tuple(result.id for result in results if result.permits_entry is None)
    return Eligibility(
        verdict=_verdict(failed, unknown),
        reference_date=case.infusion_day,
        criteria=tuple(results),
        failed=failed,
        unknown=unknown,
        flags=tuple(flags),
    )


def _plan_flags(case: Case) -> tuple[EligibilityFlag, ...]:
    """Warn that windows hang on no plan, or on one whose day passed without an infusion."""
    planned = case.subject.planned_first_infusion_day
    if case.facts.first_infusion_day is not None:
        return ()
    if planned is None:
        code = FlagCode.NO_PLANNED_INFUSION
    elif planned < case.today:
        code = FlagCode.PLANNED_INFUSION_PASSED
    else:
        return ()
    return (EligibilityFlag(code=code, criterion=None, evidence=(case.subject.id,)),)


def _verdict(failed: tuple[str, ...], unknown: tuple[str, ...]) -> Verdict:
    if failed:
        return Verdict.NOT_ELIGIBLE
    return Verdict.UNDETERMINED if unknown else Verdict.ELIGIBLE


def _weigh(
    criterion: Criterion, case: Case, answer: Attestation | None
) -> tuple[CriterionResult, list[Flag]]:
    concerns = belongs(case.subject, criterion.concerns)
    judged = Judgement(None) if concerns is False else criterion.rule.judge(case)
    computed = _computed(criterion, concerns, judged.holds)
    outcome, flags = computed, list(judged.flags)
    if answer is not None:
        outcome, remarks = _heard(criterion, case, (computed, judged.readings), answer)
        flags += [Flag(code, (answer.id,)) for code in remarks]
    deciding = _deciding(judged)
    result = CriterionResult(
        id=criterion.id,
        kind=criterion.kind,
        type=criterion.type,
        text=criterion.text,
        rule=criterion.rule.name,
        outcome=outcome,
        permits_entry=permits(criterion.kind, outcome),
        computed_outcome=computed,
        attestation=answer,
        value=deciding.value if deciding else None,
        comparator=deciding.comparator if deciding else None,
        unit=deciding.unit if deciding else None,
        date=deciding.date if deciding else None,
        readings=judged.readings,
        evidence=_evidence(judged, answer),
        note=_note(criterion, judged, outcome, answer),
    )
    return result, flags


def _computed(criterion: Criterion, concerns: bool | None, holds: bool | None) -> Outcome:
    """Turn the judgement into an outcome; it counts for whom the criterion surely concerns.

    While that is open, only an outcome that would let the subject in anyway is certain.
    """
    if concerns is False:
        return Outcome.NOT_APPLICABLE
    if holds is None:
        return Outcome.UNKNOWN
    outcome = Outcome.MET if holds else Outcome.NOT_MET
    certain = concerns is True or permits(criterion.kind, outcome) is True
    return outcome if certain else Outcome.UNKNOWN


def _heard(
    criterion: Criterion,
    case: Case,
    found: tuple[Outcome, tuple[Reading, ...]],
    answer: Attestation,
) -> tuple[Outcome, list[FlagCode]]:
    """Return the outcome after an answer, with remarks; an early one cannot let the subject in."""
    computed, readings = found
    outcome, remark = hear(criterion, computed, readings, answer)
    remarks = [] if remark is None else [remark]
    if not _early(criterion, case, answer):
        return outcome, remarks
    heard = computed if permits(criterion.kind, outcome) else outcome
    return heard, [*remarks, FlagCode.ANSWER_BEFORE_WINDOW]


def _early(criterion: Criterion, case: Case, answer: Attestation) -> bool:
    """Tell whether an answer came before the days it speaks about, by the answer's own date.

    One given after them is none the worse: it looks back on those days.
    """
    if criterion.answer_window is None:
        return False
    return answer.at.date() < case.span(criterion.answer_window).first


def _deciding(judged: Judgement) -> Reading | None:
    """Choose the reading to show: the first that says what the judgement says, else the first."""
    agreeing = [reading for reading in judged.readings if reading.holds is judged.holds]
    return next(iter([*agreeing, *judged.readings]), None)


def _evidence(judged: Judgement, answer: Attestation | None) -> tuple[str, ...]:
    ids = [reading.evidence for reading in judged.readings]
    return tuple(dict.fromkeys(ids + ([answer.id] if answer else [])))


def _note(
    criterion: Criterion, judged: Judgement, outcome: Outcome, answer: Attestation | None
) -> str:
    if judged.note or outcome is not Outcome.UNKNOWN or not criterion.person_may_answer:
        return judged.note
    if answer is None:
        return "A person has to answer this."
    return "The answer does not count, see flags; a person has to answer this again."
