"""Deviations that people report, and what they note: shown with all others, never hidden."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.casebooks import bring_to
from tests.factories.dosing import change_infusion, give_infusion
from tests.factories.people import set_up_site, working_at
from tests.factories.subjects import created, enrolled, register

FIRST = datetime(2026, 5, 4, 2, tzinfo=UTC)
ABSENT = "01930000-0000-7000-8000-000000000000"
REPORT = {
    "category": "consent",
    "day": "2026-05-20",
    "severity": "minor",
    "description": "Initialled a day late.",
}
REASON = {"reason": "Source document reviewed."}


async def read(api, **query):
    """List deviations but for eligibility: these subjects took their places without screening."""
    answer = await api(Role.MONITOR).get("/deviations", params=query)
    assert answer.status_code == 200, answer.text
    return [each for each in answer.json()["items"] if each["code"] != "eligibility_violation"]


async def report(api, **changes):
    """Report a deviation."""
    return created(await api(Role.STUDY_COORDINATOR).post("/deviations", json=REPORT | changes))


async def note(api, role=Role.SUB_INVESTIGATOR, **body):
    """Write a note; return the answer."""
    return await api(role).post("/deviations/notes", json={"text": "Looked into."} | body)


async def departed(api) -> str:
    """Give an infusion after another dose of dexamethasone; return the subject."""
    subject = await enrolled(api)
    await give_infusion(api, subject, FIRST, premedication_dose_mg=4)
    return subject


def one(items, key):
    """Find the item of a key."""
    return next(each for each in items if each["key"] == key)


KEY = "premedication_dose:1"


async def test_a_derived_deviation_is_open_until_it_is_assessed(api):
    """A note alone explains; an investigator's assessment closes, and all of it is shown."""
    subject = await departed(api)
    found = one(await read(api), KEY)
    assert (found["status"], found["origin"], found["notes"]) == ("open", "derived", [])
    why = {"root_cause": "Tablets of 4 mg.", "preventive_action": "Ordered ampoules."}
    told = created(await note(api, Role.STUDY_COORDINATOR, subject_id=subject, key=KEY, **why))
    assert (told["root_cause"], told["corrective_action"]) == ("Tablets of 4 mg.", None)
    assert one(await read(api), KEY)["status"] == "open"
    created(await note(api, subject_id=subject, key=KEY, assessment="not_important"))
    found = one(await read(api, status="assessed"), KEY)
    assert (found["status"], found["assessment"]) == ("assessed", "not_important")
    assert [each["role"] for each in found["notes"]] == ["study_coordinator", "sub_investigator"]
    assert found["notes"][1]["written_by"]
    assert found["notes"][0]["seen"]["sentence"] == found["sentence"]
    assert KEY not in [each["key"] for each in await read(api, status="open")]


async def test_an_assessment_is_an_investigators(api):
    """A coordinator explains and does not judge; nothing is stored."""
    subject = await departed(api)
    body = {"subject_id": subject, "key": KEY, "assessment": "important"}
    answer = await note(api, Role.STUDY_COORDINATOR, **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "investigator_needed")
    assert one(await read(api), KEY)["notes"] == []


async def test_what_reads_differently_is_to_be_looked_at_again(api):
    """A corrected dose that departs still stands as changed, and a second assessment closes it."""
    subject = await departed(api)
    target = {"subject_id": subject, "key": KEY, "assessment": "important"}
    created(await note(api, **target))
    await change_infusion(api, subject, 1, premedication_dose_mg=3)
    found = one(await read(api), KEY)
    assert (found["status"], found["assessment"]) == ("changed", "important")
    created(await note(api, **target))
    assert one(await read(api), KEY)["status"] == "assessed"


async def test_a_noted_deviation_whose_cause_is_gone_stays_in_sight(api):
    """It reads as it did when the last note was written, and takes further notes."""
    subject = await departed(api)
    created(await note(api, subject_id=subject, key=KEY, assessment="important"))
    before = one(await read(api), KEY)
    await change_infusion(api, subject, 1, premedication_dose_mg=5)
    gone = one(await read(api, subject=subject), KEY)
    assert (gone["status"], gone["assessment"]) == ("cause_gone", "important")
    for name in ("code", "severity", "day", "sentence", "rule", "subject_number"):
        assert gone[name] == before[name]
    created(await note(api, subject_id=subject, key=KEY, text="It was 5 mg after all."))
    assert len(one(await read(api), KEY)["notes"]) == 2
    await change_infusion(api, subject, 1, premedication_dose_mg=4)
    assert one(await read(api), KEY)["status"] == "assessed"


