"""Two roles at two sites: what one of them may, it may at its own site, in any order of grants."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.labs import neutrophils
from tests.factories.messages import INBOX, WHY, laboratory, of, send, waiting
from tests.factories.people import grant, holding, newcomer, set_up_site, speaking_for
from tests.factories.senders import BASE
from tests.factories.signing import shown, sign
from tests.factories.subjects import SUBJECT, created, register
from tests.interop.hl7v2.samples import PLT, obx
from tests.routers.test_adverse_events import EVENT
from tests.routers.test_assessments import assessment

PI, SUB, CRC = Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR
DM, CRA, CELL = Role.DATA_MANAGER, Role.MONITOR, Role.CELL_LABORATORY
OPINION = {"category": "PR", "week": 4, "note": "Transfusion independent."}


@pytest.fixture(params=[1, -1], ids=["granted in order", "granted in reverse"])
def hold(api, request):
    """Let somebody in with some roles, given in this order or in the reverse."""

    async def hold(*held):
        return await holding(api, "tess", *held[:: request.param])

    return hold


@pytest.fixture
async def subjects(api):
    """A subject of each of two sites."""
    await set_up_site(api, "02")
    return await register(api, site="01"), await register(api, site="02")


async def acted(api, command):
    """List in which roles the second person of these tests gave a command."""
    only = {"command": command, "limit": 200}
    answer = await api(Role.AUDITOR).get("/audit/operations", params=only)
    return [each["role"] for each in answer.json()["items"] if each["actor_name"] == "tess"]


async def status(client, path, **body):
    """Post a body, or read where there is none; return the status."""
    return (await (client.post(path, json=body) if body else client.get(path))).status_code


@pytest.mark.parametrize("other", [(CRA, "02"), (Role.SPONSOR, None)], ids=["monitor", "sponsor"])
async def test_results_are_written_where_the_writing_role_is(hold, subjects, other):
    """A subject that only a reading role sees is as unknown in a mixed batch as by itself."""
    client = await hold((CRC, "01"), other)
    results = [neutrophils(each) for each in subjects]
    outcome = (await client.post("/labs", json={"results": results})).json()
    codes = [each["code"] for each in outcome["results"]]
    assert (outcome["created"], codes) == (1, [None, "unknown_subject"])
    own = await client.post("/labs", json={"results": [neutrophils(subjects[0], accession="A-2")]})
    assert own.json()["created"] == 1


async def test_documents_are_read_where_the_reading_role_is(api, hold, subjects):
    """An investigator of one site and cell laboratory of all reads the documents of the one."""
    client = await hold((SUB, "01"), (CELL, None))
    events = [
        created(await api(CRC).post("/adverse-events", json=EVENT | {"subject_id": each}))["id"]
        for each in subjects
    ]
    for kind in ("eligibility", "casebook", "response"):
        paths = [f"/signatures/documents/{kind}/{each}" for each in subjects]
        assert [await status(client, path) for path in paths] == [200, 404], kind
    absent = "01930000-0000-7000-8000-000000000001"
    answers = [
        await client.get(f"/signatures/documents/adverse_event/{each}")
        for each in (events[1], absent)
    ]
    assert len({answer.json()["detail"] for answer in answers}) == 1
    paths = [f"/signatures/documents/adverse_event/{each}" for each in events]
    assert [await status(client, path) for path in paths] == [200, 404]
    theirs = [await sign(api(), "eligibility", each) for each in subjects]
    listed = (await client.get("/signatures")).json()["items"]
    assert [each["id"] for each in listed] == [theirs[0]["id"]]
    paths = [f"/signatures/{each['id']}" for each in theirs]
    assert [await status(client, path) for path in paths] == [200, 404]
    document = await shown(api(), "adverse_event", events[1])
    body = {"record_type": "adverse_event", "record_id": events[1], "meaning": "reviewed"}
    assert await status(client, "/signatures", digest=document["digest"], **body) == 404
    assert (await sign(client, "adverse_event", events[0]))["role"] == SUB


async def test_a_signature_is_of_the_role_held_at_the_site(api, hold, subjects):
    """The investigator of one site signs there; at the other the same person keeps the data."""
    client = await hold((PI, "01"), (DM, "02"))
    assert (await sign(client, "eligibility", subjects[0]))["role"] == PI
    document = await shown(client, "eligibility", subjects[1])
    body = {"record_type": "eligibility", "record_id": subjects[1], "meaning": "approved"}
    assert await status(client, "/signatures", digest=document["digest"], **body) == 403
    steps = [{"subject_id": each, "action": "freeze", "reason": "Done."} for each in subjects]
    assert [await status(client, "/locks", **each) for each in steps] == [403, 200]
    assert await acted(api, "lock_casebook") == [DM]
    casebook = await shown(client, "casebook", subjects[1])
    body |= {"record_type": "casebook", "digest": casebook["digest"]}
    assert created(await client.post("/signatures", json=body))["role"] == DM
    assert (await client.get(f"/subjects/{subjects[1]}/casebook")).json()["state"] == "frozen"


async def test_an_opinion_is_signed_where_one_is_investigator(api, hold, subjects):
    """At the other site it is a coordinator's proposal, and named as that."""
    client = await hold((SUB, "01"), (CRC, "02"))
    made = [
        created(await client.post("/assessments", json=body))
        for body in (assessment(each, "response_opinion", OPINION) for each in subjects)
    ]
    assert [each.get("signature", {}).get("role") for each in made] == [SUB, None]
    assert await acted(api, "create_assessment") == [SUB, CRC]


