"""Lots, bags, prescriptions and infusions: over HTTP, or as rows where only their dates matter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models import Infusion
from app.services.access import Actor
from tests.conftest import Api
from tests.factories.rows import at, writing
from tests.factories.subjects import WEIGHT_KG, created, take_place

GIVEN_AT = datetime(2026, 5, 4, 2, tzinfo=UTC)
CELLS, VOLUME_ML = Decimal(120_000_000), Decimal(120)  # record: 2 x 10^6 cells/kg, 2 mL/kg
LOT: dict[str, Any] = {
    "manufactured_on": "2026-01-01",
    "expires_on": "2030-12-31",
    "viability_percent": 92.5,
    "cells_per_bag": 100000000,
    "bag_volume_ml": 100,
    "released": True,
    "release_tests": {"sterility": "no growth"},
}
_numbers = count(1)


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
    body = {"planned_date": "2026-06-01", "weight_kg": WEIGHT_KG} | changes
    return created(await api(Role.SUB_INVESTIGATOR).post(infusions_of(subject_id), json=body))


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
    await check_bags(api, answer.json(), started_at - timedelta(minutes=5))
    read = await api().get(f"{infusions_of(subject_id)}/{prescribed['number']}")
    body: dict[str, Any] = read.json()
    return body


async def check_bags(
    api: Api, infusion: dict[str, Any], checked_at: datetime, role: Role = Role.SUB_INVESTIGATOR
) -> None:
    """Let a second person record that they checked every bag of an infusion."""
    body = {
        "infusion_id": infusion["id"],
        "method": "two_person",
        "checked_at": checked_at.isoformat(),
    }
    for bag in infusion["bags"]:
        created(await api(role).post(f"/product-bags/{bag['id']}/checks", json=body))


async def infuse(api: Api, subject: dict[str, Any], *days: date, **changes: Any) -> list[UUID]:
    """Write that an enrolled subject got a full infusion on each of the days; return their ids."""
    place = {"subject_id": UUID(subject["id"]), "dose_level": subject["enrolment"]["dose_level"]}
    async with writing(api) as (session, actor):
        given = [
            _infusion(actor, at(day), number=number, **place, **changes)
            for number, day in enumerate(days, start=1)
        ]
        session.add_all(given)
    return [row.id for row in given]


async def dose(
    api: Api, subject_id: str, started_at: datetime = GIVEN_AT, **changes: Any
) -> Infusion:
    """Write that a registered subject took a place on level A and got its infusion."""
    await take_place(api, subject_id)
    place = {"subject_id": UUID(subject_id), "dose_level": "A", "number": 1}
    async with writing(api) as (session, actor):
        row = _infusion(actor, started_at, **place, **changes)
        session.add(row)
    return row


def _infusion(actor: Actor, started_at: datetime, **columns: Any) -> Infusion:
    as_planned = {
        "planned_date": (started_at + timedelta(hours=8)).date(),
        "weight_kg": Decimal(WEIGHT_KG),
        "planned_cells": CELLS,
        "planned_volume_ml": VOLUME_ML,
        "planned_bags": 2,
        "premedication_drug": "dexamethasone",
        "premedication_dose_mg": Decimal(5),
        "premedication_at": started_at - timedelta(minutes=30),
        "started_at": started_at,
        "stopped_at": started_at + timedelta(hours=1),
        "volume_ml": VOLUME_ML,
        "cells": CELLS,
    }
    return Infusion(
        study_id=actor.study_id,
        id=new_id(),
        prescribed_by=actor.principal_id,
        **(as_planned | columns),
    )
