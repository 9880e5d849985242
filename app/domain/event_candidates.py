"""Which laboratory results are worse than at baseline and are no adverse event on record yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.ctcae.grading import GradingResult
from app.domain.facts import AdverseEvent, Infusion, LabResult, Medication
from app.domain.lab_grades import Background, background, baseline_grades, grades_for


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCandidate:
    """An abnormality that may have to be recorded as an event; a person decides.

    `grade` is the worst that the numbers support, `grade_max` the worst a clinician could still
    give. `adverse_event_id` is the open event of this term that is on record with a lower grade.
    """

    term: str
    soc: str
    analyte: str
    grade: int
    grade_max: int
    baseline_grade: int
    onset_at: datetime
    worst_at: datetime
    adverse_event_id: str | None
    rule: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Worsening:
    """One result that is worse than at baseline and is not covered by an event."""

    lab: LabResult
    result: GradingResult
    baseline_grade: int
    event: AdverseEvent | None


def event_candidates(
    infusions: Iterable[Infusion],
    labs: Iterable[LabResult],
    medications: Iterable[Medication],
    events: Iterable[AdverseEvent],
) -> tuple[EventCandidate, ...]:
    """Propose one event for each term that got worse after the first infusion (C23).

    Before the first infusion there is no baseline, hence nothing to be worse than.
    """
    begun = [each for each in infusions if each.may_have_entered]
    starts = [each.started_at for each in begun if each.started_at is not None]
    results = tuple(labs)
    if not starts:
        return ()
    start = min(starts)
    against = background(begun, results, medications)
    known = tuple(events)
    found: dict[str, list[_Worsening]] = {}
    for lab in sorted(results, key=lambda lab: (lab.at, lab.id)):
        if lab.at >= start:
            for worsening in _worsenings(lab, against, known):
                found.setdefault(worsening.result.term, []).append(worsening)
    return tuple(_candidate(worsenings) for worsenings in found.values())


def _worsenings(
    lab: LabResult, against: Background, events: tuple[AdverseEvent, ...]
) -> Iterator[_Worsening]:
    """Give the terms for which a result is worse than the baseline and any event on record.

    Of an uncertain grade the part that is certain is compared.
    """
    before = {each.term: each.grade_min for each in baseline_grades(lab.analyte, against)}
    for result in grades_for(lab, against):
        baseline_grade = before.get(result.term, 0)
        event = _open_event(result.term, lab, events)
        on_record = event.grade if event else 0
        if result.grade_min > max(baseline_grade, on_record):
            yield _Worsening(lab, result, baseline_grade, event)


def _open_event(term: str, lab: LabResult, events: tuple[AdverseEvent, ...]) -> AdverseEvent | None:
    """Find the worst event of a term that had not ended when the specimen was taken.

    Its onset does not matter: investigators date it by what they saw, not by the result.
    """
    fitting = [
        event
        for event in events
        if event.term == term and (event.end_at is None or event.end_at >= lab.at)
    ]
    return max(fitting, key=lambda event: event.grade, default=None)


def _candidate(worsenings: list[_Worsening]) -> EventCandidate:
    """Put the results of one term together, in order of collection."""
    first = worsenings[0]
    worst = max(worsenings, key=lambda each: (each.result.grade_min, each.result.grade_max))
    return EventCandidate(
        term=worst.result.term,
        soc=worst.result.soc,
        analyte=worst.lab.analyte,
        grade=worst.result.grade_min,
        grade_max=max(each.result.grade_max for each in worsenings),
        baseline_grade=worst.baseline_grade,
        onset_at=first.lab.at,
        worst_at=worst.lab.at,
        adverse_event_id=worst.event.id if worst.event else None,
        rule=worst.result.rule,
        evidence=tuple(each.lab.id for each in worsenings),
    )