async def test_patients_are_known_where_the_knowing_role_is(api, hold, subjects):
    """A coordinator of one site does not see who the patients of another are as data manager."""
    client = await hold((CRC, "01"), (DM, None))
    for site in ("01", "02"):
        code = {"code": f"LIS-{site}", "subject": f"lis-{site}"}
        lab = await laboratory(api, site=site, **code)
        await send(lab, of("MRN-7", obx(PLT, "98")))
    here, there = await waiting(api)
    known = ["MRN-7" in (await client.get(f"{INBOX}/{each['id']}")).text for each in (here, there)]
    assert known == [True, False]
    answers = [
        await client.post(
            f"{INBOX}/{item['id']}/resolution",
            json={"action": "assign", "subject_id": subject, "remember": True, "reason": WHY},
            headers={"If-Match": '"v1"'},
        )
        for item, subject in zip((here, there), subjects, strict=True)
    ]
    assert [answer.status_code for answer in answers] == [200, 403]


async def test_the_trail_is_read_where_a_role_reads_it_all(hold, subjects):
    """A cell laboratory reads its own acts; at the investigator's site everything is read."""
    client = await hold((SUB, "01"), (CELL, None))
    changes = (await client.get("/audit/changes", params={"limit": 200})).json()["items"]
    shown_ids = {item["record_id"] for item in changes if item["record_type"] == "subject"}
    assert shown_ids == {subjects[0]}


async def test_the_trail_names_the_role_held_at_the_site(api, hold, subjects):
    """Also where the act is one that both roles may do."""
    client = await hold((PI, "01"), (CRC, "02"))
    for site in ("01", "02"):
        created(await client.post("/subjects", json=SUBJECT | {"site": site}))
    assert await acted(api, "create_subject") == [PI, CRC]
    for each in subjects:
        body = {"weight_kg": 61, "reason": "Weighed again."}
        answer = await client.patch(f"/subjects/{each}", json=body, headers={"If-Match": '"v1"'})
        assert answer.status_code == 200, answer.text
    assert await acted(api, "change_subject") == [PI, CRC]


async def test_an_answer_is_not_repeated_about_a_site_one_has_lost(api, subjects):
    """The same request answers as at a site where one never was; at one's own it is repeated."""
    given = [await grant(api, CRC, person=newcomer("rose"), site="01")]
    person_id = given[0]["person"]["id"]
    given.append(await grant(api, CRC, person_id=person_id, site="02"))
    client = speaking_for(api, "rose")

    async def post(place):
        return [
            await client.post(path, json=body, headers={"Idempotency-Key": f"{path}{place}"})
            for path, body in (
                ("/subjects", SUBJECT | {"site": f"0{place + 1}"}),
                ("/labs", {"results": [neutrophils(subjects[place])]}),
                ("/adverse-events", EVENT | {"subject_id": subjects[place]}),
            )
        ]

    first = [await post(place) for place in range(2)]
    assert {answer.status_code for answers in first for answer in answers} <= {200, 201}
    path = f"/grants/{given[1]['id']}/revocation"
    created(await api(Role.ADMINISTRATOR).post(path, json={"reason": "Left."}))
    assert [each.content for each in await post(0)] == [each.content for each in first[0]]
    assert [each.status_code for each in await post(1)] == [404] * 3


async def test_an_administrator_of_a_site_sets_up_no_study(api, subjects):
    """Neither a site nor a study; that is for administrators of the whole study."""
    client = await holding(api, "adam", (Role.ADMINISTRATOR, "02"))
    body = {"definition": {}, "effective_from": "2026-01-01"}
    answers = [
        await client.post(f"{BASE}/studies", json=body),
        await client.post("/sites", json={"code": "03", "name": "Third"}),
    ]
    said = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert said == [(403, "whole_study_needed")] * 2
