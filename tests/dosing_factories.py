"""Builders of lots, bags and infusions over HTTP, and of subjects enrolled on any level.

`api` is the fixture of the same name: each builder speaks for the role that may do it.
Enrolments and decisions are written as rows, so that a test need not climb the ladder first.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select

from app.core.ids import new_id
from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import CohortPhase, Role
from app.models import Cohort, DecisionVerdict, Enrolment, EscalationDecision, Principal
from app.models.escalation import Verdict
from app.services.protocols import active_protocol
from tests.conftest import NOW, Api
from tests.trial_subjects import writing

_numbers = count(1)

LOT: dict[str, Any] = {
    "manufactured_on": "2026-01-01",
    "expires_on": "2030-12-31",
    "viability_percent": 92.5,
    "cells_per_bag": 100000000,
    "bag_volume_ml": 100,
    "released": True,
    "release_tests": {"sterility": "no growth"},
}


def created(answer: httpx.Response) -> dict[str, Any]:
    """Return what was created; fail with the server's words."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def register(api: Api, **changes: Any) -> str:
    """Register a consented subject of 60 kg and return its id."""
    body = {
        "sex": "female",
        "birth_year": 1980,
        "age_at_consent": 45,
        "consent_date": "2025-12-20",
        "screening_date": "2025-12-20",
        "disease": "lymphoma",
        "car_t_date": "2025-11-01",
        "weight_kg": 60,
    }
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=body | changes)
    return str(created(answer)["id"])


async def enrolled(api: Api, level: str = "A", **changes: Any) -> str:
    """Register a subject, give it the next slot of a level's cohort, and return its id."""
    subject_id = await register(api, **changes)
    async with writing(api) as (session, actor):
        cohort = await session.scalar(
            select(Cohort).where(Cohort.study_id == actor.study_id, Cohort.dose_level == level)
        )
        if cohort is None:
            cohort = Cohort(
                study_id=actor.study_id,
                id=new_id(),
                dose_level=level,
                phase=CohortPhase.ESCALATION,
            )
            session.add(cohort)
            await session.flush()
        taken = select(func.count()).select_from(Enrolment)
        slot = 1 + (await session.scalar(taken.where(Enrolment.cohort_id == cohort.id)) or 0)
        session.add(
            Enrolment(
                study_id=actor.study_id,
                subject_id=UUID(subject_id),
                cohort_id=cohort.id,
                slot=slot,
                protocol_version_id=(await active_protocol(session, actor.study_id, NOW)).id,
                evidence={},
                evidence_digest="test",
            )
        )
    return subject_id


async def decide(api: Api, action: DecisionAction, level: str | None = None) -> None:
    """Put a decision of the committee into force."""
    async with writing(api) as (session, actor):
        people = select(Principal.id).where(Principal.study_id == actor.study_id).limit(2)
        first, second = (await session.scalars(people)).all()
        rounds = await session.scalar(select(func.count()).select_from(EscalationDecision))
        decision = EscalationDecision(
            study_id=actor.study_id,
            id=new_id(),
            round=(rounds or 0) + 1,
            action=action,
            dose_level=level,
            rationale="Set up a test.",
            proposed_by=first,
            protocol_version_id=(await active_protocol(session, actor.study_id, NOW)).id,
            digest="test",
            evidence={},
            recommendation={"held_by": []},
        )
        session.add(decision)
        await session.flush()
        session.add(
            DecisionVerdict(
                study_id=actor.study_id,
                decision_id=decision.id,
                proposed_by=first,
                given_by=second,
                verdict=Verdict.CONFIRMED,
                rationale="Set up a test.",
            )
        )


async def leave(api: Api, subject_id: str, event: str, day: datetime) -> None:
    """Record how a subject left, on the day of an instant."""
    body = {"event": event, "event_date": day.date().isoformat(), "reason": "Set up a test."}
    path = f"/subjects/{subject_id}/disposition"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=body))


async def create_lot(api: Api, **changes: Any) -> dict[str, Any]:
    """Register a released lot."""
    body = LOT | {"lot_number": f"L-{next(_numbers):04d}"} | changes
    return created(await api(Role.CELL_LABORATORY).post("/product-lots", json=body))


async def create_bags(api: Api, number: int = 2, **changes: Any) -> list[str]:
    """Register bags of a new released lot and return their ids."""
    lot = await create_lot(api, **changes)
    client = api(Role.CELL_LABORATORY)
    bodies = [{"lot_id": lot["id"], "bag_number": f"B-{place}"} for place in range(1, number + 1)]
    return [created(await client.post("/product-bags", json=body))["id"] for body in bodies]


async def prescribe(api: Api, subject_id: str, **changes: Any) -> dict[str, Any]:
    """Prescribe the next infusion of an enrolled subject of 60 kg."""
    body = {"planned_date": "2026-06-01", "weight_kg": 60} | changes
    return created(await api(Role.SUB_INVESTIGATOR).post(f"{infusions_of(subject_id)}", json=body))


def infusions_of(subject_id: str) -> str:
    """Return the path of a subject's infusions."""
    return f"/subjects/{subject_id}/infusions"


async def change_infusion(
    api: Api, subject_id: str, number: int, role: Role = Role.STUDY_COORDINATOR, **changes: Any
) -> httpx.Response:
    """Change an infusion at its present version."""
    client, path = api(role), f"{infusions_of(subject_id)}/{number}"
    tag = (await client.get(path)).headers["etag"]
    body = {"reason": "Recorded from the source."} | changes
    return await client.patch(path, json=body, headers={"If-Match": tag})


def as_planned(started_at: datetime) -> dict[str, Any]:
    """Return the record of an infusion of 120 ml that follows the protocol in everything."""
    return {
        "premedication_drug": "dexamethasone",
        "premedication_dose_mg": 5,
        "premedication_at": (started_at - timedelta(minutes=30)).isoformat(),
        "started_at": started_at.isoformat(),
        "stopped_at": (started_at + timedelta(minutes=45)).isoformat(),
        "volume_ml": 120,
    }


async def give_infusion(
    api: Api, subject_id: str, started_at: datetime, **changes: Any
) -> dict[str, Any]:
    """Prescribe and give the next infusion of a subject of 60 kg, from new bags, as planned."""
    prescribed = await prescribe(api, subject_id, planned_date=started_at.date().isoformat())
    record = as_planned(started_at) | {"bag_ids": await create_bags(api)} | changes
    answer = await change_infusion(api, subject_id, prescribed["number"], **record)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
