"""The token endpoint for machines: OAuth 2.0 client credentials with private_key_jwt."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.core.jose import BadToken
from app.core.machine_issuer import TOKEN_LIFETIME, MachineIssuer
from app.domain.errors import not_found, too_many
from app.routers import problems
from app.routers.dependencies import Now, Session
from app.routers.route import TrialRoute
from app.routers.strict_json import StrictRequest, UnsupportedBody, media_type
from app.schemas.machine_clients import TokenAnswer, TokenRefusal
from app.services.machine_clients import prove

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MOST_FIELDS = 10
# A token lasts five minutes, so this is enough for a few hundred systems behind one address.
ASKED_PER_MINUTE = 120
_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type", "client_assertion_type", "client_assertion"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_assertion_type": {"const": ASSERTION_TYPE},
        "client_assertion": {
            "type": "string",
            "description": "A JWT signed by the client: iss and sub its client_id, aud this address"
            " or the service's, exp at most five minutes ahead, a jti of its own each time.",
        },
        "scope": {
            "type": "string",
            "description": "Names with spaces between; all of the client's if left out.",
        },
    },
}
_EXAMPLE = {
    "grant_type": "client_credentials",
    "client_assertion_type": ASSERTION_TYPE,
    "client_assertion": "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl",
    "scope": "labs:create",
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **problems.documented(404),
    400: {"model": TokenRefusal, "description": "The request is not one for a token."},
    401: {"model": TokenRefusal, "description": "The client is not who it says, or not any more."},
}


_CONTENT = {FORM: {"schema": _FORM_SCHEMA, "example": _EXAMPLE}}


class Refusal(Exception):  # noqa: N818 - not an error of ours: there is no token
    """There is no token; `error` is one of RFC 6749's."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__()
        self.body = {"error": error, "error_description": description}


class TokenRoute(TrialRoute):
    """A route whose body carries the credentials."""

    async def authenticate(self, request: StrictRequest) -> None:
        """Count who asks by address; who it is stands in the body, which the endpoint reads."""
        address = request.client.host if request.client else None
        wait = request.app.state.rates.take((request.url.path, address), ASKED_PER_MINUTE)
        if wait:
            raise too_many(
                "too_many_token_requests",
                "Too many tokens were asked for from this address; wait as long as Retry-After"
                " says, and use a token until it ends.",
                wait,
            )


router = APIRouter(prefix="/lis/token", route_class=TokenRoute, tags=["laboratory systems"])


@router.post(
    "",
    summary="Get a token as a machine",
    response_model=TokenAnswer,
    responses=_RESPONSES,
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def issue_machine_token(request: Request, session: Session, now: Now) -> Response:
    """Give a machine client a token of five minutes for an assertion, which counts once."""
    issuer: MachineIssuer | None = request.app.state.machine_issuer
    if issuer is None:
        raise not_found("token endpoint")
    try:
        form = await _form(request)
        try:
            assertion = issuer.read_assertion(form["client_assertion"], now)
            client = await prove(session, assertion, now)
        except BadToken:
            raise Refusal(
                "invalid_client", "The assertion proves no client that may come in here."
            ) from None
        wanted = _wanted(form.get("scope"), client.scopes)
    except Refusal as refusal:
        return _refused(refusal)
    answer = TokenAnswer(
        access_token=issuer.token(client.id, wanted, now),
        expires_in=int(TOKEN_LIFETIME.total_seconds()),
        scope=" ".join(wanted),
    )
    return JSONResponse(answer.model_dump(), headers={"Pragma": "no-cache"})


def _refused(refusal: Refusal) -> Response:
    if refusal.body["error"] != "invalid_client":
        return JSONResponse(refusal.body, 400)
    return JSONResponse(refusal.body, 401, headers={"WWW-Authenticate": 'Bearer realm="msc-icaht"'})


async def _form(request: Request) -> dict[str, str]:
    """Read the form, each field once; raise UnsupportedBody and Refusal."""
    if media_type(request) != FORM:
        raise UnsupportedBody(f"Send the body as {FORM}.")
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise Refusal("invalid_request", "The body is not a form.") from None
    form = dict(fields)
    if len(form) < len(fields):
        raise Refusal("invalid_request", "Send each field once.")
    if "grant_type" not in form:
        raise Refusal("invalid_request", "Send the form of a request for a token.")
    if form["grant_type"] != "client_credentials":
        raise Refusal("unsupported_grant_type", "The grant_type here is client_credentials.")
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise Refusal("invalid_request", "Send a client_assertion, and its type.")
    return form


def _wanted(asked: str | None, granted: list[str]) -> list[str]:
    """Return the scopes of the token, never more than the client has."""
    wanted = sorted(set((asked or "").split())) or granted
    if not set(wanted) <= set(granted):
        raise Refusal("invalid_scope", "The client is not registered for one of these scopes.")
    return wanted
