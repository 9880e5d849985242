"""Laboratory systems as people register them, and the clients that speak for them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.models import Base
from app.protocols import read_definition
from app.services.fixture_subjects import fixture_subject
from tests.conftest import STUDY, Api
from tests.factories.subjects import created

BASE = "http://test/api/v1"
OTHER_STUDY = "NCT00000002"
SENDERS = f"{BASE}/lis/senders"
SENDER: dict[str, Any] = {"code": "LIS-01", "name": "Hematology", "rate_per_minute": 1_000_000}
# With this the fixture laboratory system's token is the sender's.
FIXTURE = {"issuer": DEVELOPMENT_ISSUER, "subject": fixture_subject(Role.LABORATORY_SYSTEM)}


async def create_sender(api: Api, **changes: Any) -> dict[str, Any]:
    """Register a sender, by default one that the fixture laboratory system speaks for."""
    body = SENDER | FIXTURE | changes
    return created(await api(Role.DATA_MANAGER).post(SENDERS, json=body))


async def create_key(api: Api, sender_id: str) -> dict[str, Any]:
    """Make an API key; `key` is its text."""
    return created(await api(Role.DATA_MANAGER).post(f"{SENDERS}/{sender_id}/keys", json={}))


async def change(
    client: httpx.AsyncClient, url: str, version: int, **values: Any
) -> httpx.Response:
    """Change a record in the version that was read."""
    body = {"reason": "The laboratory asked for it."} | values
    return await client.patch(url, json=body, headers={"If-Match": f'"v{version}"'})


async def second_study(api: Api) -> str:
    """Let the administrator set up another study and return its key."""
    document = json.loads(to_json(read_definition(STUDY, 1)))
    document["study"]["key"] = OTHER_STUDY
    body = {"definition": document, "effective_from": "2026-01-01"}
    created(await api(Role.ADMINISTRATOR).post(f"{BASE}/studies", json=body))
    return OTHER_STUDY


def sending(api: Api, authorization: str, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Return a client of the machine routes with these credentials, at a network address."""
    transport = api(None)._transport
    assert isinstance(transport, httpx.ASGITransport)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(transport.app, client=(address, 40_000)),
        base_url=BASE,
        headers={"Authorization": authorization},
    )


def bearer(key: str) -> str:
    """Return the Authorization header of a token or a key."""
    return f"Bearer {key}"


def basic(user: str, password: str) -> str:
    """Return the Authorization header of HTTP Basic."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


async def tables_holding(session: AsyncSession, words: str) -> list[str]:
    """List the tables in which a text stands, be it as bytes."""
    found = []
    for name in sorted(Base.metadata.tables):
        query = text(
            f"SELECT count(*) FROM {name} AS t"
            " WHERE strpos(t::text, :words) > 0 OR strpos(t::text, :hex) > 0"
        )
        if await session.scalar(query, {"words": words, "hex": words.encode().hex()}):
            found.append(name)
    return found
