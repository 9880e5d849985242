"""Aggregates of the trial for dashboards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.metrics import EfficacyMetricsView, EnrolmentMetricsView, SafetyMetricsView
from app.services import metrics_efficacy, metrics_enrolment, metrics_safety
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/metrics", route_class=TrialRoute, tags=["metrics"])
Reader = Annotated[Actor, Depends(permit(Area.METRICS, Right.READ))]


@router.get("/enrolment", summary="Count enrolment", response_model=EnrolmentMetricsView)
async def read_enrolment_metrics(session: Session, at: At, actor: Reader) -> Any:
    """Count who was screened, enrolled and treated by level, who left, and when by month."""
    return ExactJSON(await metrics_enrolment.read_enrolment(session, actor, at.at, at.past))


@router.get("/safety", summary="Count adverse events", response_model=SafetyMetricsView)
async def read_safety_metrics(session: Session, at: At, actor: Reader) -> Any:
    """Count participants with adverse events and DLTs, with exact intervals, and exposure."""
    return ExactJSON(await metrics_safety.read_safety(session, actor, at.at, at.past))


@router.get("/efficacy", summary="Count responses", response_model=EfficacyMetricsView)
async def read_efficacy_metrics(session: Session, at: At, actor: Reader) -> Any:
    """Count responses at every week in every reading, and sum up times and durations."""
    return ExactJSON(await metrics_efficacy.read_efficacy(session, actor, at.at, at.past))
