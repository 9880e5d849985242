"""What only the issuer of development offers: its public keys, and signing by local password.

These routes are there only beside that issuer, so no document of the API has them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from app.core.development_issuer import STEP_UP_LIFETIME, DevelopmentIssuer
from app.domain.errors import too_many
from app.routers import problems
from app.routers.dependencies import Caller, Now, Session
from app.routers.route import TrialRoute
from app.schemas.types import Body
from app.services.security_events import locked_until, record_failure, record_success

keys = APIRouter(prefix="/development", include_in_schema=False)
router = APIRouter(prefix="/development", route_class=TrialRoute, include_in_schema=False)


class StepUp(Body):
    """The password that `msc-icaht password` prints for the caller's role."""

    password: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(repr=False)


class SigningToken(BaseModel):
    """A token of a fresh login that is strong enough to sign."""

    access_token: str
    expires_in: int


@keys.get("/jwks")
async def read_development_keys(request: Request) -> dict[str, Any]:
    """Show the public keys of the development issuer (RFC 7517)."""
    issuer: DevelopmentIssuer = request.app.state.development_issuer
    return issuer.key_set()


@router.post("/step-up", response_model=SigningToken)
async def step_up(
    request: Request, session: Session, caller: Caller, now: Now, body: StepUp
) -> SigningToken | Response:
    """Give a person who proves the password a token that signs, for a quarter of an hour.

    A wrong password counts: too many lock signing for a while (429).
    """
    issuer: DevelopmentIssuer = request.app.state.development_issuer
    identity, request_id = (caller.issuer, caller.subject), request.scope["request_id"]
    end = await locked_until(session, identity, now)
    if end is not None:
        raise too_many(
            "signing_locked",
            "Signing is locked after wrong passwords; wait as long as Retry-After says, or ask"
            " an administrator.",
            _seconds(end, now),
        )
    # A token of another issuer has no password here.
    known = caller.issuer == issuer.name and caller.scopes is None
    if not (known and issuer.is_password(caller.subject, body.password)):
        await record_failure(session, identity, now, request_id)
        # Not raised: what was counted has to be committed.
        return problems.problem(
            request, 401, "wrong_password", "This is not the password of the token's person."
        )
    await record_success(session, identity, now, request_id)
    token = issuer.token(caller.subject, now, STEP_UP_LIFETIME)
    return SigningToken(access_token=token, expires_in=int(STEP_UP_LIFETIME.total_seconds()))


def _seconds(end: datetime, now: datetime) -> int:
    return max(1, int((end - now).total_seconds()) + 1)
