"""From rows to facts: the only place where records become what the rules read.

Rules count study days, so every instant also gets its calendar day in the study's zone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.disposition import with_implied_death
from app.domain.dlt import DltFacts
from app.domain.dosing import DoseLevel
from app.domain.errors import not_found
from app.domain.vocabulary import CohortPhase
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    Cohort,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Enrolment,
    Infusion,
    LabResult,
    StudyRecord,
    Subject,
    Transfusion,
)
from app.services import evidence_mapping as to_fact
from app.services.event_trail import worst_grades
from app.services.history import rows
from app.services.infusion_trail import cancelled_since
from app.services.range_register import Limits, RangeRecords, load_ranges
from app.services.site_wall import across_sites


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place an enrolled subject holds."""

    enrolment_id: UUID
    cohort_id: UUID
    dose_level: str
    phase: CohortPhase
    slot: int
    replaces_id: UUID | None
    at: datetime
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectEvidence:
    """All facts of one subject, each list in the order of recording."""

    subject_id: UUID
    site_id: UUID
    subject: facts.Subject
    place: Place | None
    infusions: tuple[facts.Infusion, ...]
    labs: tuple[facts.LabResult, ...]
    arrivals: tuple[facts.Arrival, ...]
    transfusions: tuple[facts.Transfusion, ...]
    medications: tuple[facts.Medication, ...]
    events: tuple[facts.AdverseEvent, ...]
    adjudications: tuple[facts.DltAdjudication, ...]
    assessments: tuple[facts.Assessment, ...]
    attestations: tuple[facts.Attestation, ...]
    dispositions: tuple[facts.Disposition, ...]

    def as_recorded(self) -> SubjectEvidence:
        """Return the same without a death that only a fatal event tells of."""
        events = {event.id for event in self.events}
        recorded = tuple(fact for fact in self.dispositions if fact.id not in events)
        return replace(self, dispositions=recorded)

    def dlt_facts(self, level: DoseLevel) -> DltFacts:
        """Return what the DLT rules read of this subject, treated at `level`."""
        return DltFacts(
            level=level,
            infusions=self.infusions,
            dispositions=self.dispositions,
            events=self.events,
            adjudications=self.adjudications,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records to read: of which study, known at which moment (None is now), of whom.

    With `analytes` only the laboratory results of these are read; with `subject_ids` only the
    records of these subjects.
    """

    study_id: UUID
    zone: ZoneInfo
    past: datetime | None = None
    subject_id: UUID | None = None
    analytes: frozenset[str] | None = None
    subject_ids: frozenset[UUID] | None = None


Row = TypeVar("Row", bound=StudyRecord)

OWN_TABLES: tuple[type[StudyRecord], ...] = (
    Infusion,
    LabResult,
    Transfusion,
    ConcomitantMedication,
    Assessment,
    Attestation,
    Disposition,
)


async def load_subject(session: AsyncSession, scope: Scope) -> SubjectEvidence:
    """Load the facts of the scope's one subject; raise not_found."""
    found = await load_subjects(session, scope)
    if not found:
        raise not_found("subject")
    return found[0]


async def load_subjects(
    session: AsyncSession, scope: Scope, tables: Collection[type[StudyRecord]] = OWN_TABLES
) -> list[SubjectEvidence]:
    """Load the facts of all subjects of a study, or of the scope's one, oldest subject first.

    Subjects, places, events and adjudications are always read; of OWN_TABLES only `tables`, the
    facts of the others stay empty. All subjects means those of all sites, as counts and
    conclusions need them; whoever shows single ones asks `Actor.sees`.
    """
    if scope.subject_id is not None:
        return await _load(session, scope, tables)
    async with across_sites(session):
        return await _load(session, scope, tables)


async def _load(
    session: AsyncSession, scope: Scope, tables: Collection[type[StudyRecord]]
) -> list[SubjectEvidence]:
    subjects = await _read(session, Subject, scope, "id")
    adjudications = await _adjudications(session, scope)
    places = await _places(session, scope)
    own: _Own = {
        model: await _by_subject(session, model, scope) if model in tables else defaultdict(list)
        for model in OWN_TABLES
    }
    own[AdverseEvent] = await _by_subject(session, AdverseEvent, scope)
    events = [event for found in own[AdverseEvent].values() for event in found]
    worst = await worst_grades(session, scope.study_id, events, scope.past)
    ranges = RangeRecords()
    if LabResult in tables:
        ranges = await load_ranges(session, scope.study_id, scope.past)
    limits = Limits(ranges.register(), {row.id: to_fact.subject(row) for row in subjects})
    infusions = [infusion for found in own[Infusion].values() for infusion in found]
    cancelled = await cancelled_since(session, scope.study_id, infusions, scope.past)
    read = _Read(own, adjudications, worst, cancelled, limits, scope.zone)
    return [_assemble(row, places.get(row.id), read) for row in subjects]


_Own = dict[type[StudyRecord], defaultdict[UUID, list[Any]]]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of all subjects: rows by table and subject, answers and grades by event.

    `cancelled` tells since when an infusion is on record as that; `limits` are those of the
    laboratories' registers.
    """

    own: _Own
    adjudications: defaultdict[UUID, list[DltAdjudication]]
    worst: Mapping[UUID, int]
    cancelled: Mapping[UUID, datetime]
    limits: Limits
    zone: ZoneInfo


def _assemble(row: Subject, place: Place | None, found: _Read) -> SubjectEvidence:
    """Put the facts of one subject together."""
    own, zone = found.own, found.zone

    def read(model: type[StudyRecord], mapping: Callable[[Any, ZoneInfo], Any]) -> tuple[Any, ...]:
        return tuple(mapping(item, zone) for item in own[model][row.id])

    events = tuple(
        to_fact.adverse_event(item, zone, found.worst[item.id])
        for item in own[AdverseEvent][row.id]
    )
    recorded = tuple(to_fact.disposition(item) for item in own[Disposition][row.id])
    current = _current(own[LabResult][row.id])
    return SubjectEvidence(
        subject_id=row.id,
        site_id=row.site_id,
        subject=found.limits.subjects[row.id],
        place=place,
        infusions=tuple(
            to_fact.infusion(item, zone, found.cancelled.get(item.id))
            for item in own[Infusion][row.id]
        ),
        labs=tuple(found.limits.complete(lab, zone) for lab in current),
        arrivals=tuple(to_fact.arrivals(current, own[LabResult][row.id])),
        transfusions=read(Transfusion, to_fact.transfusion),
        medications=read(ConcomitantMedication, to_fact.medication),
        events=events,
        adjudications=tuple(
            to_fact.adjudication(item)
            for event in own[AdverseEvent][row.id]
            for item in found.adjudications[event.id]
        ),
        assessments=read(Assessment, to_fact.assessment),
        attestations=read(Attestation, to_fact.attestation),
        dispositions=with_implied_death(recorded, events),
    )


async def _read(
    session: AsyncSession, model: type[Row], scope: Scope, column: str
) -> Sequence[Row]:
    """Read a table within the scope; `column` holds the subject's id."""
    query = rows(model, scope.study_id, scope.past)
    entity = query.column_descriptions[0]["entity"]
    if scope.subject_id is not None:
        query = query.where(getattr(entity, column) == scope.subject_id)
    if scope.subject_ids is not None:
        query = query.where(getattr(entity, column).in_(scope.subject_ids))
    if scope.analytes is not None and model is LabResult:
        query = query.where(entity.analyte.in_(scope.analytes))
    return (await session.scalars(query)).all()


async def _by_subject(
    session: AsyncSession, model: type[Any], scope: Scope
) -> defaultdict[UUID, list[Any]]:
    """Group a table's rows by subject; a retracted row is no fact any more."""
    grouped: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in await _read(session, model, scope, "subject_id"):
        if not getattr(row, "retracted", False):
            grouped[row.subject_id].append(row)
    return grouped


async def _adjudications(
    session: AsyncSession, scope: Scope
) -> defaultdict[UUID, list[DltAdjudication]]:
    grouped: defaultdict[UUID, list[DltAdjudication]] = defaultdict(list)
    query = rows(DltAdjudication, scope.study_id, scope.past)
    for row in await session.scalars(query):
        grouped[row.adverse_event_id].append(row)
    return grouped


async def _places(session: AsyncSession, scope: Scope) -> dict[UUID, Place]:
    """Find the place of every enrolled subject."""
    cohorts = {
        row.id: row for row in await session.scalars(rows(Cohort, scope.study_id, scope.past))
    }
    return {
        row.subject_id: Place(
            enrolment_id=row.id,
            cohort_id=row.cohort_id,
            dose_level=cohorts[row.cohort_id].dose_level,
            phase=cohorts[row.cohort_id].phase,
            slot=row.slot,
            replaces_id=row.replaces_id,
            at=row.recorded_at,
            day=row.recorded_at.astimezone(scope.zone).date(),
        )
        for row in await _read(session, Enrolment, scope, "subject_id")
    }


def stands(version: LabResult) -> tuple[int, datetime, int, int]:
    """Return what puts the versions of one result in the order in which they were stated."""
    return version.weight, version.stated_at, version.standing, version.result_version


def _current(versions: Iterable[LabResult]) -> list[LabResult]:
    """Keep the version of each result that counts."""
    latest: dict[UUID, LabResult] = {}
    for row in sorted(versions, key=stands):
        latest[row.result_id] = row
    return list(latest.values())
