"""The route every endpoint uses: one request is one transaction, committed before the answer.

Order: the token, the media type and the body's literal reading, the endpoint, the answer kept
under its Idempotency-Key, the commit. Whatever fails, nothing is stored and nobody sees a 2xx.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from app.core.database import Database
from app.core.security import unauthenticated
from app.domain.errors import DomainError
from app.routers import problems
from app.routers.scopes import check_operation
from app.routers.sealed_answers import await_receipt, name_receipt
from app.routers.strict_json import MalformedBody, StrictRequest, UnsupportedBody, check_text
from app.services.audit import opened_operation
from app.services.idempotency import Answer, keep
from app.services.ingest_counts import count_ingest, count_replay

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# These have their own exception handlers; everything else is translated here, because the
# framework would answer it and then raise it again, which cuts the client's connection.
_HANDLED = (DomainError, RequestValidationError, HTTPException, MalformedBody, UnsupportedBody)
_KEPT_HEADERS = ("content-type", "etag", "location", "receipt")


class Replay(Exception):  # noqa: N818 - not an error: the request was answered before
    """Carries the answer already given to this Idempotency-Key."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class TrialRoute(APIRoute):
    """A route whose request is authenticated, read literally, and one transaction."""

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler in the order of this module."""
        handler = super().get_route_handler()
        known = query_names(self.dependant)
        reads_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            try:
                if len(strict.headers.getlist("authorization")) > 1:
                    return problems.two_credentials(strict)
                await self.authenticate(strict)
                check_operation(getattr(strict.state, "identity", None), self.name)
                self.check_query(strict, known)
                if reads_body:
                    await strict.check_body()
                answered = await self.answer_shortly(strict)
                if answered is None:
                    answered = await self.run(strict, handler)
                return conditional(strict, answered)
            except _HANDLED:
                raise
            except ClientDisconnect:
                return problems.disconnected(strict)
            except Exception as error:  # noqa: BLE001 - the last resort, see _HANDLED
                return await problems.unexpected(strict, error)

        return handle

    def check_query(self, request: StrictRequest, known: set[str]) -> None:
        """Refuse what this route's operation does not understand in the query."""
        check_parameters(request, known)

    async def answer_shortly(self, request: StrictRequest) -> Response | None:
        """Answer without the endpoint, for a route that knows a short way; None takes the long."""
        return None

    async def run(self, request: StrictRequest, handler: Handler) -> Response:
        """Run the endpoint in its transaction; what a refusal leaves to record gets its own."""
        request.state.after_refusal = None
        try:
            return await _answer(request, handler, self.opened(request.app.state.database))
        except DomainError:
            record = request.state.after_refusal
            if record is not None:
                async with request.app.state.database.session() as session:
                    await record(session)
                    await session.commit()
            raise

    def opened(self, database: Database) -> AbstractAsyncContextManager[Any]:
        """Open the session that the endpoint works in."""
        return database.session()

    async def authenticate(self, request: StrictRequest) -> None:
        """Verify the bearer token and remember who it speaks for."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated()
        state = request.app.state
        request.state.identity = await state.verifier.identify(token.strip(), state.clock())


async def _answer(
    request: StrictRequest, handler: Handler, opened: AbstractAsyncContextManager[Any]
) -> Response:
    """Run the endpoint and commit, unless it failed or was answered before."""
    started = perf_counter()
    async with opened as session:
        request.state.session = session
        request.state.request_key = None
        try:
            response = await handler(request)
        except Replay as replay:
            # A rehearsal stores nothing, so its answer is no message either.
            if request.query_params.get("dry_run", "false") == "false":
                count_replay(request.scope["route"].name, started)
            answer = replay.answer
            return Response(
                answer.body, answer.status, answer.headers | {"Idempotent-Replay": "true"}
            )
        operation = opened_operation(session)
        name_receipt(request, response, operation)
        if request.state.request_key is not None:
            headers = {k: v for k, v in response.headers.items() if k in _KEPT_HEADERS}
            # A secret that is shown once is not kept: whoever gave it says what is kept instead.
            body = getattr(request.state, "kept_body", response.body)
            answer = Answer(response.status_code, headers, bytes(body))
            await keep(session, request.state.request_key, answer)
        await session.commit()
        count_ingest(session)
    await await_receipt(request, response, operation)
    return response


def query_names(dependant: Dependant) -> set[str]:
    """Name the query parameters of an endpoint and of all that it depends on."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*(query_names(each) for each in dependant.dependencies))


def check_parameters(request: StrictRequest, known: set[str]) -> None:
    """Refuse unknown and repeated query parameters and text that cannot be stored."""
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        check_text(name + value)
        if name not in known:
            raise _misfit(name, "unknown_parameter", "This operation has no such parameter.")
        if name in seen:
            raise _misfit(name, "repeated_parameter", "Give this parameter once.")
        seen.add(name)
    for value in request.path_params.values():
        check_text(str(value))


def _misfit(name: str, code: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "type": code, "msg": message}])


def conditional(request: StrictRequest, response: Response) -> Response:
    """Give every read a strong ETag, and answer 304 to a client that holds the same bytes.

    A record's version tag is for If-Match only: what is derived beside the record (a status, a
    deviation) changes without it, so such a read is always answered in full.
    """
    if request.method != "GET" or response.status_code != 200 or "etag" in response.headers:
        return response
    if isinstance(response, StreamingResponse):
        return response
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    response.headers["etag"] = tag
    # This comparison is a weak one: whoever compresses an answer on the way weakens its tag.
    sent = request.headers.get("if-none-match", "").split(",")
    held = [item.strip().removeprefix("W/") for item in sent]
    if tag in held or "*" in held:
        return Response(status_code=304, headers={"etag": tag})
    return response
