"""What surrounds every request: its id, one log line, its metrics, and headers that forbid caching.

Pure ASGI: the framework's BaseHTTPMiddleware turns a failing stream into a clean truncated answer.
"""

from __future__ import annotations

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.ids import new_id
from app.core.logging import log
from app.core.telemetry import DURATION, REQUESTS

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
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = scope["request_id"]
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            _observe(scope, status, perf_counter() - started)


def _observe(scope: Scope, status: int, seconds: float) -> None:
    """Count and log by route template, never by path: paths hold identifiers."""
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if route != "unmatched" else "ANY"
    REQUESTS.labels(method, route, str(status)).inc()
    DURATION.labels(method, route).observe(seconds)
    log.info(
        "request",
        request_id=scope["request_id"],
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
    )
