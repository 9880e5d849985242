"""Where the conduct of the trial departed from the protocol; it reports and never blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.dosing import DosingRules, nominal_cells, within_administered_tolerance
from app.domain.facts import Infusion
from app.domain.rules import rule_set
from app.domain.safety_reporting import DueReport, ReportStatus
from app.domain.schedule import PlannedInfusion, Schedule
from app.domain.visits import PerformedDay, ScheduleStatus, Visit


class DeviationCode(StrEnum):
    """The departures that are looked for."""

    INFUSION_INTERVAL = "infusion_interval"
    INFUSION_MISSED = "infusion_missed"
    DOSE_OUT_OF_TOLERANCE = "dose_out_of_tolerance"
    DOSED_WHILE_NOT_ALLOWED = "dosed_while_not_allowed"
    PREMEDICATION_MISSING = "premedication_missing"
    PREMEDICATION_DOSE = "premedication_dose"
    PREMEDICATION_LATE = "premedication_late"
    VISIT_OUT_OF_WINDOW = "visit_out_of_window"
    VISIT_MISSED = "visit_missed"
    BLOOD_COUNT_MISSING = "blood_count_missing"
    ELIGIBILITY_VIOLATION = "eligibility_violation"
    SAFETY_REPORT_LATE = "safety_report_late"


class DeviationSeverity(StrEnum):
    """How much a departure weighs."""

    MINOR = "minor"
    MAJOR = "major"


@rule_set
class DeviationRules:
    """How much each departure weighs, and at which visits a blood count must not be missing."""

    severity: dict[DeviationCode, DeviationSeverity]
    blood_count_visits: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a departure without a weight."""
        if set(self.severity) != set(DeviationCode):
            raise ValueError("every deviation needs a severity")


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
    infusions: tuple[Infusion, ...]
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


def derive_deviations(
    facts: DeviationFacts, rules: DeviationRules, dosing: DosingRules
) -> tuple[Deviation, ...]:
    """Derive every deviation of one subject, in order of day and key."""
    findings = [
        *_infusion_timing(facts.schedule),
        *_doses(facts.infusions, dosing),
        *_premedication(facts.infusions, dosing),
        *_visit_timing(facts.schedule),
        *_blood_counts(facts, rules),
        *_eligibility(facts.unmet_criteria),
        *_late_reports(facts.reports),
    ]
    deviations = (
        Deviation(
            key=f"{finding.code}:{finding.about}",
            code=finding.code,
            severity=rules.severity[finding.code],
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


def _doses(infusions: tuple[Infusion, ...], dosing: DosingRules) -> Iterator[_Finding]:
    """Compare what was given with the plan; without a cell count, by the nominal content."""
    for infusion in infusions:
        if not infusion.given or infusion.day is None or infusion.volume_ml is None:
            continue
        cells = infusion.cells
        if cells is None:
            cells = nominal_cells(infusion.volume_ml, dosing)
        if not within_administered_tolerance(infusion.planned_cells, cells, dosing):
            yield _Finding(
                code=DeviationCode.DOSE_OUT_OF_TOLERANCE,
                about=str(infusion.number),
                day=infusion.day,
                sentence=(
                    f"Infusion {infusion.number} gave {cells:,.0f} cells "
                    f"instead of {infusion.planned_cells:,.0f}."
                ),
                evidence=(infusion.id,),
                rule="dosing.administered_tolerance_percent",
            )


def _premedication(infusions: tuple[Infusion, ...], dosing: DosingRules) -> Iterator[_Finding]:
    for infusion in infusions:
        if not infusion.given or infusion.day is None:
            continue
        for code, sentence in _premedication_faults(infusion, dosing):
            yield _Finding(
                code=code,
                about=str(infusion.number),
                day=infusion.day,
                sentence=sentence,
                evidence=(infusion.id,),
                rule="dosing.premedication",
            )


def _premedication_faults(
    infusion: Infusion, dosing: DosingRules
) -> Iterator[tuple[DeviationCode, str]]:
    wanted = dosing.premedication
    given_at, dose = infusion.premedication_given_at, infusion.premedication_dose_mg
    if infusion.premedication_drug is not wanted.drug:
        given_at = dose = None
    before = f"Before infusion {infusion.number}"
    if given_at is None or dose is None:
        missing = f"{before} the record of {wanted.drug} is missing or incomplete."
        yield DeviationCode.PREMEDICATION_MISSING, missing
    if dose is not None and dose != wanted.dose_mg:
        differs = f"{before} {dose} mg of {wanted.drug} were given, not {wanted.dose_mg} mg."
        yield DeviationCode.PREMEDICATION_DOSE, differs
    if given_at is not None and infusion.started_at is not None:
        ahead = infusion.started_at - given_at
        if ahead < timedelta(minutes=wanted.minutes_before - wanted.late_tolerance_minutes):
            late = f"{before} {wanted.drug} was given under {wanted.minutes_before} minutes ahead."
            yield DeviationCode.PREMEDICATION_LATE, late


def _blood_counts(facts: DeviationFacts, rules: DeviationRules) -> Iterator[_Finding]:
    """Look for a complete count on any day of the window, once the window has closed."""
    schedule = facts.schedule
    left = schedule.left_study_on
    for visit in schedule.visits:
        end = visit.window.end
        expected = visit.status not in (ScheduleStatus.UPCOMING, ScheduleStatus.CANCELLED)
        if visit.name not in rules.blood_count_visits or not expected:
            continue
        if schedule.as_of <= end or (left is not None and left <= end):
            continue
        if not any(seen.has_cbc and visit.window.contains(seen.day) for seen in facts.performed):
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
