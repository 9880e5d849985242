"""Ordinary FHIR clients against the service as it runs: fhirclient 4 and fhirpy 2, unchanged."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from fhirclient import client as fhirclient
from fhirclient.models.adverseevent import AdverseEvent
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.models.researchstudy import ResearchStudy
from fhirclient.models.researchsubject import ResearchSubject
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import ForbiddenError, MultipleResourcesFound, OperationOutcome

from app.domain.vocabulary import Role
from app.services.fixture_subjects import fixture_subject
from tests.factories.senders import create_sender
from tests.factories.subjects import register
from tests.interop.fhir.samples import bundle, concept, entry, neutrophils, patient, platelets

VALUE = {"valueQuantity": {"value": 1.5, "unit": "10*9/L", "system": "http://unitsofmeasure.org",
                           "code": "10*9/L"}, "referenceRange": None}  # fmt: skip


@pytest.fixture
async def address(app):
    """The address of the façade, served over HTTP for one test."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await until_started(server)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/fhir"
        server.should_exit = True
        await running


@pytest.fixture
async def subject(api):
    """The subject S-001, and a sender that the fixture laboratory system speaks for."""
    subject_id = await register(api)
    await create_sender(api)
    return subject_id


@pytest.fixture
def fhirpy_as(address, issuer, clock):
    """Return fhirpy clients by role."""

    def client(role: Role) -> SyncFHIRClient:
        token = issuer.token(fixture_subject(role), clock(), timedelta(days=1))
        return SyncFHIRClient(address, authorization=f"Bearer {token}")

    return client


@pytest.fixture
def server_as(address, issuer, clock):
    """Return servers of fhirclient by role."""

    def server(role: Role):
        token = issuer.token(fixture_subject(role), clock(), timedelta(days=1))
        found = fhirclient.FHIRClient(settings={"app_id": "tests", "api_base": address}).server
        found.session.headers["Authorization"] = f"Bearer {token}"
        return found

    return server


async def until_started(server: uvicorn.Server) -> None:
    """Wait for the server to listen."""
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)


def as_resource(client: SyncFHIRClient, content: dict[str, Any]):
    """Return a resource of fhirpy."""
    kind = content["resourceType"]
    return client.resource(kind, **{k: v for k, v in content.items() if k != "resourceType"})


async def in_thread(work):
    """Run what a synchronous client does beside the server."""
    return await asyncio.to_thread(work)


async def test_fhirpy_creates_searches_and_reads(fhirpy_as, subject):
    """Create, conditional create, count, first page, all pages, get and read by id."""

    def work():
        lab, reader = fhirpy_as(Role.LABORATORY_SYSTEM), fhirpy_as(Role.PRINCIPAL_INVESTIGATOR)
        made = as_resource(lab, neutrophils(**VALUE)).create()
        again = as_resource(lab, neutrophils(**VALUE)).create(identifier="urn:lab|R-1")
        other = lab.resources("Observation").search(identifier="urn:lab|R-2")
        kept, is_new = other.get_or_create(as_resource(lab, platelets(**VALUE)))
        assert again["id"] == made["id"]
        assert is_new
        found = reader.resources("Observation").search(code="http://loinc.org|751-8")
        assert found.count() == 1
        assert found.get()["id"] == made["id"]
        assert found.first()["valueQuantity"]["value"] == 1.5
        every = list(reader.resources("Observation").limit(1))
        assert [each["id"] for each in every] == [made["id"], kept["id"]]
        read = reader.reference("Observation", made["id"]).to_resource()
        assert read["subject"]["reference"] == f"Patient/{subject}"
        assert read["subject"].to_resource()["gender"] == "female"
        assert reader.resources("ResearchStudy").get()["status"] == "active"
        assert reader.resources("ResearchSubject").search(status="screening").count() == 1
        assert reader.resources("AdverseEvent").fetch() == []

    await in_thread(work)


async def test_fhirpy_sends_bundles_and_messages(fhirpy_as, subject):
    """A batch to the base address, and a message to the operation."""

    def work():
        lab = fhirpy_as(Role.LABORATORY_SYSTEM)
        sent = bundle(entry(patient()), entry(neutrophils(id="a", **VALUE), "PUT"))
        for path in ("", "/"):
            first, second = lab.execute(path, data=sent)["entry"]
            assert first["response"]["status"].startswith("422")
            assert second["response"]["location"].startswith("Observation/")
        put = as_resource(lab, neutrophils(id="a", **VALUE)).save()
        assert put["resourceType"] == "Observation"

    await in_thread(work)


async def test_fhirpy_understands_the_refusals(fhirpy_as, subject):
    """Each status becomes the exception that fhirpy has for it."""

    def work():
        lab, sponsor = fhirpy_as(Role.LABORATORY_SYSTEM), fhirpy_as(Role.SPONSOR)
        with pytest.raises(ForbiddenError):
            sponsor.resources("Observation").fetch()
        with pytest.raises(OperationOutcome):
            as_resource(lab, neutrophils(**VALUE)).create(code="751-8")
        for accession in ("A-1", "A-2"):
            specimen = {"identifier": {"value": accession}}
            as_resource(lab, neutrophils(specimen=specimen, **VALUE)).create()
        with pytest.raises(MultipleResourcesFound):
            as_resource(lab, neutrophils(**VALUE)).create(identifier="urn:lab|R-1")
        waiting = as_resource(lab, platelets(code=concept("?", "urn:lab"), **VALUE)).create()
        assert "inbox" in waiting["issue"][0]["diagnostics"]

    await in_thread(work)


async def test_fhirclient_reads_what_is_served(server_as, subject):
    """The strict models of fhirclient accept the statement and every kind of resource."""

    def work():
        reader = server_as(Role.PRINCIPAL_INVESTIGATOR)
        assert reader.capabilityStatement.fhirVersion == "4.0.1"
        (study,) = ResearchStudy.where({}).perform_resources_iter(reader)
        (part,) = ResearchSubject.where({"status": "screening"}).perform_resources_iter(reader)
        assert part.study.reference == f"ResearchStudy/{study.id}"
        assert list(AdverseEvent.where({}).perform_resources_iter(reader)) == []

    await in_thread(work)


async def test_fhirclient_creates_and_searches(server_as, subject):
    """A model is sent with create, found by search, and read by its id; a bundle is posted."""

    def work():
        lab, reader = server_as(Role.LABORATORY_SYSTEM), server_as(Role.PRINCIPAL_INVESTIGATOR)
        content = {name: each for name, each in (neutrophils() | VALUE).items() if each}
        made = Observation(content).create(lab)
        assert made["status"] == "final"
        search = Observation.where({"code": "751-8", "_count": "1"})
        (found,) = search.perform_resources_iter(reader)
        assert (found.id, found.valueQuantity.value) == (made["id"], 1.5)
        assert found.subject.reference == f"Patient/{subject}"
        read = Patient.read(subject, reader)
        assert read.birthDate.as_json() == "1980"
        batch = Bundle(bundle(entry(content | {"id": "a"}, "PUT")))
        answer = lab.post_json("", batch.as_json()).json()
        assert answer["entry"][0]["response"]["status"] == "200 OK"

    await in_thread(work)
