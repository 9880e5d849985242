"""What a request names: the records by their ids, and a site by its code."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from app.core.serialization import from_json
from app.routers.strict_json import media_type
from app.services.idempotency import Answer
from app.services.record_sites import Named, ids_in


async def named_in(request: Request) -> Named:
    """Find what a request names in its address and in its JSON body."""
    body: Any = None
    if media_type(request) == "application/json" and await request.body():
        body = await request.json()
    site = body.get("site") if isinstance(body, dict) else None
    ids = frozenset((*ids_in(request.path_params), *ids_in(body)))
    return Named(ids, site if isinstance(site, str) else None)


def made_in(answer: Answer) -> list[UUID]:
    """Find the id of what a kept answer tells of."""
    if "json" not in answer.headers.get("content-type", ""):
        return []
    said = from_json(answer.body)
    return list(ids_in(said.get("id"))) if isinstance(said, dict) else []
