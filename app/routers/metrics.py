"""Aggregates of the trial for dashboards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.core.database import awake
from app.domain.errors import invalid
from app.domain.metrics_support import MetricFamily
from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Caller, Session, permit
from app.routers.metrics_route import MetricsRoute
from app.schemas.metrics import EfficacyMetricsView, EnrolmentMetricsView, SafetyMetricsView
from app.schemas.metrics_laboratory import LaboratoryMetricsView
from app.schemas.metrics_operations import OperationsMetricsView
from app.services.access import Actor
from app.services.history import When
from app.services.metric_store import MetricStudy, read_metric_study
from app.services.metrics_efficacy import count_efficacy
from app.services.metrics_enrolment import count_enrolment
from app.services.metrics_explanation import Wanted, explain
from app.services.metrics_laboratory import count_laboratory
from app.services.metrics_operations import read_operations
from app.services.metrics_safety import count_safety
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/metrics", route_class=MetricsRoute, tags=["metrics"])
Reader = Annotated[Actor, Depends(permit(Area.METRICS, Right.READ))]


async def metric_study(request: Request, session: Session, at: At, actor: Reader) -> MetricStudy:
    """Return the study as the metrics count it at the moment asked for."""
    store = request.app.state.metric_store
    return await read_metric_study(session, store, actor, When(at.at, at.past))


MetricStudyOf = Annotated[MetricStudy, Depends(metric_study)]


@dataclass(frozen=True, slots=True)
class Explained:
    """A study, and whether and which of its numbers are to be explained."""

    session: Session
    actor: Actor
    study: MetricStudy
    wanted: Wanted | None

    async def count(self, family: MetricFamily, count: Callable[[MetricStudy], Any]) -> Response:
        """Count a family of the study's subjects alone; the answer is written once.

        A thread counts, while others are served.
        """
        if self.wanted is not None:
            counting = asyncio.to_thread(count, self.study)
            return await self.answer(family, await awake(self.session, counting))
        writing = asyncio.to_thread(
            self.study.once, family.value, lambda: ExactJSON(count(self.study)).body
        )
        body = await awake(self.session, writing)
        return Response(body, media_type=ExactJSON.media_type)

    async def answer(self, family: MetricFamily, view: Any) -> Response:
        """Return the view of a family, with what its numbers rest on if that was asked."""
        if self.wanted is None:
            return ExactJSON(view)
        found = await explain(self.session, self.actor, self.study, family, self.wanted)
        writing = asyncio.to_thread(ExactJSON, replace(view, explanation=found))
        return await awake(self.session, writing)


async def explained(
    session: Session,
    actor: Reader,
    caller: Caller,
    study: MetricStudyOf,
    wanted: Annotated[
        bool,
        Query(alias="explain", description="Say what each number rests on, as `explanation`."),
    ] = False,
    metric: Annotated[
        str | None,
        Query(
            max_length=400,
            description="Explain the numbers whose pointer begins so; with `explain` alone all.",
            examples=["/groups/level=A"],
        ),
    ] = None,
) -> Explained:
    """Return the study with what is to be explained of it."""
    if metric is not None and not wanted:
        raise invalid(
            "not_explained",
            "Ask for `explain=true` with `metric`, or leave it out.",
            "/query/metric",
        )
    # A machine whose scope is to read metrics may read no records, whatever its role may.
    named = caller.scopes is None
    asked = Wanted(metric=metric or "", named=named) if wanted else None
    return Explained(session, actor, study, asked)


Asked = Annotated[Explained, Depends(explained)]


@router.get("/enrolment", summary="Count enrolment", response_model=EnrolmentMetricsView)
async def read_enrolment_metrics(asked: Asked) -> Any:
    """Count who was screened, enrolled and treated by level, who left, and when by month."""
    return await asked.count(MetricFamily.ENROLMENT, count_enrolment)


@router.get("/safety", summary="Count adverse events", response_model=SafetyMetricsView)
async def read_safety_metrics(asked: Asked) -> Any:
    """Count participants with adverse events and DLTs, with exact intervals, and exposure."""
    return await asked.count(MetricFamily.SAFETY, count_safety)


@router.get("/efficacy", summary="Count responses", response_model=EfficacyMetricsView)
async def read_efficacy_metrics(asked: Asked) -> Any:
    """Count responses at every week in every reading, and sum up times and durations."""
    return await asked.count(MetricFamily.EFFICACY, count_efficacy)


@router.get("/laboratory", summary="Sum up laboratory values", response_model=LaboratoryMetricsView)
async def read_laboratory_metrics(asked: Asked) -> Any:
    """Sum up values by visit, and how CTCAE grades shifted from baseline to the worst one."""
    return await asked.count(MetricFamily.LABORATORY, count_laboratory)


@router.get(
    "/operations", summary="Count how the trial is worked", response_model=OperationsMetricsView
)
async def read_operations_metrics(asked: Asked) -> Any:
    """Count what is missing, overdue, asked or waiting, and how soon results arrive."""
    view = await read_operations(asked.session, asked.actor, asked.study)
    return await asked.answer(MetricFamily.OPERATIONS, view)
