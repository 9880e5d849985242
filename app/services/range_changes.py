"""Which grades read differently under one register of reference ranges than under another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.ctcae.grading import GradingResult
from app.domain.facts import LabResult
from app.domain.lab_grades import background, grades_for
from app.domain.reference_ranges import Register
from app.models import ConcomitantMedication, Infusion
from app.models import LabResult as LabRow
from app.schemas.reference_ranges import ChangedGradeView, GradeReadView
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects

_TABLES = (ConcomitantMedication, Infusion, LabRow)


async def changed_grades(
    session: AsyncSession,
    actor: Actor,
    analyte: str,
    registers: tuple[Register, Register],
    past: datetime | None,
) -> list[ChangedGradeView]:
    """List the grades of an analyte that differ, of all subjects the actor sees.

    A result of another laboratory is among them where its baseline's limit differs.
    """
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, analytes=frozenset({analyte}))
    return [
        changed
        for evidence in await load_subjects(session, scope, _TABLES)
        if actor.sees(evidence.site_id)
        for changed in _of_subject(evidence, registers)
    ]


def _of_subject(
    evidence: SubjectEvidence, registers: tuple[Register, Register]
) -> Iterator[ChangedGradeView]:
    before, after = (_graded(evidence, register) for register in registers)
    for lab in sorted(evidence.labs, key=lambda lab: (lab.at, lab.id)):
        for old, new in zip(before[lab.id], after[lab.id], strict=True):
            if _read(old) != _read(new):
                yield ChangedGradeView(
                    lab_id=UUID(lab.id),
                    subject_id=evidence.subject_id,
                    subject_number=evidence.subject.number,
                    analyte=lab.analyte,
                    day=lab.day,
                    term=new.term,
                    before=GradeReadView.model_validate(old),
                    after=GradeReadView.model_validate(new),
                )


def _graded(evidence: SubjectEvidence, register: Register) -> dict[str, tuple[GradingResult, ...]]:
    """Grade all results with the limits of one register."""
    labs: list[LabResult] = [register.complete(lab, evidence.subject) for lab in evidence.labs]
    against = background(evidence.infusions, labs, evidence.medications)
    return {lab.id: grades_for(lab, against) for lab in labs}


def _read(grade: GradingResult) -> tuple[int | None, int, int]:
    return grade.grade, grade.grade_min, grade.grade_max
