"""One function per table: a row, read as the things that happened, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.serialization import decimal_text
from app.domain.vocabulary import USABLE_LAB_STATUSES
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    BagMovement,
    Cohort,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Enrolment,
    FollowUp,
    Infusion,
    LabResult,
    ReportedDeviation,
    SafetyReport,
    StudyRecord,
    Subject,
    Transfusion,
)
from app.schemas.timelines import TimelineKind
from app.services.evidence_mapping import local_day


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, on a day, and at an instant if that is known."""

    kind: TimelineKind
    title: str
    record_type: str
    record_id: UUID
    day: date
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Describer:
    """Describes rows; `zone` is the study's."""

    zone: ZoneInfo

    def subject(self, row: Subject) -> Iterator[Happening]:
        """Tell the milestones before enrolment."""
        days = {
            TimelineKind.CAR_T: (row.car_t_date, "CAR-T cells infused"),
            TimelineKind.CONSENT: (row.consent_date, "Consent signed"),
            TimelineKind.SCREENING: (row.screening_date, "Screening began"),
        }
        for kind, (day, title) in days.items():
            if day is not None:
                yield self._on(day, kind, title, row)

    def attestation(self, row: Attestation) -> Happening:
        """Tell that a person answered a criterion."""
        answer = "met" if row.met else "not met"
        title = f"Criterion {row.criterion} attested as {answer}"
        return self._at(row.recorded_at, TimelineKind.ATTESTATION, title, row)

    def enrolment(self, row: Enrolment, cohort: Cohort) -> Happening:
        """Tell which place the subject took."""
        title = f"Enrolled on level {cohort.dose_level} ({cohort.phase.value}), slot {row.slot}"
        if row.replaces_id is not None:
            title += ", as a replacement"
        return self._at(row.recorded_at, TimelineKind.ENROLMENT, title, row)

    def infusion(self, row: Infusion, cancelled_at: datetime | None) -> Iterator[Happening]:
        """Tell what became of an infusion."""
        name = f"Infusion {row.number}"
        prescribed = (
            f"{name} of level {row.dose_level} prescribed for {row.planned_date}:"
            f" {decimal_text(row.planned_volume_ml)} mL"
        )
        yield self._at(row.recorded_at, TimelineKind.INFUSION_PRESCRIBED, prescribed, row)
        drug = _words(row.premedication_drug or "premedication")
        dose = row.premedication_dose_mg
        premedication = f"{drug}{f' {decimal_text(dose)} mg' if dose else ''} given before {name}"
        given = [f"{decimal_text(row.volume_ml)} mL"] if row.volume_ml is not None else []
        given += [f"{decimal_text(row.cells)} cells"] if row.cells is not None else []
        stopped = f"{name} stopped{': ' if given else ''}{', '.join(given)}"
        steps = (
            (row.premedication_at, TimelineKind.PREMEDICATION, premedication.capitalize()),
            (row.started_at, TimelineKind.INFUSION_STARTED, f"{name} started"),
            (row.stopped_at, TimelineKind.INFUSION_STOPPED, stopped),
            (cancelled_at, TimelineKind.INFUSION_CANCELLED, f"{name} cancelled"),
        )
        for at, kind, title in steps:
            if at is not None:
                yield self._at(at, kind, title, row)

    def bag_check(self, row: BagMovement, bag_number: str, number: int) -> Iterator[Happening]:
        """Tell that a bag was checked to be the one for an infusion."""
        if row.checked_at is not None and row.method is not None:
            title = f"Bag {bag_number} checked for Infusion {number}: {_words(row.method)}"
            yield self._at(row.checked_at, TimelineKind.BAG_CHECKED, title, row)

    def lab(self, row: LabResult) -> Happening:
        """Tell a result in the analyte's canonical unit."""
        parts = [row.analyte]
        if row.value is not None:
            bound = row.comparator.value if row.comparator else ""
            parts += [f"{bound}{decimal_text(row.value)}", row.unit or ""]
        if row.finding is not None:
            parts.append(row.finding.value)
        if row.status not in USABLE_LAB_STATUSES:
            parts.append(f"({row.status.value})")
        return self._at(row.collected_at, TimelineKind.LAB_RESULT, " ".join(parts), row)

    def assessment(self, row: Assessment) -> Happening:
        """Tell that an assessment was made."""
        title = f"Assessed: {_words(row.kind)}"
        return self._at(row.performed_at, TimelineKind.ASSESSMENT, title, row)

    def transfusion(self, row: Transfusion) -> Happening:
        """Tell which blood product was given."""
        units = f", units: {decimal_text(row.units)}" if row.units is not None else ""
        title = f"{_words(row.product).capitalize()} transfused{units}"
        return self._at(row.given_at, TimelineKind.TRANSFUSION, title, row)

    def medication(self, row: ConcomitantMedication) -> Iterator[Happening]:
        """Tell when a medication started, and when it ended."""
        once = row.ended_at is None and not row.ongoing
        title = f"{row.name} {'given' if once else 'started'}"
        yield self._at(row.started_at, TimelineKind.MEDICATION_STARTED, title, row)
        if row.ended_at is not None:
            title = f"{row.name} ended"
            yield self._at(row.ended_at, TimelineKind.MEDICATION_ENDED, title, row)

    def adverse_event(self, row: AdverseEvent) -> Iterator[Happening]:
        """Tell when an event began, and when it ended."""
        title = f"{row.term}, grade {row.grade}, began"
        yield self._at(row.onset_at, TimelineKind.ADVERSE_EVENT_BEGAN, title, row)
        if row.ended_at is not None:
            title = f"{row.term} ended: {_words(row.outcome)}"
            yield self._at(row.ended_at, TimelineKind.ADVERSE_EVENT_ENDED, title, row)

    def adjudication(self, row: DltAdjudication, events: Mapping[UUID, AdverseEvent]) -> Happening:
        """Tell what was signed about an event."""
        answer = "dose-limiting" if row.is_dlt else "not dose-limiting"
        title = f"{events[row.adverse_event_id].term} signed as {answer}"
        return self._at(row.recorded_at, TimelineKind.DLT_ADJUDICATION, title, row)

    def deviation(self, row: ReportedDeviation) -> Happening:
        """Tell that somebody saw a departure from the protocol."""
        title = f"Deviation reported: {_words(row.category)}, {row.severity.value}"
        return self._on(row.day, TimelineKind.DEVIATION, title, row)

    def follow_up(self, row: FollowUp, events: Mapping[UUID, AdverseEvent]) -> Happening:
        """Tell that something came to light about an event."""
        title = f"{events[row.adverse_event_id].term}: follow-up information received"
        return self._at(row.received_at, TimelineKind.FOLLOW_UP_RECEIVED, title, row)

    def safety_report(self, row: SafetyReport, events: Mapping[UUID, AdverseEvent]) -> Happening:
        """Tell that an event was reported."""
        title = f"{events[row.adverse_event_id].term} reported: {_words(row.kind)}"
        return self._at(row.sent_at, TimelineKind.SAFETY_REPORT_SENT, title, row)

    def disposition(self, row: Disposition) -> Happening:
        """Tell how the subject left."""
        title = f"Disposition: {_words(row.event)}"
        return self._on(row.event_date, TimelineKind.DISPOSITION, title, row)

    def _at(self, at: datetime, kind: TimelineKind, title: str, row: StudyRecord) -> Happening:
        day = local_day(at, self.zone)
        return Happening(kind, title, row.__tablename__, row.id, day, at)

    def _on(self, day: date, kind: TimelineKind, title: str, row: StudyRecord) -> Happening:
        return Happening(kind, title, row.__tablename__, row.id, day, None)


def _words(word: str) -> str:
    return word.replace("_", " ")
