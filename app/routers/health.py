"""Whether the service lives, whether it can work, and its metrics; the only open endpoints."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.core.telemetry import CONTENT_TYPE, exposition
from app.routers.dependencies import BEARER
from app.routers.route import TrialRoute
from app.services.readiness import shortcomings
from app.services.seal_state import observe_lag

router = APIRouter(tags=["operations"])
guarded = APIRouter(tags=["operations"], route_class=TrialRoute)


class Liveness(BaseModel):
    """The process answers."""

    status: str = Field(examples=["alive"])


class Readiness(BaseModel):
    """Whether the service can work, and what it lacks if not."""

    status: str = Field(examples=["ready"])
    reasons: list[str] = Field(examples=[[]])


@router.get("/livez", summary="Does the process answer?")
async def livez() -> Liveness:
    """Answer as long as the process runs."""
    return Liveness(status="alive")


@router.get(
    "/readyz",
    summary="Can the service work?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready; the reasons say why."}},
)
async def readyz(request: Request) -> Response:
    """Answer 503 with reasons while the database or a guarantee is missing."""
    state = request.app.state
    settings = state.settings
    reasons = [
        *settings.shortcomings(),
        *await shortcomings(state.database, settings.in_production),
    ]
    body = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
    return JSONResponse(body, status_code=503 if reasons else 200)


@guarded.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    dependencies=[Depends(BEARER)],
)
async def metrics(request: Request) -> Response:
    """Return counters and histograms in the Prometheus text format; needs any valid token."""
    state = request.app.state
    state.database.observe_pool()
    await observe_lag(state.database)
    await state.watch.refresh()
    return Response(exposition(state.registry), media_type=CONTENT_TYPE)
