"""The haematological response of a subject."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.response import ResponseView
from app.services import response
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/response",
    route_class=TrialRoute,
    tags=["response"],
)


@router.get("", summary="Read a subject's response", response_model=ResponseView)
async def read_response(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.RESPONSE, Right.READ))],
    subject_id: UUID,
) -> Any:
    """Return baselines, episodes, categories in every reading, times, confounders and evidence.

    A subject without an infusion has an answer too: every category is `not_due`.
    """
    return ExactJSON(await response.read_response(session, actor, subject_id, at.at, at.past))
