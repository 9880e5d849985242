"""Data cuts over HTTP: a moment and a digest that give the same bytes whatever comes later."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.models import Base, Fact, Record
from app.protocols import read_definition
from app.services import data_cuts
from app.services.data_cut_content import CUT_MODELS
from tests.conftest import STUDY
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import dose_limiting_event
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, created, enrolled_subject, register

CUTS = "/data-cuts"
MAKERS = {Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER, Role.SAFETY_COMMITTEE}
READERS = MAKERS | {Role.AUDITOR}
# Of a subject, and yet no part of a cut.
LEFT_OUT = {
    "person": "who somebody is",
    "subject_identifier": "who somebody is",
    "vault_access": "who was shown who somebody is",
    "inbox_item": "what a laboratory sent, of no subject yet",
    "signature": "who signed it, beside a copy of what was shown",
    "casebook": "how far the records are closed, not what they say",
    "query": "what is asked about the records, which the committee does not read",
    "query_message": "what is answered to that",
    "source_verification": "what was held against the source, not what it says",
    "evidence_review": "what is concluded from a movement, which a cut derives for itself",
}


@pytest.fixture
async def subject(committing_api, clock):
    """A subject who was infused and had a dose-limiting event."""
    subject = await enrolled_subject(committing_api)
    await create_bags(committing_api)
    move_to(clock, FIRST_INFUSION)
    await infuse(committing_api, subject, FIRST_INFUSION)
    await dose_limiting_event(committing_api, subject, FIRST_INFUSION)
    return subject


async def present(database, clock):
    """Return the database's moment, to which the application's clock is set."""
    async with database.session() as session:
        clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    return clock.now


async def make(api, moment, role=Role.SAFETY_COMMITTEE):
    """Make a cut."""
    body = {"as_of": moment.isoformat(), "name": "Meeting 1", "purpose": "Level A."}
    return created(await api(role).post(CUTS, json=body))


async def test_a_cut_gives_the_same_bytes_after_everything_that_follows(
    committing_api, committing_database, clock, subject
):
    """Corrections, exits, a new protocol version and new subjects leave the cut as it was."""
    api = committing_api
    cut = await make(api, await present(committing_database, clock))
    first = await api().get(f"{CUTS}/{cut['id']}")
    assert hashlib.sha256(first.content).hexdigest() == cut["digest"]
    assert (len(first.content), first.headers["etag"]) == (cut["size"], f'"{cut["digest"]}"')
    await disturb(api, subject)
    clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    for role in (Role.SAFETY_COMMITTEE, Role.AUDITOR):
        again = await api(role).get(f"{CUTS}/{cut['id']}")
        assert again.status_code == 200, again.text
        assert again.content == first.content
    at = {"as_of": cut["as_of"]}
    assert (await api().get("/data-cut", params=at)).content == first.content
    later = await api().get("/data-cut", params={"as_of": datetime.now(UTC).isoformat()})
    assert later.content != first.content, "the control: what follows is seen by a later cut"


async def disturb(api, subject):
    """Change whatever a cut rests on."""
    await register(api)
    path = f"/subjects/{subject['id']}"
    version = (await api().get(path)).headers["etag"]
    body = {"weight_kg": 77, "reason": "Weighed again."}
    assert (await api().patch(path, json=body, headers={"If-Match": version})).is_success
    (event,) = (await api().get("/adverse-events")).json()["items"]
    body = {"grade": 4, "reason": "The report says so."}
    headers = {"If-Match": f'"v{event["version"]}"'}
    changed = await api().patch(f"/adverse-events/{event['id']}", json=body, headers=headers)
    assert changed.is_success, changed.text
    exit_ = {"event": "pregnancy", "event_date": str(FIRST_INFUSION), "reason": "Test."}
    assert (await api().post(f"{path}/disposition", json=exit_)).is_success
    document = json.loads(json.dumps(read_definition(STUDY, 1), default=str))
    proposal = {"definition": read_definition_with_title(document), "summary": "A new title."}
    made = await api(Role.DATA_MANAGER).post("/protocol-versions", json=proposal)
    assert made.is_success, made.text


def read_definition_with_title(document):
    """Change a definition so that it has another digest."""
    document["study"]["title"] = "Another title"
    return document


async def test_a_cut_holds_typed_records_and_conclusions(
    committing_api, committing_database, clock, subject
):
    """Decimals are digit for digit, rows are in the order of ids, and nobody is named."""
    moment = await present(committing_database, clock)
    found = json.loads(
        (await committing_api().get("/data-cut", params={"as_of": moment.isoformat()})).content
    )
    assert (found["format"], found["study"]) == (1, STUDY)
    assert set(found["records"]) == {model.__tablename__ for model in CUT_MODELS}
    (row,) = found["records"]["subject"]
    assert (row["id"], row["number"]) == (subject["id"], "S-001")
    for rows in found["records"].values():
        assert [each["id"] for each in rows] == sorted(each["id"] for each in rows)
    conclusions = found["conclusions"]
    assert set(conclusions) == {
        "ladder",
        "cohorts",
        "deviations",
        "metrics",
        "adverse_events",
        "subjects",
    }
    assert set(conclusions["metrics"]) == {"enrolment", "safety", "efficacy"}
    assert set(conclusions["subjects"][subject["id"]]) == {
        "number",
        "status",
        "eligibility",
        "response",
    }
    (event,) = conclusions["adverse_events"].values()
    assert event["dlt"]["state"] == "dlt"


def test_every_record_of_a_subject_is_in_the_cut_or_left_out_for_a_reason():
    """A table that comes later is decided on: clinical records belong into the cut."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    of_subjects = {
        model.__tablename__
        for model in models
        if issubclass(model, (Fact, Record)) and "subject_id" in model.__table__.c
    }
    cut = {model.__tablename__ for model in CUT_MODELS}
    assert of_subjects - cut == set(LEFT_OUT)
    assert not any("sealed" in model.__table__.c or model.__table__.schema for model in CUT_MODELS)


