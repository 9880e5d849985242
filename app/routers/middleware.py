"""What surrounds every request: its id, one log line, its metrics, and headers that forbid caching.

Pure ASGI: the framework's BaseHTTPMiddleware turns a failing stream into a clean truncated answer.
"""

from __future__ import annotations

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.ids import new_id
from app.core.logging import log
from app.core.telemetry import DURATION, REQUESTS
from app.core.traces import current_trace
from app.routers import problems

TOO_LARGE = 413
UNMATCHED = "unmatched"
# A method that is none of these is somebody's own words.
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Surroundings:
    """Gives each request an id, answers it with that id, logs it once and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["request_id"] = str(new_id())
        started = perf_counter()
        exchange = _Exchange(scope, receive, send)
        try:
            await self.app(scope, receive, exchange.answer)
        finally:
            _observe(scope, exchange.status, perf_counter() - started)


class _Exchange:
    """One answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.status = 500

    async def answer(self, message: Message) -> None:
        """Pass the answer on; a body limit's plain 413 goes out as a problem document."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status == TOO_LARGE:
                refusal = problems.body_too_large(Request(self.scope))
                await refusal(self.scope, self.receive, self._decorate)
        if self.status != TOO_LARGE:
            await self._decorate(message)

    async def _decorate(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.scope["request_id"]
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self.send(message)


def _observe(scope: Scope, status: int, seconds: float) -> None:
    """Count and log by route template, never by path: paths hold identifiers."""
    route = _template(scope)
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    if route == UNMATCHED:
        method = "ANY"
    REQUESTS.labels(method, route, str(status)).inc()
    DURATION.labels(method, route).observe(seconds)
    log.info(
        "request",
        request_id=scope["request_id"],
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        **current_trace(),
    )


def _template(scope: Scope) -> str:
    """Return the template of the route that was found, with the prefix under which it is mounted.

    The route itself knows the template of its own router only.
    """
    mounted = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(mounted or scope.get("route"), "path", UNMATCHED)
    return path
