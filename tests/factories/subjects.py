"""Subjects at each step up to their enrolment.

Subjects and enrolments go over HTTP; the results and answers that make a subject eligible are
written as rows, because a ladder takes hundreds of them. `register` and `enrolled` give an id and
care for no eligibility, the others give the subject as it was answered.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select

from app.core.ids import new_id
from app.domain.analytes import find_analyte
from app.domain.vocabulary import CohortPhase, Role
from app.models import Assessment, Attestation, Cohort, Enrolment, LabResult
from app.services.protocols import active_protocol
from tests.conftest import NOW, Api
from tests.factories.rows import at, writing

FIRST_INFUSION = date(2026, 6, 3)
WEIGHT_KG = 60
SUBJECT: dict[str, Any] = {
    "sex": "female",
    "birth_year": 1980,
    "age_at_consent": 45,
    "consent_date": "2026-01-02",
    "screening_date": "2026-01-05",
    "disease": "lymphoma",
    "car_t_date": "2025-12-01",
    "weight_kg": WEIGHT_KG,
}

# (analyte, value, upper limit), then (analyte, finding): a subject whom no criterion shuts out.
MEASURED = (
    ("ANC", "0.8", None), ("PLT", "45", None), ("HGB", "85", None), ("CREA", "70", "100"),
    ("BUN", "5", "7"), ("ALT", "30", "40"), ("AST", "30", "40"), ("TBIL", "10", "20"),
    ("HBA1C", "6.1", None),
)  # fmt: skip
FOUND = ("HIV_AGAB", "TP_AB", "HBSAG", "HBCAB", "HCV_RNA")
ASSESSED: dict[str, dict[str, Any]] = {
    "ecog": {"score": 1},
    "ecg": {"qt_ms": 400, "rr_ms": 1000, "qtcf_ms": 400},
    "bone_marrow": {"flow_mrd": "negative", "ihc_infiltration": "negative"},
    "physical_examination": {"nyha_class": 1},
}
ANSWERED_YES = ("I6", "I8")
ANSWERED_NO = (
    *("E1", "E3a", "E3b", "E3c", "E3d", "E3e", "E3f", "E3g", "E9a", "E9b", "E9f", "E9h", "E10"),
    *("E12", "E14a", "E14b", "E16", "E17", "E18", "E19"),
)


def created(answer: httpx.Response) -> dict[str, Any]:
    """Return what was created; fail with the server's words."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def register(api: Api, **changes: Any) -> str:
    """Register a consented subject of 60 kg and return its id."""
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT | changes)
    return str(created(answer)["id"])


async def enrolled(api: Api, level: str = "A", **changes: Any) -> str:
    """Register a subject, give it the next place of a level, and return its id."""
    subject_id = await register(api, **changes)
    await take_place(api, subject_id, level)
    return subject_id


async def take_place(api: Api, subject_id: str, level: str = "A") -> bool:
    """Give a subject the next place of a level's cohort; tell whether the cohort had to be made."""
    async with writing(api) as (session, actor):
        cohort = await session.scalar(
            select(Cohort).where(Cohort.study_id == actor.study_id, Cohort.dose_level == level)
        )
        is_new = cohort is None
        if cohort is None:
            cohort = Cohort(
                study_id=actor.study_id,
                id=new_id(),
                dose_level=level,
                phase=CohortPhase.ESCALATION,
            )
            session.add(cohort)
            await session.flush()
        taken = select(func.count()).where(Enrolment.cohort_id == cohort.id)
        session.add(
            Enrolment(
                study_id=actor.study_id,
                subject_id=UUID(subject_id),
                cohort_id=cohort.id,
                slot=(await session.scalar(taken) or 0) + 1,
                protocol_version_id=(await active_protocol(session, actor.study_id, NOW)).id,
                evidence={},
                evidence_digest="",
            )
        )
    return is_new


async def leave(api: Api, subject_id: str, event: str, day: datetime) -> None:
    """Record how a subject left, on the day of an instant."""
    body = {"event": event, "event_date": day.date().isoformat(), "reason": "Set up a test."}
    path = f"/subjects/{subject_id}/disposition"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=body))


async def screened_subject(
    api: Api, first_infusion: date = FIRST_INFUSION, **changes: Any
) -> dict[str, Any]:
    """Register a subject who consented and was screened nine days before the first infusion."""
    screening = first_infusion - timedelta(days=9)
    body = {
        "sex": "male",
        "birth_year": screening.year - 46,
        "age_at_consent": 45,
        "consent_date": screening.isoformat(),
        "consent_version": "1.0",
        "screening_date": screening.isoformat(),
        "disease": "lymphoma",
        "car_t_product": "a product",
        "car_t_date": (screening - timedelta(days=60)).isoformat(),
        "car_t_was_investigational": False,
        "had_allogeneic_transplant": False,
        "has_copd": False,
        "weight_kg": WEIGHT_KG,
        "planned_first_infusion_date": first_infusion.isoformat(),
    }
    return created(await api(Role.STUDY_COORDINATOR).post("/subjects", json=body | changes))


async def eligible_subject(
    api: Api, first_infusion: date = FIRST_INFUSION, **changes: Any
) -> dict[str, Any]:
    """Register a subject who meets every criterion."""
    subject = await screened_subject(api, first_infusion, **changes)
    async with writing(api) as (session, actor):
        session.add_all(screening_rows(actor.study_id, UUID(subject["id"]), first_infusion))
    return subject


def screening_rows(study_id: UUID, subject_id: UUID, first_infusion: date) -> list[Any]:
    """Make the results, assessments and answers that make a screened subject eligible."""
    keys = {"study_id": study_id, "subject_id": subject_id}
    tested = at(first_infusion - timedelta(days=4), 8)
    measured = [
        _lab(
            keys,
            analyte,
            tested,
            value=Decimal(value),
            uln=None if uln is None else Decimal(uln),
            unit=find_analyte(analyte).canonical_unit,
        )
        for analyte, value, uln in MEASURED
    ]
    found = [_lab(keys, analyte, tested, finding="negative") for analyte in FOUND]
    assessments = [
        Assessment(**keys, kind=kind, performed_at=tested, content=content)
        for kind, content in ASSESSED.items()
    ]
    # An answer counts when it was given in the days before; on the usual day any later one does,
    # and a trail that is verified has no rows of another moment than their operation's.
    given = {} if first_infusion == FIRST_INFUSION else {"recorded_at": tested}
    answers = [
        Attestation(**keys, criterion=criterion, met=criterion in ANSWERED_YES, **given)
        for criterion in (*ANSWERED_YES, *ANSWERED_NO)
    ]
    return [*measured, *found, *assessments, *answers]


def _lab(keys: dict[str, UUID], analyte: str, collected: datetime, **content: Any) -> LabResult:
    id_ = new_id()
    return LabResult(
        **keys,
        id=id_,
        result_id=id_,
        source="manual",
        specimen=collected.isoformat(),
        analyte=analyte,
        status="final",
        collected_at=collected,
        stated_at=collected,
        standing=2,
        **content,
    )


async def enrol(api: Api, subject: dict[str, Any], **body: Any) -> httpx.Response:
    """Ask for a place for a subject."""
    client = api(Role.STUDY_COORDINATOR)
    return await client.post(f"/subjects/{subject['id']}/enrolment", json=body)


async def enrolled_subject(
    api: Api, first_infusion: date = FIRST_INFUSION, **changes: Any
) -> dict[str, Any]:
    """Register an eligible subject and enrol it; its place is under `enrolment`."""
    subject = await eligible_subject(api, first_infusion, **changes)
    return subject | {"enrolment": created(await enrol(api, subject))}
