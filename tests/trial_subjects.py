"""Subjects at each step of the trial, for tests that begin there.

Subjects and enrolments go over HTTP. Results, infusions, events and adjudications are written as
rows, as their own services leave them, because a ladder takes hundreds of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.ids import new_id
from app.core.security import DEVELOPMENT_ISSUER
from app.domain.analytes import find_analyte
from app.domain.vocabulary import Role
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    DltAdjudication,
    Infusion,
    LabResult,
)
from app.services.access import Actor, Area, Right, Wish, authorize
from app.services.audit import begin_operation
from app.services.fixture_subjects import fixture_subject
from tests.conftest import STUDY, Api, TestClock

FIRST_INFUSION = date(2026, 6, 3)
WEIGHT_KG = 60
CELLS, VOLUME_ML = Decimal(120_000_000), Decimal(120)  # record: 2 x 10^6 cells/kg, 2 mL/kg

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


def at(day: date, hour: int = 10) -> datetime:
    """Return a local hour of a study day (Asia/Shanghai, UTC+8)."""
    return datetime.combine(day, time(hour), UTC) - timedelta(hours=8)


def move_to(clock: TestClock, day: date) -> None:
    """Let it be noon of a study day."""
    clock.now = at(day, 12)


def database_of(api: Api) -> Database:
    """Return the database behind the clients."""
    transport = api()._transport
    assert isinstance(transport, httpx.ASGITransport)
    database: Database = transport.app.state.database
    return database


@asynccontextmanager
async def writing(api: Api, study: str = STUDY) -> AsyncIterator[tuple[AsyncSession, Actor]]:
    """Open a session with an operation of the principal investigator, committed at the end."""
    identity = (DEVELOPMENT_ISSUER, fixture_subject(Role.PRINCIPAL_INVESTIGATOR))
    wish = Wish(Area.SCREENING, Right.CREATE, "test")
    async with database_of(api).session() as session:
        actor = await authorize(session, identity, study, wish, datetime(2026, 1, 1, tzinfo=UTC))
        await begin_operation(session, actor, "prepare", None)
        yield session, actor
        await session.commit()


async def screened_subject(
    api: Api, first_infusion: date = FIRST_INFUSION, **changes: Any
) -> dict[str, Any]:
    """Register a subject who consented and was screened nine days before the first infusion."""
    screening = first_infusion - timedelta(days=9)
    body = {
        "sex": "male",
        "birth_year": 1980,
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
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=body | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


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
    answers = [
        Attestation(**keys, criterion=criterion, met=criterion in ANSWERED_YES)
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
    answer = await enrol(api, subject)
    assert answer.status_code == 201, answer.text
    return subject | {"enrolment": answer.json()}


async def infuse(api: Api, subject: dict[str, Any], *days: date, **changes: Any) -> list[UUID]:
    """Give an enrolled subject one full infusion on each of the days."""
    given = []
    async with writing(api) as (session, actor):
        for number, day in enumerate(days, start=1):
            row = Infusion(
                study_id=actor.study_id,
                id=new_id(),
                subject_id=UUID(subject["id"]),
                number=number,
                dose_level=subject["enrolment"]["dose_level"],
                planned_date=day,
                weight_kg=Decimal(WEIGHT_KG),
                planned_cells=CELLS,
                planned_volume_ml=VOLUME_ML,
                planned_bags=2,
                prescribed_by=actor.principal_id,
                premedication_drug="dexamethasone",
                premedication_dose_mg=Decimal(5),
                premedication_at=at(day) - timedelta(minutes=30),
                started_at=at(day),
                stopped_at=at(day) + timedelta(hours=1),
                **({"volume_ml": VOLUME_ML, "cells": CELLS} | changes),
            )
            session.add(row)
            given.append(row.id)
    return given


async def adverse_event(api: Api, subject: dict[str, Any], day: date, **changes: Any) -> UUID:
    """Record a related reaction of grade 3, which is proposed as dose-limiting."""
    content = {
        "term": "Infusion related reaction",
        "soc": "Injury, poisoning and procedural complications",
        "ctcae_version": "5.0",
        "grade": 3,
        "onset_at": at(day, 12),
        "aware_at": at(day, 13),
        "seriousness": [],
        "causality": "probable",
        "action_taken": "none",
        "outcome": "recovered",
    }
    keys = {"id": new_id(), "subject_id": UUID(subject["id"])}
    async with writing(api) as (session, actor):
        session.add(AdverseEvent(study_id=actor.study_id, **keys, **(content | changes)))
    return keys["id"]


async def adjudicate(api: Api, event_id: UUID, is_dlt: bool) -> None:
    """Sign whether the event, as it stands, is dose-limiting."""
    async with writing(api) as (session, actor):
        event = AdverseEvent.study_id == actor.study_id, AdverseEvent.id == event_id
        session.add(
            DltAdjudication(
                study_id=actor.study_id,
                adverse_event_id=event_id,
                adverse_event_version=await session.scalar(
                    select(AdverseEvent.version).where(*event)
                ),
                is_dlt=is_dlt,
                rationale="Judged.",
                adjudicated_by=actor.principal_id,
            )
        )


async def dose_limiting_event(api: Api, subject: dict[str, Any], day: date) -> UUID:
    """Give a subject a dose-limiting toxicity: an event and the signed yes."""
    event_id = await adverse_event(api, subject, day)
    await adjudicate(api, event_id, is_dlt=True)
    return event_id
