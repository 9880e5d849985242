"""The route of what is counted over the whole study: it reads one moment, and lets others through.

Counting takes its time. So only a few requests at once take a connection for it, the others wait
without one, and a picture is drawn when the connection is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.responses import Response

from app.core.database import Database
from app.domain.errors import DomainError, ErrorKind
from app.routers.route import Handler, TrialRoute
from app.routers.strict_json import StrictRequest

AT_ONCE = 2
MOST_WAITING = 40
SVG = "image/svg+xml"
# An SVG may hold scripts; these hold none, and a browser that opens one runs and loads nothing.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class CountingPlaces:
    """The places for requests that count a whole study; whoever finds none waits for one."""

    def __init__(self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place; raises unavailable `metrics_busy` when too many wait for one."""
        if self._waiting >= self._most_waiting:
            raise DomainError(
                ErrorKind.UNAVAILABLE,
                "metrics_busy",
                "Too many metrics are asked for at once; try again in a moment.",
                retry_seconds=2,
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class Undrawn(Response):
    """A picture that is to be drawn once nothing else is needed for it."""

    def __init__(self, specification: Mapping[str, Any]) -> None:
        super().__init__()
        self.specification = specification


class MetricsRoute(TrialRoute):
    """A route that reads one snapshot, in a place of its own, and draws afterwards."""

    async def run(self, request: StrictRequest, handler: Handler) -> Response:
        """Wait for a place, run the endpoint, and draw what it left to be drawn."""
        state = request.app.state
        async with state.counting_places.place():
            response = await super().run(request, handler)
        if isinstance(response, Undrawn):
            svg = await state.renderer.draw(response.specification)
            return Response(svg, media_type=SVG, headers=_HEADERS)
        return response

    def opened(self, database: Database) -> AbstractAsyncContextManager[Any]:
        """Open a session that sees one moment, so that no number counts half of a change."""
        return database.snapshot()