async def test_nothing_slips_into_a_cut_from_a_slow_transaction(
    committing_api, committing_database, clock, subject, monkeypatch
):
    """A row dated before the moment and committed after it: the cut waits for it."""
    moment, slow = await slow_change(committing_database, clock, subject)
    made = asyncio.create_task(make(committing_api, moment))
    await asyncio.sleep(0.2)
    assert not made.done()
    await slow.commit()
    await slow.close()
    cut = await made
    again = await committing_api().get(f"{CUTS}/{cut['id']}")
    assert again.status_code == 200
    assert json.loads(again.content)["records"]["subject"][0]["weight_kg"] == 88


async def test_the_naive_cut_is_changed_by_a_slow_transaction(
    committing_api, committing_database, clock, subject, monkeypatch
):
    """The control: without waiting the digest is of fewer rows than the moment has in the end."""

    async def at_once(database):
        async with database.session() as session:
            return await session.scalar(text("SELECT clock_timestamp()"))

    monkeypatch.setattr(data_cuts, "settled", at_once)
    moment, slow = await slow_change(committing_database, clock, subject)
    cut = await make(committing_api, moment)
    await slow.commit()
    await slow.close()
    again = await committing_api().get(f"{CUTS}/{cut['id']}")
    assert (again.status_code, again.json()["code"]) == (409, "data_cut_records_differ")


async def slow_change(database, clock, subject):
    """Change a subject without committing yet; return the moment after it, and the connection."""
    slow = await database.engine.connect()
    await slow.execute(
        text("SELECT set_config('app.operation_id', operation_id::text, false) FROM subject")
    )
    statement = "UPDATE subject SET weight_kg = 88 WHERE id = :id"
    await slow.execute(text(statement), {"id": subject["id"]})
    return await present(database, clock), slow


async def test_a_cut_that_cannot_settle_is_refused(
    committing_api, committing_database, clock, subject, monkeypatch
):
    """Whoever keeps writing is not waited for without end; nothing is stored."""
    monkeypatch.setattr(data_cuts, "SETTLE_SECONDS", 0.1)
    moment, slow = await slow_change(committing_database, clock, subject)
    body = {"as_of": moment.isoformat(), "name": "N", "purpose": "P"}
    refused = await committing_api().post(CUTS, json=body)
    assert refused.status_code == 409, refused.text
    assert refused.json()["code"] == "records_in_flight"
    await slow.rollback()
    await slow.close()
    assert (await committing_api().get(CUTS)).json()["items"] == []


async def test_cuts_made_at_once_do_not_wait_for_each_other(
    committing_api, committing_database, clock, subject
):
    """Both are made, and say the same."""
    moment = await present(committing_database, clock)
    made = await asyncio.gather(*(make(committing_api, moment) for _ in range(2)))
    assert len({cut["digest"] for cut in made}) == 1


@pytest.mark.parametrize("role", Role)
async def test_who_may_cut_and_who_may_read(api, role):
    """The committee, the investigator and the data manager cut; the sponsor sees no row."""
    moment = datetime.now(UTC).isoformat()
    body = {"as_of": moment, "name": "N", "purpose": "P"}
    made = await api(role).post(CUTS, json=body)
    assert made.status_code == (201 if role in MAKERS else 403), made.text
    assert (await api(role).get(CUTS)).status_code == (200 if role in READERS else 403)
    at = {"as_of": moment}
    read = await api(role).get("/data-cut", params=at)
    assert read.status_code == (200 if role in READERS else 403)


async def test_a_role_for_one_site_makes_and_reads_no_cut(api, clock):
    """It would see a part of the study, so the same cut would be other bytes for it."""
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.DATA_MANAGER, "dm-02")
    moment = datetime.now(UTC).isoformat()
    refused = await client.post(CUTS, json={"as_of": moment, "name": "N", "purpose": "P"})
    assert (refused.status_code, refused.json()["code"]) == (403, "whole_study_only")
    cut = created(await api().post(CUTS, json={"as_of": moment, "name": "N", "purpose": "P"}))
    read = await client.get(f"{CUTS}/{cut['id']}")
    assert (read.status_code, read.json()["code"]) == (403, "whole_study_only")
    assert (await client.get("/data-cut", params={"as_of": moment})).status_code == 403


async def test_a_moment_to_come_or_before_the_study_is_refused(api):
    """What is not final yet is no cut; before the first protocol there is nothing to conclude."""
    body = {"as_of": "2199-01-01T00:00:00Z", "name": "N", "purpose": "P"}
    refused = await api().post(CUTS, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "future_moment")
    early = await api().post(CUTS, json=body | {"as_of": "2020-01-01T00:00:00Z"})
    assert (early.status_code, early.json()["code"]) == (409, "no_protocol")
    assert (await api().get(f"{CUTS}/{'0' * 8}-0000-0000-0000-{'0' * 12}")).status_code == 404
