"""Machine clients: their keys, their assertions, and how they get their tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.routers.machine_tokens import ASSERTION_TYPE
from tests.conftest import MACHINES, Api
from tests.factories.senders import BASE, SENDERS
from tests.factories.subjects import created
from tests.factories.tokens import public, sign

ISSUER = MACHINES.name
ENDPOINT = f"{ISSUER}/api/v1/lis/token"
KEY = "ec384"
LABS = ["labs:create", "labs:status"]


async def create_client(api: Api, sender_id: str, **changes: Any) -> dict[str, Any]:
    """Register a client of a sender."""
    body = {"jwks": public(KEY), "scopes": LABS} | changes
    return created(await api(Role.DATA_MANAGER).post(f"{SENDERS}/{sender_id}/clients", json=body))


def assertion(client_id: str, now: datetime, key: str = KEY, **changes: Any) -> str:
    """Return what a client says of itself, signed; None leaves a claim out."""
    issued = int(now.timestamp())
    header = changes.pop("header", {})
    base = {
        "iss": client_id,
        "sub": client_id,
        "aud": ENDPOINT,
        "iat": issued,
        "exp": issued + 240,
        "jti": str(new_id()),
    } | changes
    claims = {name: value for name, value in base.items() if value is not None}
    return sign(claims, key, **{"typ": "JWT", **header})


async def ask(api: Api, signed: str, role: Role | None = None, **changes: Any) -> httpx.Response:
    """Ask for a token with an assertion; None leaves a field out. Who else one is, is not asked."""
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    } | changes
    data = {name: value for name, value in form.items() if value is not None}
    return await api(role).post(f"{BASE}/lis/token", data=data)
