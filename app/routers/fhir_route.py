"""The route of the FHIR façade: its media types, its preferences, its entity tags."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from app.interop.fhir.primitives import Resource, study_key
from app.interop.fhir.refusals import Issue
from app.routers.auditor_reads import note_read
from app.routers.dependencies import Caller, Now, Session
from app.routers.fhir_answers import FACADE, MEDIA_TYPE, FhirJSON, Refused
from app.routers.lis_dependencies import SenderRoute
from app.routers.strict_json import StrictRequest, UnsupportedBody, check_text, media_type
from app.services.access import Actor, Wish, authorize
from app.services.role_matrix import Area, Right
from app.services.studies import only_study_of

READ_TYPES = frozenset({MEDIA_TYPE, "application/json", "text/json"})
_ACCEPTED = ("json", "*/*", "application/*")
_XML = "This service speaks FHIR as JSON only, not as XML; use application/fhir+json."


class FhirRoute(SenderRoute):
    """A route of the façade: what it does not know in a query is the search's to judge."""

    def check_query(self, request: StrictRequest, known: set[str]) -> None:
        """Refuse text that cannot be stored, and a wish for another format than JSON."""
        for name, value in request.query_params.multi_items():
            check_text(name + value)
        for value in request.path_params.values():
            check_text(str(value))
        accepted = request.query_params.get("_format") or request.headers.get("accept", "*/*")
        if not any(word in accepted for word in _ACCEPTED):
            raise Refused(406, [Issue("not-supported", _XML)])


def read_media_type(request: Request) -> None:
    """Refuse a body that is not FHIR as JSON."""
    kind = media_type(request)
    if kind not in READ_TYPES:
        raise UnsupportedBody(_XML if "xml" in kind else "Send the body as application/fhir+json.")


def preferred(request: Request) -> frozenset[str]:
    """Return what the client prefers, such as `handling=strict` and `return=minimal`."""
    words = ",".join(request.headers.getlist("prefer")).replace(";", ",").split(",")
    return frozenset(word.strip().lower().replace('"', "") for word in words)


def base_address(request: Request) -> str:
    """Return the address of the façade as the client knows it."""
    return str(request.base_url).rstrip("/") + FACADE


def reader(area: Area) -> Callable[..., Coroutine[Any, Any, Actor]]:
    """Return the dependency that lets a person with the right to read an area through.

    The study is the parameter `study`, as key or reference, else the person's only one.
    """

    async def permitted(request: Request, session: Session, caller: Caller, now: Now) -> Actor:
        identity = (caller.issuer, caller.subject)
        named = request.query_params.get("study")
        key = study_key(named) if named else await only_study_of(session, identity, now)
        wish = Wish(area, Right.READ, request.scope["request_id"])
        actor = await authorize(session, identity, key, wish, now)
        note_read(request, actor)
        return actor

    return permitted


ResultReader = Annotated[Actor, Depends(reader(Area.LABORATORY))]
SubjectReader = Annotated[Actor, Depends(reader(Area.SCREENING))]
EventReader = Annotated[Actor, Depends(reader(Area.ADVERSE_EVENT))]


def answer(request: Request, resource: Resource, status: int = 200, **headers: str) -> Response:
    """Return a resource with its version as a weak ETag; 304 to who holds that version."""
    version = resource.get("meta", {}).get("versionId")
    if version is None:
        return FhirJSON(resource, status, headers)
    tag = weak_tag(version)
    held = request.headers.get("if-none-match", "")
    if request.method == "GET" and version in {opaque(each) for each in held.split(",")}:
        return Response(status_code=304, headers={"ETag": tag})
    return FhirJSON(resource, status, {"ETag": tag, **headers})


def weak_tag(version: object) -> str:
    """Return a version as FHIR's weak ETag."""
    return f'W/"{version}"'


def opaque(tag: str) -> str:
    """Return what an ETag names, whether it is weak, strong or bare."""
    return tag.strip().removeprefix("W/").strip('"')
