"""When an adverse event must be reported, to whom, and whether its own record holds together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from app.domain.dlt_rules import Relatedness
from app.domain.errors import DomainError, ErrorKind, Reason
from app.domain.facts import AdverseEvent
from app.domain.rules import rule_set
from app.domain.vocabulary import AdverseEventOutcome, SeriousnessCriterion

_FATAL_GRADE = 5


class ReportClass(StrEnum):
    """What a serious event is to a regulator; SUSARs are also serious adverse events."""

    SERIOUS = "serious"
    SUSAR_FATAL_OR_LIFE_THREATENING = "susar_fatal_or_life_threatening"
    SUSAR_OTHER = "susar_other"


class ReportKind(StrEnum):
    """The reports that may become due on one event."""

    SERIOUS_INITIAL = "serious_initial"
    SUSAR_INITIAL = "susar_initial"
    SUSAR_COMPLETE = "susar_complete"
    SUSAR_NEW_INFORMATION = "susar_new_information"


class ReportRecipient(StrEnum):
    """Who receives a report."""

    SPONSOR = "sponsor"
    AUTHORITY_AND_ETHICS_COMMITTEE = "authority_and_ethics_committee"


class ClockStart(StrEnum):
    """What starts a clock."""

    AWARENESS = "awareness"
    NEW_INFORMATION = "new_information"


class ReportStatus(StrEnum):
    """What became of a due report by now."""

    OPEN = "open"
    OVERDUE = "overdue"
    SENT = "sent"
    SENT_LATE = "sent_late"


@rule_set
class ReportClock:
    """One deadline: `hours` after the instant, or `days` after the local day, of the start."""

    kind: ReportKind
    concerns: ReportClass
    recipient: ReportRecipient
    starts: ClockStart
    hours: int | None
    days: int | None

    def __post_init__(self) -> None:
        """Refuse a clock with two units, none, or no time at all."""
        units = [unit for unit in (self.hours, self.days) if unit is not None]
        if len(units) != 1 or units[0] < 1:
            raise ValueError(f"clock {self.kind} must run for hours or for days")


@rule_set
class Jurisdiction:
    """The clocks of one set of safety regulations."""

    name: str
    clocks: tuple[ReportClock, ...]


@rule_set
class SafetyReportingRules:
    """How events are classified and when they are reported; every jurisdiction listed applies."""

    relatedness: Relatedness
    fast_criteria: tuple[SeriousnessCriterion, ...]
    undecided_is_unexpected: bool
    jurisdictions: tuple[Jurisdiction, ...]

    def __post_init__(self) -> None:
        """Refuse a repeated jurisdiction and two clocks for the same report."""
        names = [jurisdiction.name for jurisdiction in self.jurisdictions]
        clocks = [
            (jurisdiction.name, clock.kind, clock.concerns)
            for jurisdiction in self.jurisdictions
            for clock in jurisdiction.clocks
        ]
        if len(set(names)) != len(names) or len(set(clocks)) != len(clocks):
            raise ValueError("each jurisdiction and each of its clocks must be listed once")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant with its calendar day in the study's zone."""

    at: datetime
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReport:
    """One report that is due: at an instant or by the end of a local day, never both.

    `event_version` is the one by which the event became what `concerns` says. `corrected` is when
    somebody said that it never was; such a report stays only if it was late by then.
    """

    kind: ReportKind
    concerns: ReportClass
    jurisdiction: str
    recipient: ReportRecipient
    starts: ClockStart
    counted_from: Moment
    due_at: datetime | None
    due_day: date | None
    evidence: tuple[str, ...]
    rule: str
    event_version: int = 1
    corrected: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventClaims:
    """What somebody wants to record about one adverse event."""

    grade: int
    term_grades: frozenset[int]
    seriousness: frozenset[SeriousnessCriterion]
    outcome: AdverseEventOutcome
    onset_at: datetime
    ended_at: datetime | None


