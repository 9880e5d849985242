"""Signatures over HTTP: read what is shown, sign it, read what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.domain.signing import FAILURES_TO_LOCK
from app.domain.vocabulary import Role
from app.services.fixture_subjects import fixture_subject
from app.services.security_events import record_failure
from tests.conftest import Api
from tests.factories.rows import database_of
from tests.factories.subjects import created


def unsigned(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what an act recorded as it is read later; signatures are read by themselves."""
    return {name: value for name, value in answer.items() if name != "signature"}


async def shown(client: httpx.AsyncClient, record_type: str, record_id: str) -> dict[str, Any]:
    """Read a record as it would be signed."""
    answer = await client.get(f"/signatures/documents/{record_type}/{record_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def try_to_sign(
    client: httpx.AsyncClient, record_type: str, record_id: str, **changes: Any
) -> httpx.Response:
    """Ask for a signature on what is shown now."""
    document = await shown(client, record_type, record_id)
    body = {
        "record_type": record_type,
        "record_id": record_id,
        "digest": document["digest"],
        "meaning": "approved",
    }
    return await client.post("/signatures", json=body | changes)


async def sign(client: httpx.AsyncClient, record_type: str, record_id: str) -> dict[str, Any]:
    """Sign what is shown now."""
    return created(await try_to_sign(client, record_type, record_id))


async def checked(client: httpx.AsyncClient, signature_id: str) -> dict[str, Any]:
    """Read a signature held against its record."""
    answer = await client.get(f"/signatures/{signature_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def lock_signing(api: Api, role: Role, now: datetime) -> str:
    """Let the fixture person of a role be locked by wrong secrets; return the person's id."""
    identity = (DEVELOPMENT_ISSUER, fixture_subject(role))
    async with database_of(api).session() as session:
        for _ in range(FAILURES_TO_LOCK):
            await record_failure(session, identity, now, "test")
        await session.commit()
    events = (await api(Role.ADMINISTRATOR).get("/security-events")).json()["items"]
    return str(events[-1]["principal_id"])
