"""One function per table: a row, read as the fact the rules know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain import facts
from app.domain.quantities import Measurement
from app.domain.safety_reporting import Moment
from app.domain.vocabulary import (
    USABLE_LAB_STATUSES,
    MedicationClass,
    SeriousnessCriterion,
    TimePrecision,
)
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Infusion,
    LabResult,
    Subject,
    Transfusion,
)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of an instant in the study's zone."""
    return instant.astimezone(zone).date()


def moment_of(instant: datetime, zone: ZoneInfo) -> Moment:
    """Return an instant with its local day."""
    return Moment(instant, local_day(instant, zone))


def subject(row: Subject) -> facts.Subject:
    """Read a subject."""
    return facts.Subject(
        id=str(row.id),
        number=row.number,
        sex=row.sex,
        birth_year=row.birth_year,
        age_at_consent=row.age_at_consent,
        childbearing_potential=row.childbearing_potential,
        consent_day=row.consent_date,
        screening_day=row.screening_date,
        disease=row.disease,
        car_t_product=row.car_t_product,
        car_t_day=row.car_t_date,
        car_t_was_investigational=row.car_t_was_investigational,
        allogeneic_transplant_day=row.allogeneic_transplant_date,
        had_allogeneic_transplant=row.had_allogeneic_transplant,
        has_copd=row.has_copd,
        weight_kg=row.weight_kg,
        planned_first_infusion_day=row.planned_first_infusion_date,
    )


def infusion(row: Infusion, zone: ZoneInfo, cancelled_at: datetime | None = None) -> facts.Infusion:
    """Read an infusion; `cancelled_at` is since when it is on record as cancelled."""
    drug = row.premedication_drug
    return facts.Infusion(
        id=str(row.id),
        number=row.number,
        planned_day=row.planned_date,
        planned_cells=row.planned_cells,
        weight_kg=row.weight_kg,
        started_at=row.started_at,
        day=local_day(row.started_at, zone) if row.started_at else None,
        volume_ml=row.volume_ml,
        cells=row.cells,
        viability_percent=row.viability_percent,
        premedication_drug=MedicationClass(drug) if drug else None,
        premedication_given_at=row.premedication_at,
        premedication_dose_mg=row.premedication_dose_mg,
        cancelled=row.cancelled,
        cancelled_day=local_day(cancelled_at, zone) if cancelled_at else None,
        version=row.version,
    )


def lab(row: LabResult, zone: ZoneInfo) -> facts.LabResult:
    """Read the current version of a laboratory result, with the limits that it came with alone."""
    measured = None if row.value is None else Measurement(row.value, row.comparator)
    return facts.LabResult(
        id=str(row.id),
        analyte=row.analyte,
        measurement=measured,
        finding=row.finding,
        unit=row.unit,
        lln=row.lln,
        uln=row.uln,
        at=row.collected_at,
        day=local_day(row.collected_at, zone),
        status=row.status,
        accession=row.accession,
        known_at=row.recorded_at,
        source=row.source,
    )


def arrivals(current: Iterable[LabResult], versions: Iterable[LabResult]) -> list[facts.Arrival]:
    """Read how each result that counts came on record, from all its versions in their order."""
    first: dict[UUID, LabResult] = {}
    for row in versions:
        if row.status in USABLE_LAB_STATUSES:
            first.setdefault(row.result_id, row)
    return [_arrival(first[row.result_id]) for row in current if row.status in USABLE_LAB_STATUSES]


def _arrival(row: LabResult) -> facts.Arrival:
    exact = row.collected_precision in (TimePrecision.MINUTE, TimePrecision.SECOND)
    return facts.Arrival(
        id=str(row.id),
        collected_at=row.collected_at if exact else None,
        reported_at=row.reported_at,
        recorded_at=row.recorded_at,
        in_message=row.message_id is not None,
    )


def transfusion(row: Transfusion, zone: ZoneInfo) -> facts.Transfusion:
    """Read a transfusion."""
    return facts.Transfusion(
        id=str(row.id), product=row.product, at=row.given_at, day=local_day(row.given_at, zone)
    )


def medication(row: ConcomitantMedication, zone: ZoneInfo) -> facts.Medication:
    """Read a concomitant medication."""
    return facts.Medication(
        id=str(row.id),
        medication_class=row.medication_class,
        name=row.name,
        start_at=row.started_at,
        start_day=local_day(row.started_at, zone),
        end_day=local_day(row.ended_at, zone) if row.ended_at else None,
        ongoing=row.ongoing,
        half_life_days=row.half_life_days,
        known_at=row.recorded_at,
    )


def adverse_event(row: AdverseEvent, zone: ZoneInfo, worst: int) -> facts.AdverseEvent:
    """Read an adverse event; `worst` is the worst grade that it had."""
    return facts.AdverseEvent(
        id=str(row.id),
        term=row.term,
        soc=row.soc,
        grade=worst,
        onset_at=row.onset_at,
        onset_day=local_day(row.onset_at, zone),
        end_at=row.ended_at,
        end_day=local_day(row.ended_at, zone) if row.ended_at else None,
        causality=row.causality,
        causality_disease=row.causality_disease,
        seriousness=frozenset(SeriousnessCriterion(item) for item in row.seriousness),
        investigator_declared_dlt=row.investigator_declared_dlt,
        baseline_grade=row.baseline_grade,
        version=row.version,
    )


def adjudication(row: DltAdjudication) -> facts.DltAdjudication:
    """Read a signed decision on an event."""
    return facts.DltAdjudication(
        id=str(row.id),
        adverse_event_id=str(row.adverse_event_id),
        adverse_event_version=row.adverse_event_version,
        is_dlt=row.is_dlt,
        at=row.recorded_at,
    )


def assessment(row: Assessment, zone: ZoneInfo) -> facts.Assessment:
    """Read an assessment."""
    return facts.Assessment(
        id=str(row.id),
        kind=row.kind,
        at=row.performed_at,
        day=local_day(row.performed_at, zone),
        content=row.content,
        known_at=row.recorded_at,
    )


def attestation(row: Attestation, zone: ZoneInfo) -> facts.Attestation:
    """Read a person's answer to a criterion; its day is counted in the study's zone."""
    return facts.Attestation(
        id=str(row.id),
        criterion=row.criterion,
        met=row.met,
        at=row.recorded_at.astimezone(zone),
        reason=row.reason,
    )


def disposition(row: Disposition) -> facts.Disposition:
    """Read how a subject left."""
    return facts.Disposition(
        id=str(row.id), event=row.event, day=row.event_date, version=row.version
    )