def check_event(claims: EventClaims) -> None:
    """Refuse a grade the term lacks, an end before the onset and a half-recorded death.

    Grade 5, the outcome fatal and the seriousness criterion death stand or fall together.
    Raises DomainError (invalid) with one reason for each field at fault.
    """
    reasons = []
    if claims.grade not in claims.term_grades:
        known = ", ".join(str(grade) for grade in sorted(claims.term_grades))
        reasons.append(
            Reason("grade_not_in_term", f"This term has only the grades {known}.", "/grade")
        )
    if claims.ended_at is not None and claims.ended_at < claims.onset_at:
        reasons.append(
            Reason("end_before_onset", "An event cannot end before it began.", "/ended_at")
        )
    reasons.extend(_death_reasons(claims))
    if reasons:
        raise DomainError(
            ErrorKind.INVALID,
            reasons[0].code,
            "The adverse event contradicts itself or its term; see each field.",
            tuple(reasons),
        )


def is_treatment_emergent(event: AdverseEvent, first_infusion_day: date | None) -> bool:
    """Tell whether an event began, or got worse than at baseline, since the first infusion.

    Days decide, because an onset without a time is recorded as midnight. Of an event from the
    first infusion's day on, a missing baseline grade means that the condition was not there
    (C23, C31); an earlier event that had not ended counts only if its recorded baseline grade
    shows that it is worse now.
    """
    if first_infusion_day is None:
        return False
    if event.onset_day >= first_infusion_day:
        return event.grade > (event.baseline_grade or 0)
    ended_before = event.end_day is not None and event.end_day < first_infusion_day
    return (
        not ended_before and event.baseline_grade is not None and event.grade > event.baseline_grade
    )


def report_classes(
    event: AdverseEvent, expected: bool | None, rules: SafetyReportingRules
) -> frozenset[ReportClass]:
    """Classify an event for reporting; empty when it is not serious.

    A SUSAR is serious, related and unexpected against the reference safety information.
    """
    if not event.seriousness:
        return frozenset()
    unexpected = rules.undecided_is_unexpected if expected is None else not expected
    if not (unexpected and rules.relatedness.holds(event.causality)):
        return frozenset({ReportClass.SERIOUS})
    fast = not event.seriousness.isdisjoint(rules.fast_criteria)
    susar = ReportClass.SUSAR_FATAL_OR_LIFE_THREATENING if fast else ReportClass.SUSAR_OTHER
    return frozenset({ReportClass.SERIOUS, susar})


def report_status(due: DueReport, sent: Moment | None, now: Moment) -> ReportStatus:
    """Say whether a due report is open, overdue, sent or sent late; the deadline itself is met."""
    late = _is_late(due, sent or now)
    if sent is None:
        return ReportStatus.OVERDUE if late else ReportStatus.OPEN
    return ReportStatus.SENT_LATE if late else ReportStatus.SENT


def _death_reasons(claims: EventClaims) -> list[Reason]:
    fatal_grade = claims.grade == _FATAL_GRADE
    fatal_outcome = claims.outcome is AdverseEventOutcome.FATAL
    death = SeriousnessCriterion.DEATH in claims.seriousness
    if fatal_grade == fatal_outcome == death:
        return []
    reasons = []
    if not fatal_grade:
        advice = (
            "A fatal event has grade 5."
            if _FATAL_GRADE in claims.term_grades
            else "This term has no grade 5; record the death under the term that caused it."
        )
        reasons.append(Reason("fatal_without_grade_5", advice, "/grade"))
    if not fatal_outcome:
        reasons.append(
            Reason("death_without_fatal_outcome", "An event of death ends fatally.", "/outcome")
        )
    if not death:
        reasons.append(
            Reason(
                "fatal_without_death",
                "A fatal event is serious because of death; add that criterion.",
                "/seriousness",
            )
        )
    return reasons


def _is_late(due: DueReport, moment: Moment) -> bool:
    if due.due_at is not None:
        return moment.at > due.due_at
    return due.due_day is not None and moment.day > due.due_day
