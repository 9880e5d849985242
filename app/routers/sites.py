"""Sites: the hospitals of a study, set up by its administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.models import Site
from app.routers.dependencies import Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.grants import SiteCreate, SiteView
from app.schemas.lists import Listing
from app.services import sites
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/sites", route_class=TrialRoute, tags=["grants"])


@router.get("", summary="List sites")
async def list_sites(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.STUDY, Right.READ))],
    wanted: Paging,
) -> Listing[SiteView]:
    """List the sites, or those that one works at."""
    return Listing[SiteView].model_validate(await sites.list_sites(session, actor, wanted))


@router.post("", status_code=201, summary="Set up a site", response_model=SiteView)
async def create_site(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.STUDY, Right.CREATE))],
    body: SiteCreate,
) -> Site:
    """Set up a hospital; people are bound to it by their grants."""
    return await sites.create_site(session, actor, body.code, body.name)
