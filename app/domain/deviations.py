"""Where the conduct of the trial departed from the protocol; it reports and never blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.rules import rule_set
from app.domain.safety_reporting import DueReport, ReportStatus
from app.domain.schedule import PlannedInfusion, Schedule, visits_without_count
from app.domain.visits import PerformedDay, ScheduleStatus, Visit


class DeviationCode(StrEnum):
    """The departures that are looked for."""

    INFUSION_INTERVAL = "infusion_interval"
    INFUSION_MISSED = "infusion_missed"
    INFUSION_BEYOND_LEVEL = "infusion_beyond_level"
    DOSE_OUT_OF_TOLERANCE = "dose_out_of_tolerance"
    DOSE_NOT_RECALCULATED = "dose_not_recalculated"
    DOSED_WHILE_NOT_ALLOWED = "dosed_while_not_allowed"
    PREMEDICATION_MISSING = "premedication_missing"
    PREMEDICATION_DOSE = "premedication_dose"
    PREMEDICATION_LATE = "premedication_late"
    VISIT_OUT_OF_WINDOW = "visit_out_of_window"
    VISIT_MISSED = "visit_missed"
    BLOOD_COUNT_MISSING = "blood_count_missing"
    ELIGIBILITY_VIOLATION = "eligibility_violation"
    SAFETY_REPORT_LATE = "safety_report_late"
    BAG_CHECK_MISSING = "bag_check_missing"
    VOLUME_BEYOND_BAGS = "volume_beyond_bags"
    PRODUCT_UNFIT = "product_unfit"


class DeviationSeverity(StrEnum):
    """How much a departure weighs."""

    MINOR = "minor"
    MAJOR = "major"


@rule_set
class DeviationRules:
    """How much each departure weighs, and at which visits a blood count must not be missing."""

    severity: dict[DeviationCode, DeviationSeverity]
    blood_count_visits: tuple[str, ...]

    def weigh(self, code: DeviationCode) -> DeviationSeverity:
        """Weigh a departure; one that a definition does not know yet is major."""
        return self.severity.get(code, DeviationSeverity.MAJOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetCriterion:
    """An eligibility criterion that an enrolled subject turns out not to have met.

    `open` says that the records of a treated subject do not settle it, as when results were too
    old on the day of the first infusion.
    """

    criterion: str
    day: date
    evidence: tuple[str, ...]
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportState:
    """A due safety report and what became of it; `day` is when it was sent, or today."""

    due: DueReport
    status: ReportStatus
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationFacts:
    """What one subject's deviations are derived from; the schedule carries the moment."""

    schedule: Schedule
    performed: tuple[PerformedDay, ...]
    unmet_criteria: tuple[UnmetCriterion, ...]
    reports: tuple[ReportState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One departure; `key` stays the same while its cause does, so that people can annotate it."""

    key: str
    code: DeviationCode
    severity: DeviationSeverity
    day: date
    sentence: str
    evidence: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """A departure before it is weighed; `about` tells it from others of its code."""

    code: DeviationCode
    about: str
    day: date
    sentence: str
    evidence: tuple[str, ...]
    rule: str


def derive_deviations(facts: DeviationFacts, rules: DeviationRules) -> tuple[Deviation, ...]:
    """Derive what one subject's course departs from, in order of day and key."""
    findings = [
        *_infusion_timing(facts.schedule),
        *_visit_timing(facts.schedule),
        *_blood_counts(facts, rules),
        *_eligibility(facts.unmet_criteria),
        *_late_reports(facts.reports),
    ]
    deviations = (
        Deviation(
            key=f"{finding.code}:{finding.about}",
            code=finding.code,
            severity=rules.weigh(finding.code),
            day=finding.day,
            sentence=finding.sentence,
            evidence=finding.evidence,
            rule=finding.rule,
        )
        for finding in findings
    )
    return tuple(sorted(deviations, key=lambda deviation: (deviation.day, deviation.key)))


def _infusion_timing(schedule: Schedule) -> Iterator[_Finding]:
    codes = (DeviationCode.INFUSION_INTERVAL, DeviationCode.INFUSION_MISSED)
    for infusion in schedule.infusions:
        yield from _window_faults(infusion, str(infusion.number), "Infusion", codes)


def _visit_timing(schedule: Schedule) -> Iterator[_Finding]:
    codes = (DeviationCode.VISIT_OUT_OF_WINDOW, DeviationCode.VISIT_MISSED)
    for visit in schedule.visits:
        yield from _window_faults(visit, visit.name, "Visit", codes)


def _window_faults(
    item: PlannedInfusion | Visit, about: str, noun: str, codes: tuple[DeviationCode, DeviationCode]
) -> Iterator[_Finding]:
    """Report an item that took place outside its window, or whose window passed without it."""
    if item.window is None:
        return
    outside, missed = codes
    allowed = f"{item.window.start} to {item.window.end}"
    if item.status is ScheduleStatus.OUT_OF_WINDOW and item.day is not None:
        yield _Finding(
            code=outside,
            about=about,
            day=item.day,
            sentence=f"{noun} {about} took place on {item.day}; allowed was {allowed}.",
            evidence=item.evidence,
            rule=item.rule,
        )
    if item.status is ScheduleStatus.MISSED:
        yield _Finding(
            code=missed,
            about=about,
            day=item.window.end + timedelta(days=1),
            sentence=f"{noun} {about} did not take place; allowed was {allowed}.",
            evidence=item.evidence,
            rule=item.rule,
        )


def _blood_counts(facts: DeviationFacts, rules: DeviationRules) -> Iterator[_Finding]:
    """Look for a complete count on any day of the window, once the window has closed."""
    wanted = rules.blood_count_visits
    for visit in visits_without_count(facts.schedule, facts.performed, wanted):
        end = visit.window.end
        yield _Finding(
            code=DeviationCode.BLOOD_COUNT_MISSING,
            about=visit.name,
            day=end + timedelta(days=1),
            sentence=f"Visit {visit.name} has no complete blood count up to {end}.",
            evidence=visit.evidence,
            rule="deviations.blood_count_visits",
        )


def _eligibility(unmet: tuple[UnmetCriterion, ...]) -> Iterator[_Finding]:
    for criterion in unmet:
        sentence = f"The subject was enrolled without meeting criterion {criterion.criterion}."
        if criterion.open:
            sentence = (
                "No record that counts on the day of the first infusion settles criterion"
                f" {criterion.criterion}."
            )
        yield _Finding(
            code=DeviationCode.ELIGIBILITY_VIOLATION,
            about=criterion.criterion,
            day=criterion.day,
            sentence=sentence,
            evidence=criterion.evidence,
            rule=f"eligibility.{criterion.criterion}",
        )


def _late_reports(reports: tuple[ReportState, ...]) -> Iterator[_Finding]:
    for report in reports:
        if report.status not in (ReportStatus.OVERDUE, ReportStatus.SENT_LATE):
            continue
        due = report.due
        state = "was sent late" if report.status is ReportStatus.SENT_LATE else "is overdue"
        kind, recipient = due.kind.replace("_", " "), due.recipient.replace("_", " ")
        yield _Finding(
            code=DeviationCode.SAFETY_REPORT_LATE,
            about=":".join(
                (*due.evidence, due.jurisdiction, due.kind, due.counted_from.at.isoformat())
            ),
            day=report.day,
            sentence=f"The report {kind} to the {recipient} {state}.",
            evidence=due.evidence,
            rule=due.rule,
        )
