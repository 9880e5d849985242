"""How the trial is worked: what was to be done and what is on record, subject by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from app.domain.eligibility_rules import EligibilityRules
from app.domain.outcomes import PLACES, PRECISION
from app.domain.query_rules import (
    Finding,
    QueryFacts,
    QueryRule,
    derive_findings,
    events_under_treatment,
)
from app.domain.visit_worklist import WorkItem, WorkKind, WorkStatus, worklist


class ExpectedItem(StrEnum):
    """What the protocol or a rule expects on record, once it is due or there.

    `visit` and `infusion` count from the end of their window. `blood_count` is the complete count
    in the window of a visit on which response rests (C7). `infusion_volume` is of infusions that
    began, `causality` of events since the first infusion given.
    """

    INFUSION = "infusion"
    INFUSION_VOLUME = "infusion_volume"
    VISIT = "visit"
    BLOOD_COUNT = "blood_count"
    CAUSALITY = "causality"


@dataclass(frozen=True, slots=True)
class Held:
    """How many items are on record, and how many that were due are not."""

    on_record: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConduct:
    """What one subject adds on the study day `on`: what is planned, missing and asked by rules.

    `findings` are all questions but those about results held in the inbox, which are no fact of
    the subject yet.
    """

    level: str | None
    on: date
    items: tuple[WorkItem, ...]
    held: Mapping[ExpectedItem, Held]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How many of the expected items are on record; the rate is None where none is expected."""

    item: ExpectedItem
    expected: int
    on_record: int
    rate: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCompleteness:
    """The subjects of one level, or all, before enrolment too, when `level` is None."""

    level: str | None
    subjects: int
    items: tuple[Completeness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStanding:
    """How one planned infusion or visit stands, over all subjects for whom it is planned."""

    kind: WorkKind
    name: str
    statuses: dict[WorkStatus, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What should have been done by its target day and still can be; days since that day."""

    kind: WorkKind
    items: int
    subjects: int
    longest_days: int | None


_THERE = (WorkStatus.DONE, WorkStatus.OUT_OF_WINDOW)


def draw_conduct(
    level: str | None,
    facts: QueryFacts,
    blood_count_visits: tuple[str, ...],
    eligibility: EligibilityRules,
) -> SubjectConduct:
    """Draw what a subject adds on the day of its schedule; nothing is held in the inbox here."""
    items = worklist(facts.schedule, facts.performed, blood_count_visits)
    findings = derive_findings(facts, blood_count_visits, eligibility)
    return SubjectConduct(
        level=level,
        on=facts.schedule.as_of,
        items=items,
        held=_held(facts, items, findings),
        findings=findings,
    )


def _held(
    facts: QueryFacts, items: Sequence[WorkItem], findings: Sequence[Finding]
) -> dict[ExpectedItem, Held]:
    """Count what is there; what is missing is what the rules ask for."""
    asked = Counter(finding.rule for finding in findings)
    volumes = [x.volume_ml for x in facts.infusions if x.day is not None and not x.cancelled]
    relations = [event.causality for event in events_under_treatment(facts)]
    counts = [item for item in items if item.has_blood_count and _is_expected(item)]
    return {
        ExpectedItem.INFUSION: _performed(items, WorkKind.INFUSION),
        ExpectedItem.INFUSION_VOLUME: Held(_known(volumes), asked[QueryRule.VOLUME_MISSING]),
        ExpectedItem.VISIT: _performed(items, WorkKind.VISIT),
        ExpectedItem.BLOOD_COUNT: Held(len(counts), asked[QueryRule.BLOOD_COUNT_MISSING]),
        ExpectedItem.CAUSALITY: Held(_known(relations), asked[QueryRule.CAUSALITY_MISSING]),
    }


def _is_expected(item: WorkItem) -> bool:
    return item.status not in (WorkStatus.UPCOMING, WorkStatus.CANCELLED)


def _known(values: Iterable[object]) -> int:
    return sum(value is not None for value in values)


def _performed(items: Iterable[WorkItem], kind: WorkKind) -> Held:
    found = Counter(item.status for item in items if item.kind is kind)
    return Held(sum(found[status] for status in _THERE), found[WorkStatus.MISSED])


def completeness(
    subjects: Sequence[SubjectConduct], levels: Sequence[str]
) -> tuple[GroupCompleteness, ...]:
    """Add up what is expected and on record, for all subjects and for each level."""
    groups = [
        (level, [subject for subject in subjects if level in (None, subject.level)])
        for level in (None, *levels)
    ]
    return tuple(
        GroupCompleteness(
            level=level,
            subjects=len(members),
            items=tuple(
                _completeness(item, [x.held[item] for x in members]) for item in ExpectedItem
            ),
        )
        for level, members in groups
    )


def _completeness(item: ExpectedItem, held: Sequence[Held]) -> Completeness:
    on_record = sum(each.on_record for each in held)
    expected = on_record + sum(each.missing for each in held)
    rate = None
    if expected:
        with localcontext(PRECISION):
            rate = (Decimal(on_record) / expected).quantize(PLACES, rounding=ROUND_HALF_EVEN)
    return Completeness(item=item, expected=expected, on_record=on_record, rate=rate)


def work_standings(subjects: Iterable[SubjectConduct]) -> tuple[WorkStanding, ...]:
    """Count how every planned infusion, then every visit, stands; every status is there."""
    found: dict[tuple[WorkKind, str], Counter[WorkStatus]] = {}
    for subject in subjects:
        for item in subject.items:
            found.setdefault((item.kind, item.name), Counter())[item.status] += 1
    infusions = sorted((key for key in found if key[0] is WorkKind.INFUSION), key=_number)
    # All subjects have all visits of the schedule, in its order.
    visits = [key for key in found if key[0] is WorkKind.VISIT]
    return tuple(
        WorkStanding(
            kind=key[0],
            name=key[1],
            statuses={status: found[key][status] for status in WorkStatus},
        )
        for key in (*infusions, *visits)
    )


def _number(key: tuple[WorkKind, str]) -> int:
    return int(key[1])


def overdue(subjects: Iterable[SubjectConduct]) -> tuple[Overdue, ...]:
    """Sum up what is overdue: infusions, then visits."""
    found = list(subjects)
    return tuple(_overdue(kind, [_days_overdue(x, kind) for x in found]) for kind in WorkKind)


def _overdue(kind: WorkKind, days: Sequence[Sequence[int]]) -> Overdue:
    every = [each for own in days for each in own]
    return Overdue(
        kind=kind,
        items=len(every),
        subjects=sum(bool(own) for own in days),
        longest_days=max(every, default=None),
    )


def _days_overdue(subject: SubjectConduct, kind: WorkKind) -> list[int]:
    return [
        (subject.on - item.target_day).days
        for item in subject.items
        if item.kind is kind and item.status is WorkStatus.OVERDUE and item.target_day
    ]
