"""What an eligibility rule sees: one subject's facts, the windows that count, and its readings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.assessment_content import ContentKey
from app.domain.facts import Assessment, Attestation, LabResult, Medication, Subject, Transfusion
from app.domain.quantities import Comparator, Relation
from app.domain.rules import rule_set
from app.domain.vocabulary import USABLE_LAB_STATUSES, AssessmentKind, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityFacts:
    """Everything recorded about one subject that the criteria look at, in any order.

    `first_infusion_day` is the day on which the first infusion was really given, if it was.
    """

    subject: Subject
    labs: tuple[LabResult, ...] = ()
    transfusions: tuple[Transfusion, ...] = ()
    medications: tuple[Medication, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    first_infusion_day: dt.date | None = None


class WindowName(StrEnum):
    """The spans of days in which a result counts."""

    BLOOD_COUNT = "blood_count"
    LABORATORY = "laboratory"
    INFECTION = "infection"
    PREGNANCY_TEST = "pregnancy_test"
    SCREENING = "screening"


class WindowAnchor(StrEnum):
    """The day from which a window reaches back."""

    FIRST_INFUSION = "first_infusion"
    SCREENING = "screening"


@rule_set
class Window:
    """From `days_before` the anchor through the first infusion day, both included."""

    anchor: WindowAnchor
    days_before: int

    def __post_init__(self) -> None:
        if self.days_before < 0:
            raise ValueError("a window cannot start after its anchor")


@dataclass(frozen=True, slots=True)
class Span:
    """Local calendar days, both ends included; empty when `last` is before `first`."""

    first: dt.date
    last: dt.date

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"from {self.first} through {self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One fact as a rule read it; `holds` tells whether it bears the criterion's statement out.

    `at` is when it happened, `known_at` when it was recorded.
    """

    name: str
    evidence: str
    holds: bool | None
    value: Decimal | str | None = None
    comparator: Comparator | None = None
    unit: str | None = None
    date: dt.date | None = None
    at: dt.datetime | None = None
    known_at: dt.datetime | None = None
    relation: Relation | None = None
    limit: Decimal | None = None


class FlagCode(StrEnum):
    """What a person should know beside the verdict."""

    NO_PLANNED_INFUSION = "no_planned_infusion"
    PLANNED_INFUSION_PASSED = "planned_infusion_passed"
    PROCEDURE_BEFORE_CONSENT = "procedure_before_consent"
    TRANSFUSED_BEFORE_COUNT = "transfused_before_count"
    MEDICATION_BEFORE_COUNT = "medication_before_count"
    QTCF_DISAGREES = "qtcf_disagrees"
    INVESTIGATIONAL_CAR_T = "investigational_car_t"
    HALF_LIFE_UNKNOWN = "half_life_unknown"
    CONTRADICTED = "contradicted"
    ANSWERED_WITHOUT_DATA = "answered_without_data"
    CONTRADICTION_WITHOUT_REASON = "contradiction_without_reason"
    CONTRADICTION_OUTDATED = "contradiction_outdated"
    ANSWER_BEFORE_WINDOW = "answer_before_window"


