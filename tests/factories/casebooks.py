"""Casebooks on their way from open to locked and back, each step by who may take it."""

from __future__ import annotations

from typing import Any

import httpx

from app.domain.vocabulary import Role
from tests.conftest import Api

WHOSE = {
    "freeze": Role.DATA_MANAGER,
    "unfreeze": Role.DATA_MANAGER,
    "lock": Role.DATA_MANAGER,
    "request_unlock": Role.DATA_MANAGER,
    "approve_unlock": Role.PRINCIPAL_INVESTIGATOR,
    "reject_unlock": Role.PRINCIPAL_INVESTIGATOR,
}
CLOSED = ("frozen", "signed", "locked")


async def step(
    api: Api, subject_id: str, action: str, role: Role | None = None, reason: str = "Test."
) -> httpx.Response:
    """Ask for one step about a casebook, as the role that usually takes it."""
    body = {"subject_id": subject_id, "action": action, "reason": reason}
    return await api(role or WHOSE[action]).post("/locks", json=body)


async def sign(
    api: Api, subject_id: str, role: Role = Role.PRINCIPAL_INVESTIGATOR
) -> httpx.Response:
    """Sign a casebook as it is shown now."""
    client = api(role)
    shown = await client.get(f"/signatures/documents/casebook/{subject_id}")
    assert shown.status_code == 200, shown.text
    body = {
        "record_type": "casebook",
        "record_id": subject_id,
        "digest": shown.json()["digest"],
        "meaning": "approved",
    }
    return await client.post("/signatures", json=body)


async def bring_to(api: Api, subject_id: str, state: str) -> None:
    """Take an open casebook to a state."""
    path = {
        "open": (),
        "frozen": ("freeze",),
        "signed": ("freeze", "sign"),
        "locked": ("freeze", "sign", "lock"),
    }
    for action in path[state]:
        if action == "sign":
            answer = await sign(api, subject_id)
            assert answer.status_code == 201, answer.text
        else:
            answer = await step(api, subject_id, action)
            assert answer.status_code == 200, answer.text


async def unlock(api: Api, subject_id: str) -> None:
    """Open a locked casebook by two persons."""
    for action in ("request_unlock", "approve_unlock"):
        answer = await step(api, subject_id, action)
        assert answer.status_code == 200, answer.text


async def read(api: Api, subject_id: str, **params: str) -> dict[str, Any]:
    """Read where a casebook stands."""
    answer = await api(Role.MONITOR).get(f"/subjects/{subject_id}/casebook", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
