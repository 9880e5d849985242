"""What endpoints ask for: session, actor with a right, moment, page, expected version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import Identity, unauthenticated
from app.domain.errors import DomainError, ErrorKind, invalid
from app.routers.auditor_reads import note_read
from app.routers.named_sites import made_in, named_in
from app.routers.route import Replay
from app.routers.strict_json import media_type
from app.schemas.types import Instant
from app.services.access import Actor, Wish, authorize
from app.services.acting import check_seen, in_fitting_role
from app.services.audit import begin_operation
from app.services.idempotency import Answer, RequestKey, claim
from app.services.paging import MAX_LIMIT, PageRequest
from app.services.role_matrix import Area, Right

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
# A change (PATCH) cannot happen twice as it is: it names the version that it starts from.
_KEYED = ("POST", "PUT")
_VERSION_TAG = re.compile(r'"v(\d{1,9})"', re.ASCII)
BEARER = HTTPBearer(auto_error=False, description="An access token of the configured issuer.")


async def current_session(request: Request) -> AsyncSession:
    """Return the request's session; the route commits it."""
    session: AsyncSession = request.state.session
    return session


async def current_moment(request: Request) -> datetime:
    """Return the present instant."""
    now: datetime = request.app.state.clock()
    return now


async def current_identity(
    request: Request, _: Annotated[object, Security(BEARER)] = None
) -> Identity:
    """Return who the verified token speaks for; refuse what is no token, such as an API key."""
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is None:
        raise unauthenticated()
    return identity


Session = Annotated[AsyncSession, Depends(current_session)]
Now = Annotated[datetime, Depends(current_moment)]
Caller = Annotated[Identity, Depends(current_identity)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Repeat a POST or PUT with the same key and body to get the same answer.",
    ),
]


async def claim_key(
    request: Request, session: Session, caller: Caller, idempotency_key: IdempotencyKey = None
) -> None:
    """Claim the Idempotency-Key of a POST or PUT, or replay the answer it already got."""
    answer = await _claim_for(request, session, owner_of(caller), idempotency_key)
    if answer is not None:
        raise Replay(answer)


async def _claim_for(
    request: Request, session: AsyncSession, owner: str, idempotency_key: str | None
) -> Answer | None:
    """Claim a key among those of an owner; return the answer that it already got."""
    if idempotency_key is None or request.method not in _KEYED:
        return None
    key = await request_key(request, owner, idempotency_key)
    answer = await claim(session, key)
    if answer is None:
        request.state.request_key = key
    return answer


def owner_of(identity: Identity) -> str:
    """Return whose keys those of an identity are."""
    return f"{identity.issuer}\n{identity.subject}"


async def request_key(request: Request, owner: str, idempotency_key: str) -> RequestKey:
    """Return a request's key among those of an owner, for a body of any media type.

    The key and what was asked are kept as keyed hashes: a client may have put a patient's number
    into the one, and a plain hash would give away short bodies.
    """
    body = hashlib.sha256(await request.body()).hexdigest()
    asked: bytes = request.app.state.keyring.token("request", request.url.query, body)
    return RequestKey(
        scope=hashlib.sha256(f"{owner}\n{request.url.path}".encode()).hexdigest(),
        key=request.app.state.keyring.token("idempotency key", idempotency_key).hex(),
        fingerprint=asked.hex(),
        keyring=request.app.state.keyring,
    )


