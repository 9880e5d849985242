"""Reading and searching what the trial holds, as FHIR R4 resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.interop.fhir import searching
from app.interop.fhir.bundles import searchset
from app.interop.fhir.capability import capability_statement
from app.interop.fhir.primitives import Resource, patient, study_key
from app.interop.fhir.searching import Query, read_query
from app.interop.fhir.selections import (
    chosen_standings,
    chosen_studies,
    event_search,
    result_search,
)
from app.interop.fhir.served_events import adverse_event
from app.interop.fhir.served_results import observation
from app.interop.fhir.served_studies import research_study
from app.interop.fhir.served_subjects import patient_resource, research_subject
from app.interop.fhir.terms import subject_number_system
from app.routers.dependencies import Caller, Now, Session
from app.routers.fhir_answers import FhirJSON, refusing
from app.routers.fhir_documentation import answers, reading, searching_of
from app.routers.fhir_route import (
    EventReader,
    FhirRoute,
    ResultReader,
    SubjectReader,
    answer,
    base_address,
    preferred,
)
from app.services import fhir_events, fhir_results, fhir_studies, fhir_subjects
from app.services.access import Actor
from app.services.fhir_results import ResultOfSubject
from app.services.fhir_search import Found

public = APIRouter(prefix="/fhir", default_response_class=Response, tags=["FHIR"])
router = APIRouter(
    prefix="/fhir", route_class=FhirRoute, default_response_class=Response, tags=["FHIR"]
)


@public.get(
    "/metadata",
    summary="Describe the FHIR façade",
    responses={200: answers("CapabilityStatement", "What the façade offers")},
)
async def read_capabilities(request: Request) -> Response:
    """Return the CapabilityStatement; the one address of the façade that needs no credentials."""
    return FhirJSON(capability_statement(base_address(request), request.app.version))


@router.get(
    "/Observation",
    summary="Search results as FHIR",
    **searching_of(searching.OBSERVATION_PARAMETERS),
)
async def search_observations(request: Request, session: Session, actor: ResultReader) -> Response:
    """Search laboratory results: the version of each that counts."""
    with refusing():
        query = _query(request, actor, searching.OBSERVATION_PARAMETERS)
        wanted = result_search(query)
    found = await fhir_results.search_results(session, actor, wanted, query.page)
    resources = [_observation(each, actor) for each in found.items]
    return _page(request, query, found, resources)


@router.get(
    "/Observation/{resource_id}",
    summary="Read a result as FHIR",
    **reading("Observation"),
)
async def read_observation(
    request: Request, session: Session, actor: ResultReader, resource_id: str
) -> Response:
    """Read the version of a result that counts."""
    found = await fhir_results.read_result(session, actor, resource_id)
    return answer(request, _observation(found, actor))


@router.get(
    "/Patient",
    summary="Search subjects as FHIR",
    **searching_of(searching.PATIENT_PARAMETERS),
)
async def search_patients(
    request: Request, session: Session, actor: SubjectReader, now: Now
) -> Response:
    """Search subjects, who are known by number only."""
    known = await fhir_subjects.list_standings(session, actor, now)
    with refusing():
        query = _query(request, actor, searching.PATIENT_PARAMETERS)
        found = chosen_standings(query, known, actor.study_key)
    resources = [patient_resource(each, actor.study_key) for each in found.items]
    return _page(request, query, found, resources)


@router.get(
    "/Patient/{resource_id}",
    summary="Read a subject as FHIR",
    **reading("Patient"),
)
async def read_patient(
    request: Request, session: Session, actor: SubjectReader, now: Now, resource_id: str
) -> Response:
    """Read a subject."""
    found = await fhir_subjects.read_standing(session, actor, now, resource_id)
    return answer(request, patient_resource(found, actor.study_key))


@router.get(
    "/ResearchSubject",
    summary="Search the part subjects take as FHIR",
    **searching_of(searching.SUBJECT_PARAMETERS),
)
async def search_research_subjects(
    request: Request, session: Session, actor: SubjectReader, now: Now
) -> Response:
    """Search what part subjects take in the study."""
    known = await fhir_subjects.list_standings(session, actor, now)
    with refusing():
        query = _query(request, actor, searching.SUBJECT_PARAMETERS)
        found = chosen_standings(query, known, actor.study_key)
    resources = [research_subject(each, actor.study_key) for each in found.items]
    return _page(request, query, found, resources)


@router.get(
    "/ResearchSubject/{resource_id}",
    summary="Read the part a subject takes as FHIR",
    **reading("ResearchSubject"),
)
async def read_research_subject(
    request: Request, session: Session, actor: SubjectReader, now: Now, resource_id: str
) -> Response:
    """Read what part a subject takes in the study."""
    found = await fhir_subjects.read_standing(session, actor, now, resource_id)
    return answer(request, research_subject(found, actor.study_key))


@router.get(
    "/AdverseEvent",
    summary="Search adverse events as FHIR",
    **searching_of(searching.EVENT_PARAMETERS),
)
async def search_adverse_events(request: Request, session: Session, actor: EventReader) -> Response:
    """Search adverse events; retracted ones are not shown."""
    with refusing():
        query = _query(request, actor, searching.EVENT_PARAMETERS)
        wanted = event_search(query)
    found = await fhir_events.search_events(session, actor, wanted, query.page)
    resources = [adverse_event(each, actor.study_key) for each in found.items]
    return _page(request, query, found, resources)


@router.get(
    "/AdverseEvent/{resource_id}",
    summary="Read an adverse event as FHIR",
    **reading("AdverseEvent"),
)
async def read_adverse_event_resource(
    request: Request, session: Session, actor: EventReader, resource_id: str
) -> Response:
    """Read an adverse event."""
    found = await fhir_events.read_event(session, actor, resource_id)
    return answer(request, adverse_event(found, actor.study_key))


@router.get(
    "/ResearchStudy",
    summary="Search studies as FHIR",
    **searching_of(searching.STUDY_PARAMETERS),
)
async def search_research_studies(
    request: Request, session: Session, caller: Caller, now: Now
) -> Response:
    """Search the studies in which the caller has a role."""
    identity, request_id = (caller.issuer, caller.subject), request.scope["request_id"]
    known = await fhir_studies.list_studies(session, identity, request_id, now)
    with refusing():
        query = _read(request, searching.STUDY_PARAMETERS, UTC)
        found = chosen_studies(query, known)
    return _page(request, query, found, [research_study(each) for each in found.items])


@router.get(
    "/ResearchStudy/{resource_id}",
    summary="Read a study as FHIR",
    **reading("ResearchStudy"),
)
async def read_research_study(
    request: Request, session: Session, caller: Caller, now: Now, resource_id: str
) -> Response:
    """Read a study."""
    identity, request_id = (caller.issuer, caller.subject), request.scope["request_id"]
    key = study_key(resource_id)
    found = await fhir_studies.read_study(session, identity, key, request_id, now)
    return answer(request, research_study(found))


def _observation(result: ResultOfSubject, actor: Actor) -> Resource:
    zone = ZoneInfo(actor.time_zone)
    subject = patient(actor.study_key, result.row.subject_id, result.subject_number)
    return observation(result.row, zone, subject)


def _query(request: Request, actor: Actor, known: frozenset[str]) -> Query:
    query = _read(request, known, ZoneInfo(actor.time_zone))
    numbers = subject_number_system(actor.study_key)
    return replace(query, base=base_address(request), numbers=numbers)


def _read(request: Request, known: frozenset[str], zone: tzinfo) -> Query:
    strict = "handling=strict" in preferred(request)
    return read_query(request.query_params.multi_items(), known, strict, zone)


def _page(request: Request, query: Query, found: Found, resources: Sequence[Resource]) -> Response:
    """Answer a page of a search."""
    base = base_address(request)
    address = f"{base}/{request.url.path.rpartition('/')[2]}"
    return FhirJSON(searchset(address, base, query, found, resources))
