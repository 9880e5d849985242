"""The dose calculation, for reference; an infusion is prescribed under its subject."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.doses import DoseView, WeightParameter
from app.schemas.types import Code
from app.services import doses
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["dosing"])


@router.get("/dose-calculation", summary="Calculate a dose", response_model=DoseView)
async def calculate_dose(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.REFERENCE, Right.READ))],
    weight_kg: Annotated[
        WeightParameter,
        Query(description="Actual body weight, in plain notation.", examples=[60.5]),
    ],
    dose_level: Annotated[Code, Query(description="Name of the level.", examples=["A"])],
) -> Any:
    """Return cells, millilitres and bags for one infusion and for the whole level."""
    return ExactJSON(await doses.read_dose(session, actor, weight_kg, dose_level, at.at, at.past))
