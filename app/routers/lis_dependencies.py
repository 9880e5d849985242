"""What endpoints below /lis and /fhir ask for: the sender that calls, or a person of a study."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Security
from fastapi.security import HTTPBasic

from app.core.machine_issuer import MachineIssuer
from app.core.security import Identity
from app.domain.errors import DomainError
from app.routers.auditor_reads import note_read
from app.routers.dependencies import (
    BEARER,
    Caller,
    IdempotencyKey,
    Now,
    Session,
    begin_writing,
)
from app.routers.named_sites import named_in
from app.routers.route import TrialRoute
from app.routers.strict_json import StrictRequest, UnsupportedBody
from app.schemas.types import Code
from app.services.access import Actor, Wish, authorize
from app.services.acting import in_fitting_role
from app.services.role_matrix import Area, Right
from app.services.sender_keys import MARK, invalid_credentials
from app.services.senders import (
    CallingSender,
    check_network,
    check_rate,
    sender_of_client,
    sender_of_identity,
    sender_of_key,
)
from app.services.studies import only_study_of

BASIC = HTTPBasic(
    auto_error=False, description="The sender's code as user, its API key as password."
)
StudyKey = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        description="Key of the study; may be left out by who has roles in one study only.",
        examples=["NCT07212335"],
    ),
]
SenderName = Annotated[
    Code | None,
    Query(
        description="Code of the sender, where a client's token is good for several.",
        examples=["LIS-01"],
    ),
]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it was presented; `sender` is the user of HTTP Basic."""

    text: str
    sender: str | None


class SenderRoute(TrialRoute):
    """A route that machines call, too: besides access tokens it takes API keys."""

    async def authenticate(self, request: StrictRequest) -> None:
        """Read the credentials: an access token is verified here, a key in the transaction."""
        key = presented_key(request.headers.get("authorization", ""))
        request.state.api_key = key
        if key is not None:
            return
        try:
            await super().authenticate(request)
        except DomainError:
            raise invalid_credentials() from None


def presented_key(header: str) -> ApiKey | None:
    """Read the API key of an Authorization header, None if it holds something else.

    Raises invalid_credentials for HTTP Basic that cannot be read.
    """
    scheme, _, credentials = header.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer" and credentials.startswith(MARK):
        return ApiKey(credentials, None)
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(credentials, validate=True).decode("ascii")
    except ValueError:
        raise invalid_credentials() from None
    user, colon, password = text.partition(":")
    if not colon:
        raise invalid_credentials()
    return ApiKey(password, user)


async def calling_sender(
    request: Request,
    session: Session,
    now: Now,
    sender: SenderName = None,
    idempotency_key: IdempotencyKey = None,
    _bearer: Annotated[object, Security(BEARER)] = None,
    _basic: Annotated[object, Security(BASIC)] = None,
) -> CallingSender:
    """Let a sender through: its credentials, its network and its rate; open the operation.

    Needs a SenderRoute. Raises invalid_credentials, `not_a_sender`, `network_not_allowed`,
    `too_many_messages`.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedBody("Send the body without a content encoding.")
    caller = await _identified(request, session, now, sender)
    check_network(caller, request.client.host if request.client else None)
    check_rate(caller, request.app.state.rates)
    await begin_writing(request, session, caller.actor, str(caller.sender_id), idempotency_key)
    return caller


async def _identified(
    request: Request, session: Session, now: Now, code: str | None
) -> CallingSender:
    request_id = request.scope["request_id"]
    key: ApiKey | None = request.state.api_key
    if key is not None:
        caller = await sender_of_key(session, key.text, request_id, now)
        return _named(caller, key.sender, code)
    who: Identity = request.state.identity
    if is_own_client(request):
        return _named(await sender_of_client(session, who, request_id, now), code)
    return await sender_of_identity(session, (who.issuer, who.subject), code, request_id, now)


def is_own_client(request: Request) -> bool:
    """Tell whether a request shows a token that this service gave to a machine client."""
    machines: MachineIssuer | None = request.app.state.machine_issuer
    who: Identity | None = getattr(request.state, "identity", None)
    return machines is not None and who is not None and who.issuer == machines.name


def _named(caller: CallingSender, *codes: str | None) -> CallingSender:
    """Return the sender if it is the one that is named; raise invalid_credentials."""
    if any(code not in (None, caller.code) for code in codes):
        raise invalid_credentials()
    return caller


CallingSystem = Annotated[CallingSender, Depends(calling_sender)]


def permit_lis(area: Area, right: Right) -> Callable[..., Coroutine[Any, Any, Actor]]:
    """Return the dependency that lets a person through with a right in an area.

    The same as `permit`, for addresses that name no study: `study` does, or the person's only one.
    """

    async def permitted(
        request: Request, session: Session, caller: Caller, now: Now, study: StudyKey = None
    ) -> Actor:
        identity = (caller.issuer, caller.subject)
        wish = Wish(area, right, request.scope["request_id"])
        key = study or await only_study_of(session, identity, now)
        actor = await authorize(session, identity, key, wish, now)
        note_read(request, actor)
        return await in_fitting_role(session, actor, wish, await named_in(request))

    async def permitted_to_write(
        request: Request,
        session: Session,
        caller: Caller,
        actor: Actor = Depends(permitted),
        idempotency_key: IdempotencyKey = None,
    ) -> Actor:
        owner = f"{caller.issuer}\n{caller.subject}"
        await begin_writing(request, session, actor, owner, idempotency_key)
        return actor

    return permitted if right is Right.READ else permitted_to_write
