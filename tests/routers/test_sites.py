"""Sites: who works at one sees and writes its records only; what is counted counts everybody."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import dose_limiting_event
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import move_to
from tests.factories.senders import create_sender
from tests.factories.subjects import (
    FIRST_INFUSION,
    SUBJECT,
    created,
    eligible_subject,
    enrolled_subject,
    register,
)

CRC = Role.STUDY_COORDINATOR


def csv_of(subject):
    """A file with one result of a subject."""
    row = f"{subject['number']},ANC,1.2,10*9/L,2026-05-20 08:00"
    return f"subject,analyte,value,unit,collected_at\n{row}\n"


@pytest.fixture
async def second(api):
    """The coordinator of a second hospital."""
    await set_up_site(api, "02")
    return await working_at(api, "02", CRC, "cora")


async def test_a_subject_belongs_to_the_site_of_who_registers_it(api, second):
    """One's only site needs no name; who works at several names one of them."""
    own = created(await second.post("/subjects", json=SUBJECT))
    sites = (await second.get("/sites")).json()["items"]
    assert [site["id"] for site in sites] == [own["site_id"]]
    unnamed = await api(CRC).post("/subjects", json=SUBJECT)
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "site_needed")
    named = created(await api(CRC).post("/subjects", json=SUBJECT | {"site": "01"}))
    assert named["site_id"] != own["site_id"]
    foreign = await second.post("/subjects", json=SUBJECT | {"site": "01"})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "unknown_site")


async def test_numbers_are_those_of_the_study(api, second):
    """Somebody who sees one subject does not give the number of another that is not seen."""
    first = await register(api, site="01")
    own = created(await second.post("/subjects", json=SUBJECT))
    third = created(await api(CRC).post("/subjects", json=SUBJECT | {"site": "01"}))
    assert [own["number"], third["number"]] == ["S-002", "S-003"]
    assert (await second.get(f"/subjects/{first}")).status_code == 404


async def test_two_grants_show_two_sites(api, second):
    """Somebody with a grant for each of two sites sees both."""
    one = await register(api, site="01")
    two = created(await second.post("/subjects", json=SUBJECT))["id"]
    both = await working_at(api, "01", CRC, "dora")
    assert [item["id"] for item in (await both.get("/subjects")).json()["items"]] == [one]
    people = (await api(Role.AUDITOR).get("/people", params={"limit": 200})).json()["items"]
    dora = next(item["id"] for item in people if item["subject"] == "dora")
    body = {"role": "monitor", "person_id": dora, "site": "02", "reason": "Helps out."}
    created(await api(Role.ADMINISTRATOR).post("/grants", json=body))
    assert {item["id"] for item in (await both.get("/subjects")).json()["items"]} == {one, two}
    named = SUBJECT | {"site": "02"}
    assert (await both.post("/subjects", json=named)).json()["code"] == "unknown_site"


async def test_places_are_counted_over_the_study(api, second):
    """A coordinator who sees nobody enrolled enrols into what is left, and not once more."""
    for _ in range(2):
        await enrolled_subject(api, site="01")
    own = [await eligible_subject(api, site="02") for _ in range(2)]
    assert len((await second.get("/subjects")).json()["items"]) == 2
    answer = await second.post(f"/subjects/{own[0]['id']}/enrolment", json={})
    assert created(answer)["slot"] == 3
    refused = await second.post(f"/subjects/{own[1]['id']}/enrolment", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "enrolment_refused")
    (cohort,) = (await second.get("/cohorts")).json()["items"]
    assert (cohort["enrolled"], cohort["free_slots"]) == (3, 0)
    assert [each["subject_id"] for each in cohort["subjects"]] == [own[0]["id"]]


async def test_conclusions_are_the_same_from_every_site(api, second):
    """Metrics, the ladder and the summary do not depend on who asks."""
    await enrolled_subject(api, site="01")
    created(await second.post("/subjects", json=SUBJECT))
    base = str(second.base_url).rstrip("/")
    for path in (base, "/metrics/enrolment", "/metrics/safety", "/metrics/efficacy"):
        whole = await api(CRC).get(path)
        assert whole.status_code == 200
        assert (await second.get(path)).json() == whole.json(), path


