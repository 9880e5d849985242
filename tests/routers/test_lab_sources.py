"""JSON of a registered laboratory system stands under its code, as its messages do."""

import pytest

from app.domain.vocabulary import Role
from app.services.lab_intake import LabIntake
from tests.factories.labs import hemoglobin, neutrophils
from tests.factories.senders import SENDERS, change, create_sender
from tests.factories.subjects import register

SYSTEM = Role.LABORATORY_SYSTEM


@pytest.fixture(params=["short", "plain"])
def way(request, monkeypatch):
    """Each way that a result can take; only the plain one is left where the other is shut."""
    if request.param == "plain":

        async def refuse(self, sending):
            return None

        monkeypatch.setattr(LabIntake, "take", refuse)
    return request.param


async def test_a_result_of_a_registered_system_has_its_code_as_source(api, way):
    """Left out or given, the source is the sender's; another one is refused."""
    await create_sender(api, code="LIS-07")
    subject_id, client = await register(api), api(SYSTEM)
    left_out = await client.post("/labs", json=neutrophils(subject_id))
    assert (left_out.status_code, left_out.json()["source"]) == (201, "LIS-07")
    given = await client.post("/labs", json=hemoglobin(subject_id, source="LIS-07"))
    assert (given.status_code, given.json()["source"]) == (201, "LIS-07")
    other = await client.post("/labs", json=hemoglobin(subject_id, source="ward"))
    assert (other.status_code, other.json()["code"]) == (422, "source_not_yours")
    assert other.json()["errors"][0]["pointer"] == "/body/source"


async def test_a_closed_system_sends_nothing(api, way):
    """From the next request on, although its token is still good."""
    sender = await create_sender(api)
    subject_id, client = await register(api), api(SYSTEM)
    assert (await client.post("/labs", json=neutrophils(subject_id))).status_code == 201
    manager = api(Role.DATA_MANAGER)
    closed = await change(manager, f"{SENDERS}/{sender['id']}", sender["version"], active=False)
    assert closed.status_code == 200, closed.text
    refused = await client.post("/labs", json=hemoglobin(subject_id))
    assert (refused.status_code, refused.json()["code"]) == (403, "sender_closed")
    assert len((await api().get("/labs")).json()["items"]) == 1


async def test_a_system_reports_only_what_it_is_registered_for(api, way):
    """In a batch the others are stored."""
    await create_sender(api, analytes=["HGB"])
    subject_id, client = await register(api), api(SYSTEM)
    batch = {"results": [neutrophils(subject_id), hemoglobin(subject_id)]}
    answer = await client.post("/labs", json=batch)
    codes = [(item["outcome"], item["code"]) for item in answer.json()["results"]]
    assert codes == [("refused", "analyte_not_allowed"), ("created", None)]


async def test_people_say_where_a_result_comes_from(api, way):
    """Left out it is manual."""
    await create_sender(api)
    subject_id, client = await register(api), api(Role.STUDY_COORDINATOR)
    manual = await client.post("/labs", json=neutrophils(subject_id))
    assert manual.json()["source"] == "manual"
    ward = await client.post("/labs", json=hemoglobin(subject_id, source="ward"))
    assert ward.json()["source"] == "ward"
