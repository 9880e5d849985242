"""The backgrounds against which stored results are graded, for any subjects at any moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import lab_grades
from app.domain.lab_grades import Background
from app.domain.vocabulary import MedicationClass
from app.models import ConcomitantMedication, Infusion, LabResult, StudyRecord
from app.services import evidence_mapping as to_fact
from app.services.evidence import Scope
from app.services.history import as_of
from app.services.lab_versions import is_current
from app.services.range_register import Limits

BySubject = defaultdict[UUID, list[Any]]
Conditions = Callable[[Any], tuple[Any, ...]]
Reading = Callable[[Any, ZoneInfo], Any]
# Of which subjects, and of which analytes.
Wanted = tuple[Collection[UUID], Collection[str]]


async def load_backgrounds(
    session: AsyncSession, scope: Scope, limits: Limits, wanted: Wanted
) -> dict[UUID, Background]:
    """Load only what the grades of these analytes of these subjects rest on."""
    subject_ids, analytes = wanted

    async def load(model: type[StudyRecord], read: Reading, conditions: Conditions) -> BySubject:
        entity = as_of(model, scope.study_id, scope.past)
        mine = (entity.study_id == scope.study_id, entity.subject_id.in_(subject_ids))
        found: BySubject = defaultdict(list)
        for row in await session.scalars(select(entity).where(*mine, *conditions(entity))):
            found[row.subject_id].append(read(row, scope.zone))
        return found

    infusions = await load(Infusion, to_fact.infusion, _started)
    medications = await load(ConcomitantMedication, to_fact.medication, _anticoagulant)
    labs: BySubject = defaultdict(list)
    if infusions:
        last_start = max(each.started_at for of_one in infusions.values() for each in of_one)
        labs = await load(
            LabResult,
            limits.complete,
            lambda lab: (
                lab.analyte.in_(analytes),
                lab.value.is_not(None),
                lab.collected_at < last_start,
                is_current(lab, scope.past),
            ),
        )
    return {
        each: lab_grades.background(infusions[each], labs[each], medications[each])
        for each in subject_ids
    }


def _started(infusion: Any) -> tuple[Any, ...]:
    return (infusion.started_at.is_not(None),)


def _anticoagulant(medication: Any) -> tuple[Any, ...]:
    is_one = medication.medication_class == MedicationClass.ANTICOAGULANT
    return is_one, medication.retracted.is_(False)
