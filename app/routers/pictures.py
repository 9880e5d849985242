"""Pictures of the trial: each as SVG to look at and as Vega-Lite with its data to work with."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.pictures.style import MEDIA_TYPE
from app.routers.answers import ExactJSON
from app.routers.dependencies import AsOf, Session, permit
from app.routers.metrics import MetricStudyOf, Reader
from app.routers.metrics_route import SVG, MetricsRoute, Undrawn
from app.schemas.pictures import PictureList, PictureName
from app.services import pictures
from app.services.access import Actor
from app.services.picture_catalogue import PICTURES
from app.services.role_matrix import Right

router = APIRouter(prefix="/studies/{study}/metrics", route_class=MetricsRoute, tags=["metrics"])


@router.get("/pictures", summary="List the pictures", response_model=PictureList)
async def list_pictures(request: Request, actor: Reader, moment: AsOf) -> PictureList:
    """Return which pictures the caller may see, and where; ask for each with the same `as_of`."""
    return pictures.list_pictures(actor, request.url.path.removesuffix("/pictures"))


def _publish(name: PictureName) -> None:
    """Give one picture its two addresses, both with the right that it needs."""
    viewer = permit(pictures.area_of(name), Right.READ)
    kind, word = PICTURES[name], name.replace("-", "_")

    async def read_picture(
        session: Session, study: MetricStudyOf, actor: Actor = Depends(viewer)
    ) -> Response:
        return Undrawn(await pictures.specify(session, actor, study, name))

    async def read_specification(
        session: Session, study: MetricStudyOf, actor: Actor = Depends(viewer)
    ) -> Any:
        specification = await pictures.specify(session, actor, study, name)
        return ExactJSON(specification, media_type=MEDIA_TYPE)

    router.add_api_route(
        f"/{name}.svg",
        read_picture,
        name=f"read_{word}_picture",
        summary=f"Draw: {kind.title}",
        description=f"{kind.description} Answers 503 while it cannot be drawn.",
        response_class=Response,
        responses={200: {"content": {SVG: {"schema": {"type": "string"}}}}},
    )
    router.add_api_route(
        f"/{name}.vl.json",
        read_specification,
        name=f"read_{word}_specification",
        summary=f"Read the data of: {kind.title}",
        description=f"{kind.description} A Vega-Lite specification that brings its data with it.",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}},
    )


for each in PictureName:
    _publish(each)
