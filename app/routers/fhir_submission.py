"""Taking results in as FHIR R4: single resources, bundles and messages of laboratory systems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.core.ids import new_id
from app.interop.fhir.bundles import message_response, outcome_bundle
from app.interop.fhir.conditions import OBSERVATION, Terms, condition
from app.interop.fhir.deliveries import identified, identifiers, put_id
from app.interop.fhir.elements import kind, text
from app.interop.fhir.outcomes import operation_outcome
from app.interop.fhir.primitives import is_id
from app.interop.fhir.refusals import Issue, Refusal
from app.interop.fhir.searching import WITHOUT_EFFECT
from app.interop.fhir.served_results import observation
from app.interop.fhir.submissions import (
    BUNDLE,
    REPORT,
    Submission,
    SubmissionKind,
    read_submission,
    under,
)
from app.interop.fhir.taken import NOTHING, Door
from app.interop.fhir.taking import Answered, Preference, take
from app.routers import fhir_examples
from app.routers.dependencies import Now, Session
from app.routers.fhir_answers import FhirJSON, refusing
from app.routers.fhir_documentation import Responses, answers, header, query, taking
from app.routers.fhir_route import (
    FhirRoute,
    answer,
    base_address,
    opaque,
    preferred,
    read_media_type,
)
from app.routers.lis_dependencies import CallingSystem
from app.routers.scopes import check_entries
from app.services.senders import CallingSender

router = APIRouter(
    prefix="/fhir", route_class=FhirRoute, default_response_class=Response, tags=["FHIR"]
)
OwnId = Annotated[
    str,
    Path(description="An id of the sender's own.", examples=[fhir_examples.CLIENT_ID]),
]
# The sender that calls, and what has no effect; anything else in a query is a condition.
_NO_CONDITIONS = WITHOUT_EFFECT | {"sender"}
_STORED: Responses = {
    200: answers("Observation", "Here already, or waiting in the inbox", "OperationOutcome"),
    201: answers("Observation", "Filed, and shown as it is stored", "OperationOutcome"),
}
_OUTCOME: Responses = {200: answers("OperationOutcome", "What became of each result")}
_ANSWERED: Responses = {200: answers("Bundle", "What became of each entry, or of the message")}
_NO_RESULTS = Issue(
    "informational", "The report contains no Observation; send its results.", "", "information"
)


@router.post(
    "/Observation",
    summary="Send a result as FHIR",
    **taking(
        OBSERVATION,
        fhir_examples.OBSERVATION,
        _STORED,
        query("identifier", "The same condition as If-None-Exist.", "urn:oid:2.999.1|R-1"),
        header(
            "If-None-Exist",
            "Take it only if nothing was sent under this identifier.",
            "identifier=urn:oid:2.999.1|R-1",
        ),
    ),
)
async def create_observation(
    request: Request, session: Session, caller: CallingSystem, now: Now
) -> Response:
    """Take one Observation in; under a condition only if the sender has sent none such."""
    with refusing():
        submission = await _submission(request, caller, OBSERVATION)
        wanted = condition(_conditions(request))
        own = identifiers(submission.entries[0].resource)
        named = wanted or next(iter(own), None)
        door = _door(request, session, caller, now)
        control_id = identified(door.keyring, caller, named) if named else None
        submission = under(submission, Terms(condition=wanted))
        taken = await take(door, await request.body(), submission, control_id, _preference(request))
    return _single(request, caller, submission, taken)


@router.put(
    "/Observation/{resource_id}",
    summary="Send a result as FHIR under an id of the sender's own",
    **taking(
        OBSERVATION,
        fhir_examples.PUT_OBSERVATION,
        _STORED,
        header("If-Match", "Take it only if this version counts now.", 'W/"1"'),
    ),
)
async def put_observation(
    request: Request, session: Session, caller: CallingSystem, now: Now, resource_id: OwnId
) -> Response:
    """Take in what a sender says about an Observation under an id of its own."""
    with refusing():
        _check_unconditional(request)
        submission = await _submission(request, caller, OBSERVATION)
        if not is_id(resource_id):
            raise Refusal(Issue("value", "An id has up to 64 letters, digits, dashes and dots."))
        if text(submission.entries[0].resource, "id") != resource_id:
            raise Refusal(Issue("value", "The id in the body has to be the one in the address."))
        terms = Terms(
            client_id=resource_id,
            must_be_new=request.headers.get("if-none-match") == "*",
            version=_version(request),
        )
        submission, control_id = under(submission, terms), put_id(resource_id)
        door = _door(request, session, caller, now)
        taken = await take(door, await request.body(), submission, control_id, _preference(request))
    return _single(request, caller, submission, taken)


@router.post(
    "/DiagnosticReport",
    summary="Send a report as FHIR",
    **taking(REPORT, fhir_examples.REPORT, _OUTCOME),
)
async def create_diagnostic_report(
    request: Request, session: Session, caller: CallingSystem, now: Now
) -> Response:
    """Take in the results that a report contains; the report itself is not stored as such."""
    with refusing():
        _check_unconditional(request)
        submission = await _submission(request, caller, REPORT)
        door = _door(request, session, caller, now)
        taken = await take(door, await request.body(), submission, None, _preference(request))
    return FhirJSON(operation_outcome(taken.whole.issues or [_NO_RESULTS]))


@router.post(
    "",
    summary="Send a batch, a transaction or a message as FHIR",
    **taking(BUNDLE, fhir_examples.BUNDLES, _ANSWERED),
)
@router.post("/", include_in_schema=False)
async def process_bundle(
    request: Request, session: Session, caller: CallingSystem, now: Now
) -> Response:
    """Take in a batch, a transaction or a message."""
    with refusing():
        _check_unconditional(request)
        submission = await _submission(request, caller, BUNDLE)
        return await _bundle(request, _door(request, session, caller, now), submission)


@router.post(
    "/$process-message",
    summary="Send a message as FHIR",
    **taking(BUNDLE, fhir_examples.MESSAGE, _ANSWERED),
)
async def process_message(
    request: Request, session: Session, caller: CallingSystem, now: Now
) -> Response:
    """Take in a message: a Bundle whose first entry is a MessageHeader."""
    with refusing():
        _check_unconditional(request)
        submission = await _submission(request, caller, BUNDLE)
        if submission.kind is not SubmissionKind.MESSAGE:
            raise Refusal(Issue("value", "Send a Bundle of type message here.", "Bundle.type"))
        return await _bundle(request, _door(request, session, caller, now), submission)


async def _bundle(request: Request, door: Door, submission: Submission) -> Response:
    prefer = _preference(request)
    taken = await take(door, await request.body(), submission, None, prefer)
    if submission.kind is not SubmissionKind.MESSAGE:
        return FhirJSON(outcome_bundle(submission.kind.value, taken, prefer))
    ids = (new_id(), new_id(), new_id())
    outcome = operation_outcome(taken.whole.issues)
    return FhirJSON(
        message_response(submission.header, base_address(request), outcome, ids, door.now)
    )


async def _submission(request: Request, caller: CallingSender, wanted: str) -> Submission:
    """Read the body as a resource of the wanted type."""
    read_media_type(request)
    document = await request.json()
    if not isinstance(document, dict) or kind(document) != wanted:
        raise Refusal(Issue("structure", f"Send a resource of type {wanted} here."))
    if wanted == BUNDLE:
        check_entries(getattr(request.state, "identity", None), _resources(document))
    return read_submission(document, caller.actor.study_key)


def _resources(bundle: dict[str, Any]) -> list[Any]:
    """List the resources of a bundle, whatever else is in it; it is judged afterwards."""
    entries = bundle.get("entry")
    found = entries if isinstance(entries, list) else []
    return [entry.get("resource") for entry in found if isinstance(entry, dict)]


def _door(request: Request, session: Session, caller: CallingSender, now: Now) -> Door:
    return Door(session=session, caller=caller, keyring=request.app.state.keyring, now=now)


def _preference(request: Request) -> Preference:
    words = preferred(request)
    return Preference(strict="handling=strict" in words, lenient="handling=lenient" in words)


def _conditions(request: Request) -> list[str]:
    """Return what a create depends on, as a header or as its query."""
    parts = request.url.query.split("&")
    query = "&".join(each for each in parts if each.partition("=")[0] not in _NO_CONDITIONS)
    return [request.headers.get("if-none-exist", ""), query]


def _check_unconditional(request: Request) -> None:
    """Refuse a condition where none is judged: passing over it would store a result twice."""
    if any(_conditions(request)):
        sentence = "Only the create of an Observation can be conditional; leave the condition out."
        raise Refusal(Issue("invalid", sentence))


def _version(request: Request) -> str | None:
    """Return the version that has to count, `*` for any, None without a condition."""
    held = request.headers.get("if-match")
    return None if held is None else opaque(held)


def _single(
    request: Request, caller: CallingSender, submission: Submission, answered: Answered
) -> Response:
    """Answer one resource: as it is stored, or what became of its results.

    The subject is named in the sender's own words: whoever changes the answer and sends it back
    sends it of the same patient, and learns nothing about the patient by it.
    """
    taken = answered.of(0)
    status = HTTPStatus.CREATED if taken.is_created else HTTPStatus.OK
    words = preferred(request)
    version = taken.only_version
    if version is None or "return=operationoutcome" in words:
        return FhirJSON(operation_outcome(taken.issues), status)
    # What was here before the condition was judged may be about another patient, and an answer
    # that is kept to be replayed may not hold a patient's identifier.
    unnamed = answered.whole is NOTHING or "idempotency-key" in request.headers
    sent = {} if unnamed else submission.entries[0].resource
    stored = observation(version, ZoneInfo(caller.actor.time_zone), sent.get("subject"))
    location = f"{base_address(request)}/Observation/{stored['id']}"
    response = answer(request, stored, status, Location=location)
    if "return=minimal" in words:
        headers = {name: response.headers[name] for name in ("etag", "location")}
        return Response(status_code=status, headers=headers)
    return response
