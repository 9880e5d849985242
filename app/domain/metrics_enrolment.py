"""How the trial fills: who was screened, who failed and on what, who left, month by month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.eligibility_rules import Criterion
from app.domain.escalation_rules import EscalationRules
from app.domain.vocabulary import DispositionEvent, SubjectStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedSubject:
    """One registered subject: status, days that count, and the criteria a failure rests on."""

    status: SubjectStatus
    screened_on: date
    enrolled_on: date | None
    first_infusion_on: date | None
    left: frozenset[DispositionEvent]
    failed_criteria: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEnrolment:
    """The sizes the protocol allows; `registered` is only the number in the public record (C2)."""

    registered: int
    escalation_maximum: int
    level_maximum: int
    expansion: int
    total_maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionFailures:
    """Subjects who failed screening and do not meet one criterion; one may fail several."""

    criterion: str
    text: str
    subjects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFailures:
    """Subjects who failed screening; `unattributed` ones fail no criterion on their records."""

    subjects: int
    by_criterion: tuple[CriterionFailures, ...]
    unattributed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyEnrolment:
    """What one month added, and the totals up to its end."""

    month: str
    screened: int
    enrolled: int
    first_treated: int
    screened_so_far: int
    enrolled_so_far: int
    first_treated_so_far: int


def planned_enrolment(registered: int, rules: EscalationRules) -> PlannedEnrolment:
    """Give the sizes that the protocol plans and allows."""
    return PlannedEnrolment(
        registered=registered,
        escalation_maximum=rules.max_in_escalation,
        level_maximum=rules.design.max_level_size,
        expansion=rules.expansion.size,
        total_maximum=rules.max_in_total,
    )


def count_statuses(subjects: Iterable[ScreenedSubject]) -> dict[SubjectStatus, int]:
    """Count subjects by where they stand; every status is there."""
    found = Counter(subject.status for subject in subjects)
    return {status: found[status] for status in SubjectStatus}


def count_dispositions(subjects: Iterable[ScreenedSubject]) -> dict[DispositionEvent, int]:
    """Count subjects by what was recorded of their leaving; one may have several."""
    found = Counter(event for subject in subjects for event in subject.left)
    return {event: found[event] for event in DispositionEvent}


def screen_failures(
    subjects: Iterable[ScreenedSubject], criteria: Iterable[Criterion]
) -> ScreenFailures:
    """Count failures of screening by criterion, in the record's order."""
    failed = [subject for subject in subjects if subject.status is SubjectStatus.SCREEN_FAILED]
    found = Counter(criterion for subject in failed for criterion in subject.failed_criteria)
    return ScreenFailures(
        subjects=len(failed),
        by_criterion=tuple(
            CriterionFailures(criterion=each.id, text=each.text, subjects=found[each.id])
            for each in criteria
            if found[each.id]
        ),
        unattributed=sum(not subject.failed_criteria for subject in failed),
    )


def monthly_enrolment(
    subjects: Sequence[ScreenedSubject], today: date
) -> tuple[MonthlyEnrolment, ...]:
    """Count by calendar month, from the first with an entry through the present one."""
    screened = Counter(_month(subject.screened_on) for subject in subjects)
    enrolled = Counter(_month(day) for x in subjects if (day := x.enrolled_on))
    treated = Counter(_month(day) for x in subjects if (day := x.first_infusion_on))
    totals = [0, 0, 0]
    series = []
    for month in _months({*screened, *enrolled, *treated}, _month(today)):
        added = screened[month], enrolled[month], treated[month]
        totals = [total + more for total, more in zip(totals, added, strict=True)]
        series.append(
            MonthlyEnrolment(
                month=f"{month[0]}-{month[1]:02}",
                screened=added[0],
                enrolled=added[1],
                first_treated=added[2],
                screened_so_far=totals[0],
                enrolled_so_far=totals[1],
                first_treated_so_far=totals[2],
            )
        )
    return tuple(series)


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _months(found: set[tuple[int, int]], present: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """List every month from the first one found through the last or the present one."""
    if not found:
        return
    month, last = min(found), max(*found, present)
    while month <= last:
        yield month
        month = (month[0] + month[1] // 12, month[1] % 12 + 1)
