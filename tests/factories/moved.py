"""What moved, read over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

from app.domain.vocabulary import Role
from tests.conftest import Api


async def moved(
    api: Api, role: Role = Role.PRINCIPAL_INVESTIGATOR, **params: str
) -> list[dict[str, Any]]:
    """Read what moved, in the order in which it was made."""
    answer = await api(role).get("/evidence-moved", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def kinds(api: Api, **params: str) -> list[str]:
    """Name what moved, in the order in which it was made."""
    return [item["type"] for item in await moved(api, Role.PRINCIPAL_INVESTIGATOR, **params)]


def part(item: dict[str, Any], name: str) -> tuple[Any, Any]:
    """Return a part of a conclusion: as it was drawn, and as it is drawn now."""
    found = [each for each in item["conclusion"] if each["name"] == name]
    assert found, item["conclusion"]
    return found[0]["before"], found[0]["after"]


def field(item: dict[str, Any], name: str) -> tuple[Any, Any]:
    """Return a field of the first record that moved, before and now."""
    found = {each["field"]: (each["before"], each["after"]) for each in item["moved"][0]["changes"]}
    return found[name]


async def review(client: httpx.AsyncClient, item: dict[str, Any], **changes: Any) -> httpx.Response:
    """Conclude on a movement as it was read."""
    body = {name: item[name] for name in ("type", "id", "moved_digest")}
    told = {"conclusion": "stands", "text": "The correction changes nothing for the subject."}
    return await client.post("/evidence-moved/reviews", json=body | told | changes)
