"""The questions that the records of a subject raise by themselves, each as long as its cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.disposition import death_without_event
from app.domain.eligibility import Eligibility
from app.domain.eligibility_evidence import FlagCode
from app.domain.eligibility_rules import EligibilityRules
from app.domain.eligibility_treatment import RecentMedication
from app.domain.facts import AdverseEvent, Disposition, Infusion, Subject
from app.domain.schedule import Schedule, visits_without_count
from app.domain.visits import PerformedDay


class QueryRule(StrEnum):
    """The rules that ask."""

    IMPLAUSIBLE_VALUE = "implausible_value"
    BLOOD_COUNT_MISSING = "blood_count_missing"
    CAR_T_INVESTIGATIONAL = "car_t_investigational"
    CAR_T_KIND_UNKNOWN = "car_t_kind_unknown"
    HALF_LIFE_UNKNOWN = "half_life_unknown"
    QTCF_DISAGREES = "qtcf_disagrees"
    CAUSALITY_MISSING = "causality_missing"
    VOLUME_MISSING = "volume_missing"
    DEATH_WITHOUT_EVENT = "death_without_event"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldResult:
    """A result that waits in the inbox because no living person has its value."""

    id: str
    analyte: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFacts:
    """What one subject's questions are derived from; the schedule carries the moment."""

    subject: Subject
    schedule: Schedule
    performed: tuple[PerformedDay, ...]
    infusions: tuple[Infusion, ...]
    events: tuple[AdverseEvent, ...]
    dispositions: tuple[Disposition, ...]
    eligibility: Eligibility
    held: tuple[HeldResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question, about a record or one of its fields; `day` is the day that it concerns.

    `key` stays the same while the cause does, and differs when another cause takes its place.
    """

    key: str
    rule: QueryRule
    record_type: str
    record_id: str
    field: str | None
    day: date | None
    text: str


def derive_findings(
    facts: QueryFacts, blood_count_visits: tuple[str, ...], eligibility: EligibilityRules
) -> tuple[Finding, ...]:
    """Derive every question that a subject's records raise, in the order of their keys."""
    findings = (
        *held_findings(facts.held),
        *_blood_counts(facts, blood_count_visits),
        *_flagged(facts),
        *_unknown_car_t(facts, eligibility),
        *_causality(facts),
        *_volumes(facts),
        *_death(facts),
    )
    return tuple(sorted(findings, key=lambda finding: finding.key))


def _finding(
    rule: QueryRule,
    about: str,
    record: tuple[str, str, str | None],
    day: date | None,
    text: str,
) -> Finding:
    """Make a finding; `record` is its type, id and field, `about` names its cause."""
    record_type, record_id, field = record
    return Finding(
        key=f"{rule}:{about}",
        rule=rule,
        record_type=record_type,
        record_id=record_id,
        field=field,
        day=day,
        text=text,
    )


def held_findings(held: Iterable[HeldResult]) -> Iterator[Finding]:
    """Ask about the results of one subject that wait in the inbox."""
    for item in held:
        yield _finding(
            QueryRule.IMPLAUSIBLE_VALUE,
            item.id,
            ("inbox_item", item.id, None),
            None,
            f"A result for {item.analyte or 'an unknown analyte'} waits in the inbox: no living"
            " person has this value. Check the unit and the code with the laboratory.",
        )


def _blood_counts(facts: QueryFacts, visits: tuple[str, ...]) -> Iterator[Finding]:
    """Ask for the counts at week 4 and 8, on which the response rests (C7)."""
    for visit in visits_without_count(facts.schedule, facts.performed, visits):
        end = visit.window.end
        yield _finding(
            QueryRule.BLOOD_COUNT_MISSING,
            f"{visit.name}:{end}",
            ("subject", facts.subject.id, None),
            end,
            f"Visit {visit.name} has no complete blood count from {visit.window.start} to {end}."
            " Record it, or say why there is none.",
        )


def _flagged(facts: QueryFacts) -> Iterator[Finding]:
    """Ask about what the eligibility rules remarked."""
    for flag in facts.eligibility.flags:
        for evidence in flag.evidence:
            if flag.code is FlagCode.INVESTIGATIONAL_CAR_T:
                yield _conflict(facts.subject)
            if flag.code is FlagCode.HALF_LIFE_UNKNOWN:
                yield _finding(
                    QueryRule.HALF_LIFE_UNKNOWN,
                    evidence,
                    ("concomitant_medication", evidence, "half_life_days"),
                    None,
                    f"Criterion {flag.criterion} counts in half-lives, and this drug has none on"
                    " record. State it.",
                )
            if flag.code is FlagCode.QTCF_DISAGREES:
                yield _finding(
                    QueryRule.QTCF_DISAGREES,
                    evidence,
                    ("assessment", evidence, "content"),
                    None,
                    "The QTcF on record is not the one that its QT and RR give. Check all three.",
                )


def _conflict(subject: Subject) -> Finding:
    """Ask what the record leaves open about an investigational CAR-T product (C27)."""
    return _finding(
        QueryRule.CAR_T_INVESTIGATIONAL,
        f"E17:{subject.car_t_day}",
        ("subject", subject.id, "car_t_was_investigational"),
        subject.car_t_day,
        "E17 shuts out other study drugs before the first infusion, and the CAR-T product was one"
        " that recently; the trial admits from three weeks after CAR-T. Say which of them counts.",
    )


def _unknown_car_t(facts: QueryFacts, rules: EligibilityRules) -> Iterator[Finding]:
    """Ask whether a recent CAR-T product was investigational when nobody said (C27)."""
    subject = facts.subject
    if subject.car_t_day is None or subject.car_t_was_investigational is not None:
        return
    ago = facts.eligibility.reference_date - subject.car_t_day
    for criterion in rules.criteria:
        rule = criterion.rule
        if not isinstance(rule, RecentMedication) or not rule.query_investigational_car_t:
            continue
        if ago < timedelta(days=rule.days):
            yield _finding(
                QueryRule.CAR_T_KIND_UNKNOWN,
                f"{criterion.id}:{subject.car_t_day}",
                ("subject", subject.id, "car_t_was_investigational"),
                subject.car_t_day,
                f"For criterion {criterion.id}, say whether the CAR-T product was an"
                " investigational one.",
            )


def _causality(facts: QueryFacts) -> Iterator[Finding]:
    """Ask for the relation to the product, once it can have one; missing counts as related."""
    for event in events_under_treatment(facts):
        if event.causality is None:
            yield _finding(
                QueryRule.CAUSALITY_MISSING,
                event.id,
                ("adverse_event", event.id, "causality"),
                event.onset_day,
                "The event began under treatment and has no relation to the product on record, so"
                " it counts as related. State it.",
            )


def events_under_treatment(facts: QueryFacts) -> list[AdverseEvent]:
    """List the events since the first product was given, which need a relation to it."""
    given = min((each.day for each in facts.infusions if each.day and each.given), default=None)
    return [event for event in facts.events if given is not None and event.onset_day >= given]


def _volumes(facts: QueryFacts) -> Iterator[Finding]:
    """Ask what was given the day after an infusion: without a volume it counts as not given."""
    for each in facts.infusions:
        if each.day is None or each.cancelled or each.volume_ml is not None:
            continue
        if each.day < facts.schedule.as_of:
            yield _finding(
                QueryRule.VOLUME_MISSING,
                each.id,
                ("infusion", each.id, "volume_ml"),
                each.day,
                f"Infusion {each.number} was started, and no volume is on record. Record what was"
                " given, or cancel it.",
            )


def _death(facts: QueryFacts) -> Iterator[Finding]:
    """Ask for the event that a subject died of; events are collected from consent on (C31)."""
    until = facts.schedule.end_of_safety_follow_up
    death = death_without_event(facts.dispositions, facts.events, until)
    consent = facts.subject.consent_day
    if death is not None and consent is not None and death.day >= consent:
        yield _finding(
            QueryRule.DEATH_WITHOUT_EVENT,
            death.id,
            ("disposition", death.id, None),
            death.day,
            "The subject died, and no event of grade 5 says of what, so nothing is reported or"
            " adjudicated. Record it.",
        )
