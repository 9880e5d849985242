"""E-signatures: what would be signed, signing it, what was signed, and the log of the power to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from app.models import Signature
from app.routers.answers import ExactJSON
from app.routers.dependencies import AsOf, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Signer
from app.schemas.lists import Listing
from app.schemas.signatures import (
    CheckedSignatureView,
    SecurityEventView,
    SignableDocumentView,
    SignatureCreate,
    SignatureView,
    UnlockCreate,
)
from app.schemas.types import Code
from app.services import security_events, signed_records
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.security_events import NamedEvent
from app.services.signable import DOCUMENTS
from app.services.signed_records import SignatureFilter, SignatureWish

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["signatures"])
Reader = Annotated[Actor, Depends(permit(Area.SIGNATURE, Right.READ))]
SigningActor = Annotated[Actor, Depends(permit(Area.SIGNATURE, Right.SIGN))]
LogReader = Annotated[Actor, Depends(permit(Area.SECURITY, Right.READ))]
Unlocker = Annotated[Actor, Depends(permit(Area.SECURITY, Right.UPDATE))]
RecordType = Annotated[
    str,
    Path(
        max_length=40,
        description=f"Type of the record: {', '.join(DOCUMENTS)}.",
        examples=["eligibility"],
    ),
]


@router.get("/signatures", summary="List signatures")
async def list_signatures(
    session: Session,
    actor: Reader,
    wanted: Paging,
    record_type: Annotated[
        Code | None, Query(description="On this type of record.", examples=["eligibility"])
    ] = None,
    record_id: Annotated[UUID | None, Query(description="On this record.")] = None,
    signer_id: Annotated[UUID | None, Query(description="Of this person.")] = None,
) -> Listing[SignatureView]:
    """List signatures on the records that the role may read, the first signed first."""
    only = SignatureFilter(record_type=record_type, record_id=record_id, signer_id=signer_id)
    found = await signed_records.list_signatures(session, actor, wanted, only)
    return Listing[SignatureView].model_validate(found)


@router.post(
    "/signatures",
    status_code=201,
    summary="Sign a record as it was shown",
    response_model=SignatureView,
    responses=SIGNING_ANSWERS,
)
async def create_signature(
    session: Session, actor: SigningActor, signer: Signer, body: SignatureCreate
) -> Signature:
    """Sign what the digest names; refused if the record moved, and without a fresh login.

    What can be signed, and its digest: `/signatures/documents/{record_type}/{record_id}`.
    """
    return await signed_records.sign_shown(
        session, actor, signer, SignatureWish(**body.model_dump())
    )


@router.get(
    "/signatures/documents/{record_type}/{record_id}",
    summary="Read a record as it would be signed",
    response_model=SignableDocumentView,
)
async def read_signable_document(
    session: Session, actor: Reader, record_type: RecordType, record_id: UUID, now: Now
) -> ExactJSON:
    """Return what a signature would be put on, and the digest that names exactly this."""
    return ExactJSON(
        await signed_records.show_document(session, actor, record_type, record_id, now)
    )


@router.get(
    "/signatures/{signature_id}", summary="Read a signature", response_model=CheckedSignatureView
)
async def read_signature(
    session: Session, actor: Reader, signature_id: UUID, past: AsOf
) -> ExactJSON:
    """Return a signature with its document, whether it is valid, and whether it is void by now."""
    found = await signed_records.read_signature(session, actor, signature_id, past)
    view = CheckedSignatureView.model_validate(found)
    return ExactJSON(view.model_dump())


@router.get("/security-events", summary="List what happened to the power to sign")
async def list_security_events(
    session: Session,
    actor: LogReader,
    wanted: Paging,
    principal_id: Annotated[UUID | None, Query(description="Of this person.")] = None,
) -> Listing[SecurityEventView]:
    """List wrong secrets, locks, unlocks and refused attempts, the first first."""
    found = await security_events.list_events(session, actor, wanted, principal_id)
    return Listing[SecurityEventView].model_validate(found)


@router.post(
    "/security-events/unlocks",
    status_code=201,
    summary="Unlock somebody's signing",
    response_model=SecurityEventView,
)
async def unlock_signing(
    session: Session, actor: Unlocker, now: Now, body: UnlockCreate
) -> NamedEvent:
    """Let somebody sign again before the lock ends; another administrator unlocks one's own."""
    return await security_events.unlock(session, actor, body.principal_id, now)
