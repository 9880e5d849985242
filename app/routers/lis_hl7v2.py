"""HL7 v2 messages of laboratory systems over HTTP, and the dry run of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from starlette.responses import Response

from app.core.security import Identity
from app.domain.errors import DomainError, invalid
from app.domain.inbound import Door
from app.interop.hl7v2.foreseeing import foresee_er7
from app.interop.hl7v2.receiving import Arrival, receive_er7
from app.routers.dependencies import BEARER, IdempotencyKey, Now, Session, begin_writing
from app.routers.lis_dependencies import (
    BASIC,
    CallingSystem,
    SenderName,
    SenderRoute,
    StudyKey,
    calling_sender,
)
from app.routers.strict_json import MalformedBody, UnsupportedBody, media_type
from app.schemas.hl7v2 import MessageForecast
from app.services.access import Wish, authorize
from app.services.role_matrix import Area, Right
from app.services.senders import CallingSender, sender_of_code
from app.services.studies import only_study_of

MEDIA_TYPES = ("application/hl7-v2", "x-application/hl7-v2+er7", "text/plain")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)', re.IGNORECASE)
# The names of HTTP where those of the codecs are others.
_HTTP_NAMES = {"ascii": "us-ascii", "cp950": "big5", "cp1252": "windows-1252"}
_MESSAGE = (
    "MSH|^~\\&|LIS|HOSPITAL-A|MSC-ICAHT|TRIAL|20260601084600+0800||ORU^R01^ORU_R01|MSG-0001|P|2.5.1"
    "||||||UNICODE UTF-8\r"
    "PID|1||S-001^^^NCT07212335^MR\r"
    "OBR|1||2606010001|58410-2^CBC panel^LN|||20260601073000+0800\r"
    "OBX|1|NM|777-3^Platelets^LN||98|10*9/L|125-350|L|||F\r"
)
_ANSWER = (
    "MSH|^~\\&|MSC-ICAHT|TRIAL|LIS|HOSPITAL-A|20260601004601+0000||ACK^R01^ACK"
    "|01930000-0000-7000-8000-000000000001|P|2.5.1||||||UNICODE UTF-8\r"
    "MSA|AA|MSG-0001|Stored as 01930000-0000-7000-8000-000000000001: 1 received, 1 filed,"
    " 0 duplicate, 0 in the inbox, 0 refused\r"
)


def _er7(text: str) -> dict[str, Any]:
    """Document ER7 text under each media type that it can be sent as."""
    return {name: {"schema": {"type": "string"}, "example": text} for name in MEDIA_TYPES}


_REQUEST = {"requestBody": {"required": True, "content": _er7(_MESSAGE)}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "An acknowledgement for each message.", "content": _er7(_ANSWER)},
    204: {"description": "Stored; the messages ask for no acknowledgement."},
}

router = APIRouter(prefix="/lis/hl7v2", route_class=SenderRoute, tags=["laboratory systems"])


@dataclass(frozen=True, slots=True)
class Er7Body:
    """A body of HL7 v2 messages; `charset` is the one of its Content-Type, None without."""

    raw: bytes
    media_type: str
    charset: str | None


async def er7_body(request: Request) -> Er7Body:
    """Read the body before any connection to the database is taken; refuse other media types."""
    kind = media_type(request)
    if kind not in MEDIA_TYPES:
        raise UnsupportedBody(f"Send the message as {', '.join(MEDIA_TYPES[:2])} or text/plain.")
    raw = await request.body()
    if not raw:
        raise MalformedBody("The body is empty; send a message.")
    charset = _CHARSET.search(request.headers["content-type"])
    return Er7Body(raw, kind, charset[1] if charset else None)


Er7 = Annotated[Er7Body, Depends(er7_body)]


@router.post(
    "",
    summary="Send HL7 v2 messages",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_REQUEST,
)
async def receive_hl7v2(
    request: Request, session: Session, body: Er7, caller: CallingSystem, now: Now
) -> Response:
    """Store one or more ORU or OUL messages and file their results; the answer is the ACK.

    AA says that everything is stored: filed, or in the inbox with the reason. AR says that a
    message can never be taken; its bytes are kept all the same. Nothing is answered AE.
    """
    arrival = Arrival(body.raw, Door.HL7V2, body.charset)
    reply = await receive_er7(session, caller, arrival, request.app.state.keyring, now)
    if not reply.content:
        return Response(status_code=204)
    charset = _HTTP_NAMES.get(reply.charset, reply.charset)
    headers = {"content-type": f"{body.media_type}; charset={charset}"}
    return Response(reply.content, headers=headers)


@dataclass(frozen=True, slots=True)
class Asking:
    """Whose messages are tried, and whether who tries may read results."""

    sender: CallingSender
    reads_results: bool


async def asking(
    request: Request,
    session: Session,
    now: Now,
    sender: SenderName = None,
    study: StudyKey = None,
    idempotency_key: IdempotencyKey = None,
    _bearer: Annotated[object, Security(BEARER)] = None,
    _basic: Annotated[object, Security(BASIC)] = None,
) -> Asking:
    """Let a sender try its own messages, and a person who may see senders those of one of them."""
    try:
        caller = await calling_sender(request, session, now, sender, idempotency_key)
        return Asking(caller, reads_results=False)
    except DomainError as error:
        if error.code != "not_a_sender":
            raise
    who: Identity = request.state.identity
    identity = (who.issuer, who.subject)
    request_id = request.scope["request_id"]
    key = study or await only_study_of(session, identity, now)
    wish = Wish(Area.SENDER, Right.READ, request_id)
    actor = await authorize(session, identity, key, wish, now)
    if sender is None:
        raise invalid("sender_needed", "Name the sender by its code as `sender`.", "/query/sender")
    caller = await sender_of_code(session, key, sender, request_id, now)
    actor = actor.acting(wish.area, wish.right, caller.site_id) or actor
    await begin_writing(request, session, actor, f"{who.issuer}\n{who.subject}", idempotency_key)
    return Asking(caller, actor.may(Area.LABORATORY, Right.READ, caller.site_id))


@router.post("/validation", summary="Try HL7 v2 messages", openapi_extra=_REQUEST)
async def validate_hl7v2(
    request: Request,
    session: Session,
    body: Er7,
    who: Annotated[Asking, Depends(asking)],
    now: Now,
) -> MessageForecast:
    """Tell what would become of each message and each result, and what would be answered.

    Nothing is stored. Values are shown to people who may read results, and not to senders.
    """
    arrival = Arrival(body.raw, Door.HL7V2, body.charset)
    messages = await foresee_er7(
        session, who.sender, arrival, request.app.state.keyring, now, who.reads_results
    )
    return MessageForecast.model_validate({"messages": messages})