async def test_a_dose_is_judged_by_the_whole_ladder(api, second, clock):
    """An event at the other site holds the dosing of a subject here."""
    treated = [await enrolled_subject(api, site="01") for _ in range(2)]
    own = await enrolled_subject(api, site="02")
    await create_bags(api)
    move_to(clock, FIRST_INFUSION)
    for subject in treated:
        await infuse(api, subject, FIRST_INFUSION)
        await dose_limiting_event(api, subject, FIRST_INFUSION)
    shown = (await second.get("/cohorts")).json()["items"][0]
    assert shown["dosing_blocked"]
    assert [each["subject_id"] for each in shown["subjects"]] == [own["id"]]


async def test_lists_and_the_trail_show_the_own_site(api, second):
    """Neither records nor operations of the other site are listed; nor are its deviations."""
    foreign = await enrolled_subject(api, site="01")
    own = created(await second.post("/subjects", json=SUBJECT))
    for path in ("/labs", "/adverse-events", "/assessments", "/deviations"):
        items = (await second.get(path)).json()["items"]
        assert items == [], path
    changes = (await second.get("/audit/changes", params={"limit": 200})).json()["items"]
    subjects = {item["record_id"] for item in changes if item["record_type"] == "subject"}
    assert subjects == {own["id"]}
    assert foreign["id"] not in str(changes)
    operations = (await second.get("/audit/operations", params={"limit": 200})).json()["items"]
    commands = [item["command"] for item in operations]
    assert commands.count("create_subject") == 1
    assert "enrol_subject" not in commands
    assert {"create_study", "create_site"} <= set(commands)


async def test_the_past_has_the_same_wall(api, second, clock):
    """With as_of nothing of another site appears either."""
    foreign = await enrolled_subject(api, site="01")
    own = created(await second.post("/subjects", json=SUBJECT))
    moment = own["recorded_at"]
    clock.now = NOW + timedelta(days=365)
    then = await second.get("/subjects", params={"as_of": moment})
    assert [item["id"] for item in then.json()["items"]] == [own["id"]]
    for path in ("", "/infusions", "/timeline", "/eligibility", "/response"):
        answer = await second.get(f"/subjects/{foreign['id']}{path}", params={"as_of": moment})
        assert answer.status_code == 404, path


async def test_senders_and_uploads_are_of_sites(api, second):
    """Neither is another hospital's laboratory system seen, nor can results be sent for it."""
    sender = await create_sender(api, site="01")
    manager = await working_at(api, "02", Role.DATA_MANAGER, "dean")
    url = "http://test/api/v1/lis/senders"
    assert (await manager.get(url)).json()["items"] == []
    assert (await manager.get(f"{url}/{sender['id']}")).status_code == 404
    refused = await manager.post(url, json={"code": "LIS-09", "name": "Theirs", "site": "01"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_site")
    subject = (await api(CRC).get(f"/subjects/{await register(api, site='01')}")).json()
    row = csv_of(subject)
    answer = await second.post(
        "http://test/api/v1/lis/csv",
        content=row,
        params={"sender": sender["code"]},
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 404
    answer = await second.post(
        "http://test/api/v1/lis/csv", content=row, headers={"Content-Type": "text/csv"}
    )
    assert (answer.status_code, "unknown_subject" in answer.text) == (422, True)


async def test_an_upload_is_seen_at_the_site_of_who_sent_it(api, second):
    """The same file again gets the same report, at the site that sent it."""
    own = created(await second.post("/subjects", json=SUBJECT))
    row = (
        f"subject,analyte,value,unit,collected_at\n{own['number']},ANC,1.2,10*9/L,2026-05-20 08:00"
    )
    answers = [
        await second.post(
            "http://test/api/v1/lis/csv", content=row, headers={"Content-Type": "text/csv"}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert len((await second.get("/labs")).json()["items"]) == 1


async def test_every_table_of_subjects_is_walled(session):
    """A table that names a subject or a sender, and that the service reads, has the policy."""
    named = await session.scalars(
        text(
            "SELECT attrelid::regclass::text FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relkind = 'r' AND attname IN ('subject_id', 'sender_id')"
            " AND has_table_privilege('msc_icaht_api', pg_class.oid, 'SELECT')"
        )
    )
    walled = await session.scalars(
        text("SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'own_site'")
    )
    assert set(named) - set(walled) == set()