def permit(area: Area, right: Right) -> Callable[..., Coroutine[Any, Any, Actor]]:
    """Return the dependency that lets a request through only with a right in an area.

    For a writing request it also claims the Idempotency-Key and opens the audited operation.
    """

    async def permitted(
        request: Request,
        session: Session,
        caller: Caller,
        now: Now,
        study: Annotated[str, Path(description="Key of the study.", examples=["NCT07212335"])],
    ) -> Actor:
        wish = Wish(area, right, request.scope["request_id"])
        actor = await authorize(session, (caller.issuer, caller.subject), study, wish, now)
        actor = await in_fitting_role(session, actor, wish, await named_in(request))
        request.state.actor = actor
        note_read(request, actor)
        return actor

    async def permitted_to_write(
        request: Request,
        session: Session,
        caller: Caller,
        actor: Actor = Depends(permitted),
        idempotency_key: IdempotencyKey = None,
    ) -> Actor:
        owner = owner_of(caller)
        await begin_writing(request, session, actor, owner, idempotency_key)
        return actor

    return permitted if right is Right.READ else permitted_to_write


async def begin_writing(
    request: Request, session: AsyncSession, actor: Actor, owner: str, idempotency_key: str | None
) -> None:
    """Claim the Idempotency-Key among those of the owner, then open the audited operation.

    A request that only reads leaves neither.
    """
    if request.method not in _WRITING:
        return
    answer = await _claim_for(request, session, owner, idempotency_key)
    if answer is not None:
        named = await named_in(request)
        await check_seen(session, actor, named.ids.union(made_in(answer)))
        raise Replay(answer)
    command = request.scope["route"].name
    await begin_operation(session, actor, command, await stated_reason(request))


async def stated_reason(request: Request) -> str | None:
    """Return the JSON body's `reason` or `rationale` for the trail; the body's schema checks it."""
    if media_type(request) != "application/json" or not await request.body():
        return None
    body = await request.json()
    reason = body.get("reason", body.get("rationale")) if isinstance(body, dict) else None
    return reason if isinstance(reason, str) and reason.strip() else None


async def past_moment(
    now: Now,
    as_of: Annotated[
        Instant | None,
        Query(description="Answer as the records were at this instant, with an offset."),
    ] = None,
) -> datetime | None:
    """Return the past moment that is asked for, None for now; refuse the future."""
    if as_of is not None and as_of > now:
        raise invalid("future_moment", "as_of lies in the future.", "/query/as_of")
    return as_of


AsOf = Annotated[datetime | None, Depends(past_moment)]


async def page_request(
    moment: AsOf,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="The `next` of the page before.")
    ] = None,
) -> PageRequest:
    """Return which page is asked for."""
    return PageRequest(limit=limit, cursor=cursor, moment=moment)


Paging = Annotated[PageRequest, Depends(page_request)]


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment a conclusion is drawn for: `past` selects records, `at` is that instant or now."""

    past: datetime | None
    at: datetime


async def moment(past: AsOf, now: Now) -> Moment:
    """Return the moment a conclusion is asked for."""
    return Moment(past, past or now)


At = Annotated[Moment, Depends(moment)]


async def expected_version(
    if_match: Annotated[
        str | None, Header(description='The ETag that was read, such as "v3".')
    ] = None,
) -> int:
    """Return the version the caller saw; refuse a change without it (428) or with a weak tag."""
    if if_match is None:
        raise DomainError(
            ErrorKind.VERSION_REQUIRED,
            "if_match_required",
            "Send the ETag of the record you read as If-Match, so that no change is lost.",
        )
    found = _VERSION_TAG.fullmatch(if_match.strip())
    if found is None:
        raise DomainError(
            ErrorKind.VERSION_STALE,
            "stale_version",
            "This If-Match is not the record's ETag; read the record again.",
        )
    return int(found.group(1))


ExpectedVersion = Annotated[int, Depends(expected_version)]


async def subject_filter(
    subject: Annotated[UUID | None, Query(description="Records of this subject only.")] = None,
    subject_id: Annotated[
        UUID | None, Query(description="The same, under the field's own name.")
    ] = None,
) -> UUID | None:
    """Return whose records are wanted, None for everybody's; refuse two different subjects."""
    if subject and subject_id and subject != subject_id:
        raise invalid("two_subjects", "subject and subject_id differ; give one.", "/query/subject")
    return subject or subject_id


OfSubject = Annotated[UUID | None, Depends(subject_filter)]