@dataclass(frozen=True, slots=True)
class Flag:
    """A remark a rule makes; it never changes the outcome by itself."""

    code: FlagCode
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a criterion's statement is true of the subject, and what that rests on."""

    holds: bool | None
    readings: tuple[Reading, ...] = ()
    note: str = ""
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One subject's facts seen from the first infusion, or its plan, or today without a plan."""

    facts: EligibilityFacts
    windows: Mapping[WindowName, Window]
    today: dt.date

    @property
    def subject(self) -> Subject:
        """Return the subject."""
        return self.facts.subject

    @property
    def infusion_day(self) -> dt.date:
        """Return the day that windows relative to the first infusion count from."""
        planned = self.subject.planned_first_infusion_day
        return self.facts.first_infusion_day or planned or self.today

    def span(self, name: WindowName) -> Span:
        """Resolve a window into days."""
        window = self.windows[name]
        screening = window.anchor is WindowAnchor.SCREENING
        anchor = self.subject.screening_day if screening else self.infusion_day
        return Span(anchor - dt.timedelta(days=window.days_before), self.infusion_day)

    def labs(self, analyte: str, span: Span) -> list[LabResult]:
        """Return the usable results of an analyte in the span, earliest first."""
        found = [
            lab
            for lab in self.facts.labs
            if lab.analyte == analyte and lab.status in USABLE_LAB_STATUSES and lab.day in span
        ]
        return sorted(found, key=lambda lab: (lab.at, lab.id))

    def assessments(self, kind: AssessmentKind, span: Span) -> list[Assessment]:
        """Return the assessments of a kind in the span, earliest first."""
        found = [each for each in self.facts.assessments if each.kind is kind and each.day in span]
        return sorted(found, key=lambda assessment: (assessment.at, assessment.id))

    def contents(
        self, kind: AssessmentKind, key: ContentKey, span: Span
    ) -> list[tuple[Assessment, Any]]:
        """Return the assessments that answer the key, earliest first, each with its answer.

        The latest answer counts, so an assessment that leaves the key out hides no earlier one.
        """
        return [
            (assessment, assessment.content[key])
            for assessment in self.assessments(kind, span)
            if assessment.content.get(key) is not None
        ]


def last_exposure(medication: Medication, until: dt.date) -> dt.date:
    """Return the last day up to `until` on which the medication was taken."""
    if medication.ongoing:
        return until
    return min(until, medication.end_day or medication.start_day)


def exact(number: Any) -> Decimal:
    """Take a number out of assessment content, by its decimal notation."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


def finding_truth(finding: Finding | None) -> bool | None:
    """Read a qualitative result: positive is True, negative False, anything else unknown."""
    if finding is Finding.POSITIVE:
        return True
    return False if finding is Finding.NEGATIVE else None


def above_limit(lab: LabResult) -> bool | None:
    """Tell whether a result exceeds its own reference limit (C34); the number goes first."""
    by_number = None
    if lab.measurement is not None and lab.uln is not None:
        by_number = lab.measurement.compare(Relation.GT, lab.uln)
    return finding_truth(lab.finding) if by_number is None else by_number


def detected(lab: LabResult) -> bool | None:
    """Tell whether a test is positive, be it by its finding or by its number."""
    return True if lab.finding is Finding.POSITIVE else above_limit(lab)


def read_lab(lab: LabResult, holds: bool | None) -> Reading:
    """Present a laboratory result as a reading."""
    measurement = lab.measurement
    return Reading(
        name=lab.analyte,
        evidence=lab.id,
        holds=holds,
        value=measurement.value if measurement else lab.finding,
        comparator=measurement.comparator if measurement else None,
        unit=lab.unit,
        date=lab.day,
        at=lab.at,
        known_at=lab.known_at,
    )


def read_content(assessment: Assessment, key: ContentKey, holds: bool | None) -> Reading:
    """Present one answer of an assessment as a reading."""
    answer = assessment.content[key]
    words = isinstance(answer, (str, bool))
    return Reading(
        name=key,
        evidence=assessment.id,
        holds=holds,
        value=str(answer).lower() if words else exact(answer),
        date=assessment.day,
        at=assessment.at,
        known_at=assessment.known_at,
    )


def read_subject(
    subject: Subject,
    name: str,
    holds: bool | None,
    *,
    value: Decimal | str | None = None,
    day: dt.date | None = None,
    unit: str | None = None,
) -> Reading:
    """Present an entry of the subject's own record as a reading."""
    return Reading(
        name=name,
        evidence=subject.id,
        holds=holds,
        value=value,
        unit=unit,
        date=day,
    )


_BEFORE_ALL = dt.datetime.min.replace(tzinfo=dt.UTC)


def in_order(readings: list[Reading]) -> list[Reading]:
    """Sort readings of different sources by their moment, earliest first."""
    return sorted(readings, key=lambda reading: (reading.at or _BEFORE_ALL, reading.evidence))


def latest_readings(readings: list[Reading]) -> list[Reading]:
    """Return all readings of the latest instant, so that no id decides which of them counts."""
    last = max((reading.at or _BEFORE_ALL for reading in readings), default=None)
    return [reading for reading in in_order(readings) if (reading.at or _BEFORE_ALL) == last]
