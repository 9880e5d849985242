"""The course through the trial of P09 on a database that really commits, each request looked at."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from fastapi import FastAPI

from app.domain.vocabulary import Role
from tests.conftest import Api
from tests.promises.trail_watch import QUESTIONS, WRITING

# Gets the command and the request before it is sent for good; may answer it itself.
Look = Callable[[str, httpx.Request], Awaitable[httpx.Response | None]]


def writing_commands(app: FastAPI) -> set[str]:
    """Name the operations of the OpenAPI document that write."""
    return {operation["operationId"] for operation in _writing(app)} - QUESTIONS


def versioned_commands(app: FastAPI) -> set[str]:
    """Name the operations that demand the version that was read (428 without)."""
    return {each["operationId"] for each in _writing(app) if "428" in each["responses"]}


def _writing(app: FastAPI) -> list[dict[str, Any]]:
    return [
        operation
        for operations in app.openapi()["paths"].values()
        for method, operation in operations.items()
        if method.upper() in WRITING
    ]


class Watched(httpx.ASGITransport):
    """Shows each writing request to somebody before it is sent."""

    def __init__(self, app: FastAPI, look: Look) -> None:
        super().__init__(app)
        self._look = look
        self._addresses = [
            (method.upper(), _pattern(path), operation["operationId"])
            for path, operations in app.openapi()["paths"].items()
            for method, operation in operations.items()
            if method.upper() in WRITING
        ]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, unless who looks at it answers it."""
        for method, pattern, command in self._addresses:
            is_meant = request.method == method and pattern.fullmatch(request.url.path)
            if is_meant and command not in QUESTIONS:
                answer = await self._look(command, request)
                if answer is not None:
                    return answer
                break
        return await super().handle_async_request(request)


def watched(api: Api, app: FastAPI, look: Look) -> Api:
    """Return clients whose writing requests are looked at first."""
    transport = Watched(app, look)

    def client(
        role: Role | None = Role.PRINCIPAL_INVESTIGATOR, second: bool = False, **how: Any
    ) -> httpx.AsyncClient:
        made = api(role, second, **how)
        made._transport = transport
        return made

    return client


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def again(request: httpx.Request, **headers: str | None) -> httpx.Request:
    """Return the same request with headers set, or left out where they are None."""
    kept = httpx.Headers(request.headers)
    for name, value in headers.items():
        kept.pop(name.replace("_", "-"), None)
        if value is not None:
            kept[name.replace("_", "-")] = value
    return httpx.Request(request.method, request.url, headers=kept, content=request.content)
