"""The FHIR façade as a laboratory system and as a reader see it."""

from __future__ import annotations

from typing import Any

import fhirkit
import httpx

from app.core.serialization import to_json
from tests.factories.senders import bearer, create_key, create_sender, sending

FHIR = "http://test/api/v1/fhir"
JSON = {"Content-Type": "application/fhir+json"}


async def laboratory(api: Any, **changes: Any) -> httpx.AsyncClient:
    """Return a client of a sender that shows its API key."""
    sender = await create_sender(api, **changes)
    key = (await create_key(api, sender["id"]))["key"]
    return sending(api, bearer(key))


async def post(
    client: httpx.AsyncClient, path: str, resource: Any, **headers: str
) -> httpx.Response:
    """Send a resource digit for digit."""
    return await send(client, "POST", path, resource, **headers)


async def put(
    client: httpx.AsyncClient, path: str, resource: Any, **headers: str
) -> httpx.Response:
    """Put a resource digit for digit."""
    return await send(client, "PUT", path, resource, **headers)


async def send(
    client: httpx.AsyncClient, method: str, path: str, resource: Any, **headers: str
) -> httpx.Response:
    """Send a resource digit for digit; headers are named with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = to_json(resource).encode()
    return await client.request(method, f"{FHIR}{path}", content=content, headers=JSON | named)


def valid(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """Return an answered resource after proving it valid R4."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    fhirkit.parse(answer.content, strict=True)
    body: dict[str, Any] = answer.json()
    return body


def issue(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the first issue of an OperationOutcome with the given status."""
    body = valid(answer, status)
    assert body["resourceType"] == "OperationOutcome"
    found: dict[str, Any] = body["issue"][0]
    return found
