"""Studies and protocol versions over HTTP: amendments are proposed, checked, and signed."""

import json
from datetime import date

import pytest

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.protocols import read_definition
from tests.conftest import STUDY
from tests.factories.ladder import decide, treat

BASE = "http://test/api/v1"


def definition(**study: object) -> dict:
    """Return the shipped definition as a client sends it, with changes of its study section."""
    document = json.loads(to_json(read_definition(STUDY, 1)))
    document["study"] |= study
    return document


async def propose(api, document, role=Role.DATA_MANAGER):
    """Propose an amendment."""
    body = {"definition": document, "summary": "Window of 21 days."}
    return await api(role).post("/protocol-versions", json=body)


async def activate(api, number, day, role=Role.PRINCIPAL_INVESTIGATOR):
    """Sign a version into force."""
    body = {"effective_from": day, "reason": "Approved by the ethics committee."}
    return await api(role).post(f"/protocol-versions/{number}/activation", json=body)


async def test_the_definition_in_force_is_served_with_its_assumptions(api):
    """Every number and every reading that the record does not settle is there for anybody."""
    found = (await api(Role.SPONSOR).get("/protocol")).json()
    assert found["number"] == 1
    assert found["definition"]["dlt"]["window_days"] == 28
    assert {"id", "question", "reading", "source", "configuration"} == set(
        found["definition"]["assumptions"][0]
    )


async def test_an_amendment_takes_effect_on_its_day(api, clock):
    """Proposed by data management, signed by the investigator, in force from the day named."""
    document = definition()
    document["dlt"]["window_days"] = 21
    made = await propose(api, document)
    assert made.status_code == 201, made.text
    assert (made.json()["number"], made.json()["effective_from"]) == (2, None)
    assert (await activate(api, 2, "2026-07-01")).status_code == 201
    client = api()
    assert (await client.get("/protocol")).json()["number"] == 1
    clock.advance(days=31)
    found = (await client.get("/protocol")).json()
    assert (found["number"], found["definition"]["dlt"]["window_days"]) == (2, 21)
    versions = (await client.get("/protocol-versions")).json()["items"]
    assert [item["effective_from"] for item in versions] == ["2025-10-01", "2026-07-01"]
    assert (await client.get("/escalation")).json()["protocol_version"] == 2


async def test_a_version_is_signed_once_and_by_the_investigator(api):
    """Data management cannot sign, nobody signs twice, and an unknown version is 404."""
    await propose(api, definition())
    assert (await activate(api, 2, "2026-07-01", Role.DATA_MANAGER)).status_code == 403
    assert (await activate(api, 2, "2026-07-01")).status_code == 201
    again = await activate(api, 2, "2026-08-01")
    assert (again.status_code, again.json()["code"]) == (409, "already_active")
    assert (await activate(api, 9, "2026-07-01")).status_code == 404


@pytest.mark.parametrize(
    ("study", "code"),
    [({"key": "NCT00000001"}, "other_study"), ({"time_zone": "UTC"}, "other_time_zone")],
)
async def test_an_amendment_stays_with_its_study(api, study, code):
    """Neither the key nor the zone that days are counted in may change."""
    answer = await propose(api, definition(**study))
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_an_amendment_keeps_every_level_that_was_opened(api, clock):
    """A definition without an opened level is refused, at the proposal and at the signature."""
    document = definition()
    levels = document["dosing"]["levels"]
    document["dosing"]["levels"] = [level for level in levels if level["name"] == "A"]
    assert (await propose(api, document)).status_code == 201
    await treat(api, clock, date(2026, 6, 8), 3)
    await decide(api, "escalate")
    refused = await activate(api, 2, "2026-12-01")
    assert (refused.status_code, refused.json()["code"]) == (422, "level_in_use")
    assert (await propose(api, document)).json()["code"] == "level_in_use"


async def test_a_misspelt_number_is_refused_by_name(api):
    """The refusal points to the key that is not known."""
    document = definition()
    document["dlt"]["windw_days"] = 21
    answer = await propose(api, document)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/body/definition/dlt/windw_days"


async def test_only_an_administrator_sets_up_a_study(api):
    """The new study is listed for its creator only, and starts with level A open."""
    body = {"definition": definition(key="NCT00000002"), "effective_from": "2026-06-01"}
    assert (await api().post(f"{BASE}/studies", json=body)).status_code == 403
    client = api(Role.ADMINISTRATOR)
    made = await client.post(f"{BASE}/studies", json=body)
    assert made.status_code == 201, made.text
    again = await client.post(f"{BASE}/studies", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "study_exists")
    keys = [item["key"] for item in (await client.get(f"{BASE}/studies")).json()["items"]]
    assert keys == ["NCT00000002", STUDY]
    others = (await api().get(f"{BASE}/studies")).json()["items"]
    assert [item["key"] for item in others] == [STUDY]
    assert (await api().get(f"{BASE}/studies/NCT00000002/protocol")).status_code == 404
