"""The safety committee's dossier, as JSON and as a page to print."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from app.core.html_page import CONTENT_SECURITY_POLICY
from app.domain.errors import invalid
from app.routers.answers import ExactJSON
from app.routers.dependencies import AsOf, Moment, Session, permit
from app.routers.route import TrialRoute
from app.schemas.dossier import DossierView
from app.services import dossier, dossier_page
from app.services.access import Actor
from app.services.data_cuts import settled
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/escalation", route_class=TrialRoute, tags=["escalation"]
)
_WEIGHT = re.compile(r"q=([01](?:\.\d{0,3})?)", re.ASCII)


class DossierFormat(StrEnum):
    """How the dossier is written."""

    JSON = "json"
    HTML = "html"


async def pinned_moment(request: Request, past: AsOf) -> Moment:
    """Return the moment asked for, or else now, once nothing can be dated before it any more.

    Now is the database's, by whose clock records are dated. Asked for before the actor, whose
    transaction is one more that runs.
    """
    latest = await settled(request.app.state.database)
    if past is not None and past > latest:
        raise invalid("future_moment", "as_of lies in the future.", "/query/as_of")
    return Moment(past or latest, past or latest)


@router.get(
    "/dossier",
    summary="Read the safety committee's dossier",
    response_model=DossierView,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def read_dossier(
    request: Request,
    at: Annotated[Moment, Depends(pinned_moment)],
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.ESCALATION, Right.READ))],
    wanted: Annotated[
        DossierFormat | None,
        Query(alias="format", description="As JSON or as a page; else as `Accept` prefers."),
    ] = None,
) -> Response:
    """Return all that a decision about the ladder rests on, and what would change it.

    Without `as_of` it is of the moment at which it is read, and names that as its `as_of`: asked
    for again it gives the same bytes and the same digest to everybody, until a redaction takes a
    text out of the records. The page needs no other file, runs no script, and shows the same.
    """
    found = await dossier.compile_dossier(session, actor, at.at, at.past)
    as_page = _prefers_page(request) if wanted is None else wanted is DossierFormat.HTML
    if not as_page:
        return ExactJSON(found, headers={"Vary": "Accept"})
    headers = {"Vary": "Accept", "Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(dossier_page.render(found), headers=headers)


def _prefers_page(request: Request) -> bool:
    """Tell whether a page is accepted more gladly than JSON, as by a browser."""
    weights: dict[str, Decimal] = {}
    for part in ",".join(request.headers.getlist("accept")).lower().split(","):
        kind, _, parameters = part.partition(";")
        weight = _WEIGHT.search(parameters)
        weights[kind.strip()] = Decimal(weight[1]) if weight else Decimal(1)
    kinds = ("application/json", "application/*", "*/*")
    other = next((weights[kind] for kind in kinds if kind in weights), Decimal(0))
    return weights.get("text/html", Decimal(0)) > other
