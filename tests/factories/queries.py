"""Queries over HTTP: opened, listed and taken on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from app.domain.vocabulary import Role
from tests.conftest import Api
from tests.factories.subjects import FIRST_INFUSION, screened_subject

WHY = "The source says so."


async def queries(api: Api, role: Role = Role.DATA_MANAGER, **wanted: str) -> list[dict[str, Any]]:
    """List queries."""
    answer = await api(role).get("/queries", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def step(client: httpx.AsyncClient, query: dict[str, Any], action: str) -> httpx.Response:
    """Take a step about a query in the version that was read."""
    return await client.patch(
        f"/queries/{query['id']}",
        json={"action": action, "reason": WHY},
        headers={"If-Match": f'"v{query["version"]}"'},
    )


async def taken(client: httpx.AsyncClient, query: dict[str, Any], action: str) -> dict[str, Any]:
    """Take a step that is allowed."""
    answer = await step(client, query, action)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    assert answer.headers["ETag"] == f'"v{changed["version"]}"'
    return changed


async def ask(
    api: Api, subject_id: str, role: Role = Role.MONITOR, **changes: Any
) -> httpx.Response:
    """Open a query about a subject."""
    body = {"subject_id": subject_id, "record_type": "subject", "text": "Is the weight right?"}
    return await api(role).post("/queries", json=body | changes)


async def conflicting(api: Api) -> dict[str, Any]:
    """Screen a subject whose CAR-T product was an investigational one 27 days before."""
    car_t = (FIRST_INFUSION - timedelta(days=27)).isoformat()
    subject: dict[str, Any] = await screened_subject(
        api, car_t_date=car_t, car_t_was_investigational=True
    )
    return subject
