"""The register of reference ranges: the one place where stored results get the limits they lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.reference_ranges import RangeEnd, Register
from app.domain.reference_ranges import ReferenceRange as RangeFact
from app.models import LabResult, RangeRetraction, ReferenceRange, Subject
from app.services import evidence_mapping as to_fact
from app.services.history import as_of, rows


@dataclass(frozen=True, slots=True)
class RangeRecords:
    """The rows of all ranges by id, and of what ended each, in the order of recording."""

    ranges: Mapping[UUID, ReferenceRange] = field(default_factory=dict)
    retractions: Mapping[UUID, Sequence[RangeRetraction]] = field(default_factory=dict)

    def register(self) -> Register:
        """Return what the rules look limits up in."""
        return Register.of(self.fact(row) for row in self.ranges.values())

    def fact(self, row: ReferenceRange) -> RangeFact:
        """Read a range together with what ended it."""
        ends = self.retractions.get(row.id, ())
        return RangeFact(
            id=str(row.id),
            number=row.number,
            laboratory=row.laboratory,
            analyte=row.analyte,
            sex=row.sex,
            age_from=row.age_from,
            age_to=row.age_to,
            lln=row.lln,
            uln=row.uln,
            effective_from=row.effective_from,
            known_at=row.recorded_at,
            ends=tuple(RangeEnd(end.from_day, end.recorded_at) for end in ends),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The register beside the people whose results are read."""

    register: Register
    subjects: Mapping[UUID, facts.Subject]

    def complete(self, row: LabResult, zone: ZoneInfo) -> facts.LabResult:
        """Read a result and fill the limits that it came without."""
        lab = to_fact.lab(row, zone)
        if not self.register.every:
            return lab
        return self.register.complete(lab, self.subjects[row.subject_id])


async def load_ranges(session: AsyncSession, study_id: UUID, past: datetime | None) -> RangeRecords:
    """Read all ranges of a study as they were known at `past` (None is now)."""
    ranges = {row.id: row for row in await session.scalars(rows(ReferenceRange, study_id, past))}
    if not ranges:
        return RangeRecords()
    ends: defaultdict[UUID, list[RangeRetraction]] = defaultdict(list)
    for row in await session.scalars(rows(RangeRetraction, study_id, past)):
        ends[row.reference_range_id].append(row)
    return RangeRecords(ranges, ends)


async def load_limits(
    session: AsyncSession, study_id: UUID, subject_ids: Collection[UUID], past: datetime | None
) -> Limits:
    """Read what the limits of these subjects' results are looked up in."""
    register = (await load_ranges(session, study_id, past)).register()
    if not register.every:
        return Limits(register, {})
    entity = as_of(Subject, study_id, past)
    query = select(entity).where(entity.study_id == study_id, entity.id.in_(subject_ids))
    found = await session.scalars(query)
    return Limits(register, {row.id: to_fact.subject(row) for row in found})
