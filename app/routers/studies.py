"""Studies and the versions of their protocol."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from app.domain.signing import Meaning
from app.models import Study
from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Caller, Now, Session, claim_key, permit
from app.routers.problems import documented
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Signer
from app.schemas.lists import Listing
from app.schemas.protocols import (
    ActivationCreate,
    ProtocolVersionCreate,
    ProtocolVersionView,
    ProtocolView,
    SignedProtocolVersionView,
    StudyCreate,
    definition_schema,
)
from app.schemas.studies import StudySummary, StudyView
from app.services import protocols, studies, study_summary
from app.services.access import Actor
from app.services.paging import Page
from app.services.role_matrix import Area, Right
from app.services.signatures import Signed
from app.services.signed_records import SignatureWish, sign_made

router = APIRouter(route_class=TrialRoute, tags=["studies"])
VersionNumber = Annotated[
    int, Path(ge=1, le=10_000, description="Number of the version.", examples=[1])
]


@router.get("/studies", summary="List the studies you have a role in")
async def list_studies(session: Session, caller: Caller, now: Now) -> Listing[StudyView]:
    """List studies, all on one page."""
    found = await studies.list_studies(session, (caller.issuer, caller.subject), now)
    return Listing[StudyView].model_validate(Page(found, None))


async def only_administrators(session: Session, caller: Caller, now: Now) -> None:
    """Refuse everybody else before the definition is looked at."""
    await studies.administrator(session, (caller.issuer, caller.subject), now)


@router.post(
    "/studies",
    status_code=201,
    summary="Set up a study from a protocol definition",
    dependencies=[Depends(only_administrators), Depends(claim_key)],
    response_model=StudyView,
    responses=documented(403),
)
async def create_study(
    request: Request, session: Session, caller: Caller, now: Now, body: StudyCreate
) -> Study:
    """Set up a study; only an administrator may, and gets no clinical role by it."""
    new = studies.NewStudy(
        document=body.definition,
        effective_from=body.effective_from,
        people=(),
        site_name="Site 01",
        request_id=request.scope["request_id"],
        reason="Study set up from its protocol definition.",
    )
    return await studies.create_study_by(session, (caller.issuer, caller.subject), new, now)


@router.get("/studies/{study}", summary="Read where a study stands", response_model=StudySummary)
async def read_study(
    session: Session, at: At, actor: Annotated[Actor, Depends(permit(Area.STUDY, Right.READ))]
) -> Any:
    """Return subjects by status, the open cohort, the ladder's state and what it recommends."""
    return ExactJSON(await study_summary.read_summary(session, actor, at.at, at.past))


@router.get(
    "/studies/{study}/protocol",
    summary="Read the protocol definition in force",
    response_model=ProtocolView,
)
async def read_protocol(
    session: Session, at: At, actor: Annotated[Actor, Depends(permit(Area.PROTOCOL, Right.READ))]
) -> Any:
    """Return every number of the trial, with the assumptions that the record does not settle."""
    active = await protocols.active_protocol(session, actor.study_id, at.at, at.past)
    return ExactJSON(
        {
            "number": active.number,
            "digest": active.digest,
            "effective_from": active.effective_from,
            "definition": active.document,
        }
    )


@router.get("/studies/{study}/protocol/schema", summary="Read the JSON Schema of a definition")
async def read_protocol_schema(
    _: Annotated[Actor, Depends(permit(Area.PROTOCOL, Right.READ))],
) -> dict[str, Any]:
    """Return the JSON Schema that a protocol definition has to fit."""
    return definition_schema()


@router.get("/studies/{study}/protocol-versions", summary="List the versions of the protocol")
async def list_protocol_versions(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.PROTOCOL, Right.READ))],
) -> Listing[ProtocolVersionView]:
    """List all versions, oldest first, with the day each is in force from."""
    found = await protocols.list_versions(session, actor.study_id, at.past)
    return Listing[ProtocolVersionView].model_validate(Page(found, None))


@router.post(
    "/studies/{study}/protocol-versions",
    status_code=201,
    summary="Propose an amendment",
    response_model=ProtocolVersionView,
)
async def create_protocol_version(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.PROTOCOL, Right.CREATE))],
    body: ProtocolVersionCreate,
) -> protocols.VersionWithActivation:
    """Add a version; it takes effect when the principal investigator activates it."""
    return await protocols.create_version(session, actor, body.definition, body.summary)


@router.post(
    "/studies/{study}/protocol-versions/{number}/activation",
    status_code=201,
    summary="Sign a version into force",
    response_model=SignedProtocolVersionView,
    responses=SIGNING_ANSWERS,
)
async def activate_protocol_version(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.PROTOCOL, Right.SIGN))],
    signer: Signer,
    number: VersionNumber,
    body: ActivationCreate,
) -> Signed:
    """Put a version into force from a study day on; once for each version."""
    made = await protocols.activate_version(
        session, actor, number, body.effective_from, body.reason
    )
    wish = SignatureWish("protocol_activation", made.id, Meaning.APPROVED)
    return await sign_made(session, actor, signer, made, wish)
