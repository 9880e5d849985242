"""The composition root: settings, database and token verifier put into one application."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from app.core.clock import Clock, system_clock
from app.core.config import Settings
from app.core.database import Database
from app.core.development_issuer import DevelopmentIssuer
from app.core.keyring import SECRET_BYTES, Keyring
from app.core.machine_issuer import MachineIssuer
from app.core.rate import Rates
from app.core.rendering import Renderer
from app.core.telemetry import Process, registry_of
from app.core.tokens import TokenVerifier
from app.core.traces import Traces
from app.domain.inbound import Door
from app.routers import BULK_ROUTERS, DEVELOPMENT_ROUTERS, ROUTERS, openapi, problems
from app.routers.metrics_route import CountingPlaces
from app.routers.middleware import Surroundings
from app.services.ingest_counts import show_doors
from app.services.lab_intake import LabIntake
from app.services.metric_store import MetricStore
from app.services.watched_studies import StudyWatch

# What machines ask all the time tells nothing.
_UNTRACED = ("/livez", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class OwnIssuers:
    """The issuers that the service is itself: of development's people, and of machines."""

    development: DevelopmentIssuer | None = None
    machines: MachineIssuer | None = None


def create_app(
    settings: Settings,
    database: Database,
    verifier: TokenVerifier,
    keyring: Keyring,
    clock: Clock = system_clock,
    own: OwnIssuers | None = None,
) -> FastAPI:
    """Build the application; the caller owns the database's life outside the lifespan.

    Without `own` issuers it issues no tokens itself.
    """
    own, traces = own or OwnIssuers(), Traces(settings.otel_exporter_otlp_endpoint)
    app = FastAPI(
        title="MSC-ICAHT",
        version="1",
        lifespan=_lifespan,
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
        # An engine takes 307 for an answer, and what it sent for stored.
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        telemetry=_telemetry(traces.provider),
    )
    app.state.traces = traces
    app.state.settings = settings
    app.state.database = database
    app.state.verifier = verifier
    app.state.development_issuer, app.state.machine_issuer = own.development, own.machines
    app.state.keyring = keyring
    app.state.rates = Rates()
    app.state.lab_intake = LabIntake(database)
    app.state.metric_store, app.state.counting_places = MetricStore(), CountingPlaces()
    app.state.renderer = Renderer()
    app.state.clock = clock
    app.state.watch = StudyWatch(database, settings.metrics_studies, clock)
    app.state.registry = _registry(settings)
    _mount(app, settings)
    return app


def _registry(settings: Settings) -> CollectorRegistry:
    """Return what this process counts; that of development seals beside the requests."""
    show_doors(*(door for door in Door if door is not Door.MLLP))
    beside = () if settings.in_production else (Process.SEALER,)
    return registry_of(Process.API, *beside)


def _telemetry(tracing: TracerProvider | None) -> TelemetryConfig:
    """Tell the framework to make spans for us, or nothing; never what its environment says.

    Its own logs hold the messages of errors, and its metrics are ours already.
    """
    return {
        "tracing": tracing is not None,
        "tracer_provider": tracing,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": lambda scope: scope.get("path") in _UNTRACED,
    }


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Work beside the requests, from the first to the last."""
    # Objects of the start live as long as the process: keep the collector off them.
    gc.collect()
    gc.freeze()
    gc.enable()
    fresh = asyncio.create_task(app.state.verifier.keep_fresh())
    yield
    fresh.cancel()
    app.state.renderer.close()
    await app.state.database.close()
    await asyncio.to_thread(app.state.traces.end)


def _mount(app: FastAPI, settings: Settings) -> None:
    """Put the routes, the error handlers and the middleware into the application."""
    # Paths are tried in this order, so those that are asked most come first.
    for prefix, router in BULK_ROUTERS:
        app.include_router(router, prefix=prefix, max_body_size=settings.bulk_body_limit_bytes)
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix)
    if app.state.development_issuer is not None:
        for prefix, router in DEVELOPMENT_ROUTERS:
            app.include_router(router, prefix=prefix)
    problems.install(app)
    openapi.install(app)
    # Inside the surroundings, which turn its plain refusal into a problem document.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.body_limit_bytes)
    app.add_middleware(Surroundings)


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function."""
    return route.name


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of the application; needs no database and no environment."""
    settings = Settings.model_construct()
    unreachable = Database("postgresql://")
    no_issuer, no_secret = TokenVerifier("", []), Keyring(bytes(SECRET_BYTES))
    app = create_app(settings, unreachable, no_issuer, no_secret)
    return app.openapi()
