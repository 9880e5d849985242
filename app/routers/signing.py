"""Step-up: what an endpoint asks for when its act needs a signature.

The right is asked for first: declare the actor before the signer.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.security import Identity
from app.domain.errors import DomainError, ErrorKind, forbidden, too_many
from app.domain.signing import SecurityEventKind, proves
from app.routers.answers import ExactJSON
from app.routers.dependencies import Caller, Now, Session
from app.routers.problems import STEP_UP_NEEDED, documented
from app.schemas.signatures import SignatureStamp
from app.services.access import Actor
from app.services.security_events import lock_of, record_refusal
from app.services.signatures import Signed, SigningProof

Prove = Callable[[], Awaitable[SigningProof]]
# What an operation that may need a signature answers besides: 401 is everybody's already.
SIGNING_ANSWERS = documented(429)


async def prover(request: Request, session: Session, caller: Caller, now: Now) -> Prove:
    """Return what asks for the proof, for an act that needs a signature in some cases only."""

    async def prove() -> SigningProof:
        actor: Actor = request.state.actor
        if caller.scopes is not None:
            raise forbidden("machines_do_not_sign", "A person has to sign this; no machine can.")
        await _refuse_while_locked(request, session, actor, now)
        return _proof(caller, request.app.state.settings.signing_acr, now)

    return prove


Prover = Annotated[Prove, Depends(prover)]


async def signing_proof(prove: Prover) -> SigningProof:
    """Return fresh proof of who signs; refuse a machine, a locked signer and a stale login."""
    return await prove()


Signer = Annotated[SigningProof, Depends(signing_proof)]


async def _refuse_while_locked(
    request: Request, session: Session, actor: Actor, now: datetime
) -> None:
    ends = await lock_of(session, actor, now)
    if ends is not None:
        _record_afterwards(request, actor, SecurityEventKind.REFUSED_WHILE_LOCKED, now)
        raise too_many(
            "signing_locked",
            "Your signing is locked after too many wrong secrets; wait, or ask an administrator.",
            math.ceil((ends - now).total_seconds()),
        )


def _proof(caller: Identity, wanted_acr: str, now: datetime) -> SigningProof:
    if caller.auth_time is None or not proves(caller.auth_time, caller.acr, wanted_acr, now):
        raise DomainError(
            ErrorKind.UNAUTHENTICATED,
            STEP_UP_NEEDED,
            "Signing needs a fresh login of the class in acr_values; log in again and repeat this.",
        )
    local = caller.issuer == DEVELOPMENT_ISSUER
    return SigningProof(
        issuer=caller.issuer,
        subject=caller.subject,
        auth_time=caller.auth_time,
        acr=wanted_acr,
        method="development_step_up" if local else "oidc_step_up",
        at=now,
    )


def _record_afterwards(
    request: Request, actor: Actor, kind: SecurityEventKind, now: datetime
) -> None:
    """Keep an event of a refused request, of which nothing else is kept."""

    async def record(session: Session) -> None:
        await record_refusal(session, actor, kind, now)

    request.state.after_refusal = record


def signed_json(made: Signed) -> ExactJSON:
    """Answer with a conclusion that an act made, beside the signature on it."""
    shown = {field.name: getattr(made.record, field.name) for field in fields(made.record)}
    stamp = SignatureStamp.model_validate(made.signature).model_dump()
    return ExactJSON(shown | {"signature": stamp}, status_code=201)