async def test_a_reported_deviation_stands_beside_the_derived_ones(api):
    """It has an id, a category for a code, its own notes, and it changes with a reason."""
    subject = await register(api)
    made = await report(api, subject_id=subject)
    (shown,) = await read(api, subject=subject)
    assert (shown["origin"], shown["deviation_id"]) == ("reported", made["id"])
    assert (shown["code"], shown["severity"], shown["day"]) == ("consent", "minor", "2026-05-20")
    assert (shown["sentence"], shown["status"]) == (REPORT["description"], "open")
    assert shown["key"] == f"reported:{made['id']}"
    created(await note(api, deviation_id=made["id"], assessment="not_important"))
    assert (await read(api))[0]["status"] == "assessed"
    client, path = api(Role.STUDY_COORDINATOR), f"/deviations/{made['id']}"
    one_read = await client.get(path)
    assert (one_read.json(), one_read.headers["etag"]) == (made, '"v1"')
    body = REASON | {"severity": "major", "day": "2026-05-19"}
    changed = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert (changed.json()["severity"], changed.headers["etag"]) == ("major", '"v2"')
    (shown,) = await read(api)
    assert (shown["status"], shown["severity"], shown["day"]) == ("changed", "major", "2026-05-19")
    assert shown["notes"][0]["seen"] == {"version": 1}


async def test_a_retracted_report_stays_in_sight(api):
    """Whoever reported by mistake says so; the deviation is shown as retracted."""
    made = await report(api)
    path, tag = f"/deviations/{made['id']}", {"If-Match": '"v1"'}
    body = REASON | {"retracted": True}
    answer = await api(Role.STUDY_COORDINATOR).patch(path, json=body, headers=tag)
    assert answer.status_code == 200, answer.text
    (shown,) = await read(api)
    assert (shown["status"], shown["deviation_id"]) == ("retracted", made["id"])


async def test_a_deviation_of_no_subject_is_the_studys(api):
    """It comes after those of subjects, and is left out where one subject's are asked for."""
    subject = await departed(api)
    await report(api)
    found = await read(api)
    assert [each["subject_id"] for each in found][-1] is None
    assert found[-1]["subject_number"] is None
    assert None not in [each["subject_id"] for each in await read(api, subject=subject)]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"day": "2026-06-02"}, 422, "future_day"),
        ({"day": "2026-06-01"}, 201, None),
        ({"subject_id": ABSENT}, 404, "not_found"),
        ({"category": "mood"}, 422, "validation_failed"),
        ({"severity": None}, 422, "validation_failed"),
        ({"description": " "}, 422, "validation_failed"),
    ],
)
async def test_a_report_has_to_make_sense(api, changes, status, code):
    """Not of a day to come in the study's zone, not of a foreign subject, not without words."""
    answer = await api(Role.STUDY_COORDINATOR).post("/deviations", json=REPORT | changes)
    assert answer.status_code == status, answer.text
    assert answer.json().get("code") == code


async def test_a_change_to_a_day_to_come_is_refused(api):
    """The day of a report is held against today when it changes, too."""
    made = await report(api)
    answer = await api().patch(
        f"/deviations/{made['id']}",
        json=REASON | {"day": "2026-06-02"},
        headers={"If-Match": '"v1"'},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "future_day")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"key": KEY}, 422),
        ({"subject_id": ABSENT}, 422),
        ({"subject_id": ABSENT, "key": KEY, "deviation_id": ABSENT}, 422),
        ({"key": KEY, "deviation_id": ABSENT}, 422),
        ({"subject_id": ABSENT, "key": KEY}, 404),
        ({"deviation_id": ABSENT}, 404),
    ],
)
async def test_a_note_is_on_one_deviation_that_is_there(api, body, status):
    """By subject and key together, or by the id of a reported one."""
    assert (await note(api, **body)).status_code == status


