"""Resolving the routes once for a whole run: every test builds an application of the same ones.

The framework resolves the routers that an application includes with its first request, which takes
half a second. What comes of it holds nothing of the application but where it looks for overrides.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

_SERVING: ContextVar[FastAPI] = ContextVar("serving")


class _OverridesOfServing:
    """Gives the overrides of whichever application serves the request."""

    @property
    def dependency_overrides(self) -> Mapping[Any, Any]:
        """Return what the application under test replaces."""
        return _SERVING.get().dependency_overrides


class _Serving:
    """Notes for a request which application serves it."""

    def __init__(self, app: ASGIApp, served: FastAPI) -> None:
        self._app, self._served = app, served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        token = _SERVING.set(self._served)
        try:
            await self._app(scope, receive, send)
        finally:
            _SERVING.reset(token)


_OVERRIDES = _OverridesOfServing()
_RESOLVED: dict[tuple[int, str, int | None], Any] = {}


def share_routes(app: FastAPI) -> None:
    """Serve by the routes that an earlier application of the run has resolved."""
    app.router.routes[:] = [_shared(route) for route in app.router.routes]
    app.add_middleware(_Serving, served=app)


def _shared(route: Any) -> Any:
    """Return the one included router of the run that stands for this one, of others themselves."""
    context = getattr(route, "include_context", None)
    if context is None:
        return route
    key = id(route.original_router), context.prefix, context.max_body_size
    if key not in _RESOLVED:
        shared = replace(context, dependency_overrides_provider=_OVERRIDES)
        _RESOLVED[key] = replace(route, include_context=shared)
    return _RESOLVED[key]
