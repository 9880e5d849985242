"""The trial in hindsight: the records of any past moment as they were, and as they are known now.

Everything is read once. Both sides of every comparison are then put together in memory, with the
same mapping from rows to facts that every other conclusion is drawn from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import with_implied_death
from app.domain.facts import AdverseEvent
from app.domain.grade_history import GradeStated, grade_steps, worst_grade
from app.domain.hindsight import At, Image, in_hindsight
from app.domain.record_dating import DATING
from app.models import OF_CASEBOOK, Casebook, GradeCorrection, ProductLot, Record
from app.services import evidence_mapping as to_fact
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.history import rows
from app.services.protocols import ProtocolCourse, protocol_course
from app.services.range_register import RangeRecords, load_ranges
from app.services.record_versions import Version, Versions, load_versions

_EVENT = "adverse_event"
COUNTED = ("infusion", _EVENT, "disposition")
_MODELS: tuple[type[Record], ...] = (
    *(model for model in OF_CASEBOOK if issubclass(model, Record)),
    Casebook,
    ProductLot,
)


@dataclass(frozen=True, slots=True)
class Made:
    """When something was decided: what was on record before `known`, about the time up to `at`."""

    known: datetime
    at: At


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """All that is known now of the subjects, and every version that led there."""

    zone: ZoneInfo
    present: Mapping[UUID, SubjectEvidence]
    versions: Versions
    protocols: ProtocolCourse
    owned: Mapping[tuple[UUID, str], list[UUID]]
    corrected: Mapping[UUID, Sequence[tuple[int, datetime]]]
    ranges: RangeRecords

    def made(self, recorded_at: datetime, about: datetime) -> Made:
        """Return when something was decided that was recorded then and drawn for `about`."""
        return Made(recorded_at, At(about, about.astimezone(self.zone).date()))

    def made_on(self, recorded_at: datetime, day: date) -> Made:
        """Return when something was decided of which only the study day is kept."""
        same_day = recorded_at.astimezone(self.zone).date() == day
        end = datetime.combine(day, time.max, self.zone)
        return Made(recorded_at, At(recorded_at if same_day else end, day))

    def then(self, record_id: UUID, made: Made) -> Image:
        """Return a record as it stood when something was decided; None if it was no fact then."""
        return self._fact(record_id, self.versions.before(record_id, made.known), made.known)

    def since(self, record_id: UUID, made: Made) -> Image:
        """Return the same record as it is known now to have been then."""
        now = self._fact(record_id, next(reversed(self.versions.of(record_id)), None), None)
        dating = DATING[self.versions.table_of[record_id]]
        return in_hindsight(self.then(record_id, made), now, dating, made.at)

    def counted_then(self, subject_id: UUID, made: Made) -> SubjectEvidence:
        """Return what the ladder counts of a subject as it stood: infusions, events, exits."""
        return self._assemble(subject_id, made, lambda each: self.then(each, made), COUNTED)

    def counted(self, subject_id: UUID, made: Made) -> SubjectEvidence:
        """Return the same as it is known now to have been then.

        Answers and adjudications are judgements and count whenever they were given.
        """
        return self._assemble(subject_id, made, lambda each: self.since(each, made), COUNTED)

    def evidence(self, subject_id: UUID, made: Made) -> SubjectEvidence:
        """Return all of a subject's facts as they are known now to have been then."""
        found = self._assemble(subject_id, made, lambda each: self.since(each, made), DATING)
        labs = self.present[subject_id].labs
        return replace(found, labs=tuple(lab for lab in labs if made.at.has_seen(lab.at)))

    def records_of(self, subject_id: UUID, *tables: str) -> Iterator[UUID]:
        """Name a subject's records in some tables, oldest first."""
        for table in tables:
            yield from self.owned.get((subject_id, table), ())

    def _fact(self, record_id: UUID, version: Version | None, known: datetime | None) -> Image:
        """Return a version as the rules read it: none if retracted, an event at its worst grade."""
        image = version.image if version else None
        if image is None or image.get("retracted"):
            return None
        if self.versions.table_of[record_id] != _EVENT:
            return image
        return {**image, "grade": self._worst_grade(record_id, known)}

    def _worst_grade(self, event_id: UUID, known: datetime | None) -> int:
        """Return the worst grade of an event on record before a moment (None is now)."""
        stated = [
            GradeStated(
                version=each.image["version"],
                grade=each.image["grade"],
                at=each.since,
                source=str(each.operation_id),
            )
            for each in self.versions.of(event_id)
            if known is None or each.since < known
        ]
        wrong = (
            each for each in self.corrected.get(event_id, ()) if known is None or each[1] < known
        )
        return worst_grade(grade_steps(stated, {version for version, _ in wrong}))

    def _assemble(
        self,
        subject_id: UUID,
        made: Made,
        image_of: Callable[[UUID], Image],
        tables: Collection[str],
    ) -> SubjectEvidence:
        """Put a subject's facts of some tables together from images; the others stay empty."""
        present = self.present[subject_id]

        def read(table: str, mapping: Callable[..., Any], *zone: ZoneInfo) -> tuple[Any, ...]:
            wanted = self.records_of(subject_id, table) if table in tables else ()
            images = map(image_of, wanted)
            return tuple(
                mapping(SimpleNamespace(**image), *zone) for image in images if image is not None
            )

        zone, place = self.zone, present.place
        events = read(_EVENT, _event, zone)
        return replace(
            present,
            subject=next(iter(read("subject", to_fact.subject)), present.subject),
            place=place if place and place.at < made.known else None,
            labs=(),
            infusions=read("infusion", to_fact.infusion, zone),
            transfusions=read("transfusion", to_fact.transfusion, zone),
            medications=read("concomitant_medication", to_fact.medication, zone),
            events=events,
            assessments=read("assessment", to_fact.assessment, zone),
            dispositions=with_implied_death(read("disposition", to_fact.disposition), events),
        )


async def load_hindsight(session: AsyncSession, actor: Actor, past: datetime | None) -> Hindsight:
    """Read everything that was known at `past` (None is now), of all sites."""
    zone = ZoneInfo(actor.time_zone)
    subjects = await load_subjects(session, Scope(actor.study_id, zone, past))
    versions = await load_versions(session, actor.study_id, _MODELS, past)
    owned: defaultdict[tuple[UUID, str], list[UUID]] = defaultdict(list)
    for table in DATING:
        for record_id, course in sorted(versions.by_table[table].items()):
            subject_id = course[-1].image.get("subject_id", record_id)
            owned[subject_id, table].append(record_id)
    corrected: defaultdict[UUID, list[tuple[int, datetime]]] = defaultdict(list)
    for row in await session.scalars(rows(GradeCorrection, actor.study_id, past)):
        corrected[row.adverse_event_id].append((row.event_version, row.recorded_at))
    return Hindsight(
        zone=zone,
        present={evidence.subject_id: evidence for evidence in subjects},
        versions=versions,
        protocols=await protocol_course(session, actor.study_id, past),
        owned=owned,
        corrected=corrected,
        ranges=await load_ranges(session, actor.study_id, past),
    )


def _event(row: Any, zone: ZoneInfo) -> AdverseEvent:
    """Read an event whose image holds its worst grade."""
    return to_fact.adverse_event(row, zone, row.grade)