async def test_a_note_on_what_was_never_derived_is_refused(api):
    """A key that nothing shows names no deviation."""
    subject = await departed(api)
    answer = await note(api, subject_id=subject, key="premedication_dose:9")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_deviations_and_notes_as_they_were(api, session, clock):
    """Asked for the moment before, neither the report nor the note is there."""
    subject = await departed(api)
    before = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    created(await note(api, subject_id=subject, key=KEY, assessment="important"))
    made = await report(api)
    clock.now = before + timedelta(days=1)
    past = {"as_of": before.isoformat()}
    then = await read(api, **past)
    assert one(then, KEY)["status"] == "open"
    assert "reported" not in [each["origin"] for each in then]
    assert one(await read(api), KEY)["status"] == "assessed"
    assert (await api().get(f"/deviations/{made['id']}", params=past)).status_code == 404


async def test_another_sites_deviations_are_out_of_sight(api):
    """Who is bound to a site sees its subjects' and the study's, and notes on no others."""
    subject = await departed(api)
    created(await note(api, subject_id=subject, key=KEY))
    mine, shared = await report(api, subject_id=subject), await report(api)
    await set_up_site(api, "02")
    other = await working_at(api, "02", Role.SUB_INVESTIGATOR, "olga")
    items = (await other.get("/deviations")).json()["items"]
    assert [each["deviation_id"] for each in items] == [shared["id"]]
    assert (await other.get(f"/deviations/{mine['id']}")).status_code == 404
    answer = await other.post("/deviations", json=REPORT | {"subject_id": subject})
    assert answer.status_code == 404
    for target in ({"subject_id": subject, "key": KEY}, {"deviation_id": mine["id"]}):
        answer = await other.post("/deviations/notes", json={"text": "Mine."} | target)
        assert answer.status_code == 404
    assert len(one(await read(api), KEY)["notes"]) == 1


async def test_free_text_of_both_is_redacted_by_two_persons(api):
    """Who is named in a report or a note is taken out, and the deviation stays."""
    made = await report(api)
    told = created(await note(api, deviation_id=made["id"], root_cause="Mrs A was late."))
    targets = [
        ("reported_deviation", made["id"], "description"),
        ("deviation_note", told["id"], "root_cause"),
        ("deviation_note", told["id"], "text"),
    ]
    for record_type, record_id, field in targets:
        body = {"record_type": record_type, "record_id": record_id, "field": field}
        asked = created(await api().post("/redactions", json=body | {"reason": "It names her."}))
        done = await api(Role.DATA_MANAGER).post(
            f"/redactions/{asked['id']}/execution", json={"reason": "Checked."}
        )
        assert done.is_success, done.text
    (shown,) = await read(api)
    assert (shown["sentence"], shown["status"]) == ("[redacted]", "open")
    (noted,) = shown["notes"]
    assert (noted["text"], noted["root_cause"]) == ("[redacted]", "[redacted]")


async def test_a_locked_casebook_takes_reports_and_notes(api):
    """What went wrong is found long after the lock, too; the casebook stays as it was signed."""
    subject = await departed(api)
    await bring_to(api, subject, "locked")
    made = await report(api, subject_id=subject)
    created(await note(api, subject_id=subject, key=KEY, assessment="important"))
    created(await note(api, deviation_id=made["id"]))
    found = await read(api, subject=subject)
    assert {each["status"] for each in found if each["notes"]} == {"assessed", "open"}


async def test_a_reported_deviation_is_on_the_timeline(api):
    """On its day, by category and severity and without its words; retracted it did not happen."""
    subject = await register(api)
    made = await report(api, subject_id=subject)
    client, path = api(Role.STUDY_COORDINATOR), f"/subjects/{subject}/timeline"
    only = {"kind": "deviation"}
    (item,) = (await client.get(path, params=only)).json()["items"]
    assert (item["day"], item["title"]) == ("2026-05-20", "Deviation reported: consent, minor")
    assert (item["record_type"], item["record_id"]) == ("reported_deviation", made["id"])
    body, tag = REASON | {"retracted": True}, {"If-Match": '"v1"'}
    changed = await client.patch(f"/deviations/{made['id']}", json=body, headers=tag)
    assert changed.status_code == 200
    assert (await client.get(path, params=only)).json()["items"] == []
