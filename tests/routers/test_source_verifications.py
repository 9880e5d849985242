"""Source verification over HTTP: who verifies what, what a change makes of it, how much stands."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app.core.ids import new_id
from app.domain.source_verification import SOURCE_ITEMS
from app.domain.vocabulary import Role
from tests.factories.labs import neutrophils, refusal
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import at, move_to, owners_session
from tests.factories.subjects import FIRST_INFUSION, created, register

PATH = "/source-verifications"


async def verify(api, record_type, record_id, role=Role.MONITOR, **changes):
    """Verify a record in its first version."""
    body = {"record_type": record_type, "record_id": record_id, "record_version": 1}
    return await api(role).post(PATH, json=body | changes)


async def read(api, **wanted):
    """List verifications."""
    answer = await api(Role.MONITOR).get(PATH, params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def coverage(api, **wanted):
    """Read the coverage; return the counts of each type of record, and of all."""
    answer = await api(Role.AUDITOR).get(f"{PATH}/coverage", params=wanted)
    assert answer.status_code == 200, answer.text
    by_type = {item["record_type"]: item for item in answer.json()["items"]}
    return by_type, answer.json()["total"]


@pytest.fixture
async def transfusion(api, clock):
    """A transfusion of the first subject."""
    move_to(clock, FIRST_INFUSION)
    body = {"product": "platelets", "given_at": at(FIRST_INFUSION).isoformat()}
    subject = await register(api)
    answer = await api(Role.STUDY_COORDINATOR).post(
        "/transfusions", json=body | {"subject_id": subject}
    )
    return created(answer)


async def correct(api, record, **values):
    """Change a transfusion."""
    answer = await api(Role.STUDY_COORDINATOR).patch(
        f"/transfusions/{record['id']}",
        json={"reason": "Corrected."} | values,
        headers={"If-Match": f'"v{record["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_change_makes_stale_what_it_touched(api, transfusion):
    """All was verified; the units change, and only they have to be looked at again."""
    made = created(await verify(api, "transfusion", transfusion["id"]))
    assert made["fields"] == ["product", "given_at", "units", "note"]
    assert (made["stale"], made["stale_fields"], made["record_version"]) == (False, [], 1)
    assert made["subject_id"] == transfusion["subject_id"]
    assert made["verified_by_name"]
    changed = await correct(api, transfusion, units=2)
    (shown,) = await read(api)
    assert shown == made | {"stale": True, "stale_fields": ["units"]}
    again = {"record_version": changed["version"], "fields": ["units"]}
    created(await verify(api, "transfusion", transfusion["id"], **again))
    assert [each["stale"] for each in await read(api)] == [True, False]
    by_type, _ = await coverage(api)
    assert by_type["transfusion"]["records_verified"] == 1


async def test_coverage_counts_items_of_records_that_count(api, transfusion):
    """Each subject's records by type; a retracted one is none any more."""
    by_type, total = await coverage(api)
    assert set(by_type) == {"subject", "transfusion"}
    items = {name: len(SOURCE_ITEMS[name]) for name in by_type}
    counts = {"records": 1, "records_verified": 0, "items_verified": 0, "items_stale": 0}
    for name, line in by_type.items():
        assert line["subject_number"] == "S-001"
        assert counts.items() <= line.items()
        assert line["items"] == items[name]
    assert (total["records"], total["items"]) == (2, sum(items.values()))
    created(await verify(api, "transfusion", transfusion["id"], fields=["product", "units"]))
    created(await verify(api, "subject", transfusion["subject_id"]))
    changed = await correct(api, transfusion, product="red_cells")
    by_type, total = await coverage(api, subject=transfusion["subject_id"])
    assert (by_type["transfusion"]["items_verified"], by_type["transfusion"]["items_stale"]) == (
        1, 1,
    )  # fmt: skip
    assert (by_type["subject"]["records_verified"], total["records_verified"]) == (1, 1)
    await correct(api, changed, retracted=True)
    by_type, total = await coverage(api)
    assert set(by_type) == {"subject"}
    assert total["records"] == total["records_verified"] == 1


async def test_only_what_stands_is_verified(api, transfusion):
    """A version that is gone, a retracted record and unknown things are refused."""
    changed = await correct(api, transfusion, units=2)
    stale = await verify(api, "transfusion", transfusion["id"])
    assert (stale.status_code, stale.json()["code"]) == (409, "record_changed")
    await correct(api, changed, retracted=True)
    gone = await verify(api, "transfusion", transfusion["id"], record_version=3)
    assert (gone.status_code, gone.json()["code"]) == (409, "record_retracted")
    own = transfusion["subject_id"]
    assert refusal(await verify(api, "cohort", own)) == (
        422, "not_verifiable", "/body/record_type",
    )  # fmt: skip
    unknown = await verify(api, "subject", own, fields=["number"])
    assert refusal(unknown) == (422, "unknown_item", "/body/fields")
    assert (await verify(api, "subject", str(new_id()))).status_code == 404
    assert (await verify(api, "transfusion", own)).status_code == 404
    for changes in ({"fields": []}, {"record_version": 0}, {"record_version": True}):
        assert (await verify(api, "subject", own, **changes)).status_code == 422
    assert await read(api) == []


async def test_a_corrected_result_has_to_be_verified_anew(api, clock):
    """The version that was verified counts no more: it is stale, and the new one not verified."""
    subject = await register(api)
    answer = await api().post("/labs", json=neutrophils(subject))
    assert answer.status_code == 201, answer.text
    lab = answer.json()
    created(await verify(api, "lab_result", lab["id"]))
    by_type, _ = await coverage(api)
    assert by_type["lab_result"]["records_verified"] == 1
    body = {"value": 1.3, "unit": "10*9/L", "reason": "Counted again."}
    corrected = created(await api().post(f"/labs/{lab['id']}/corrections", json=body))
    by_type, _ = await coverage(api)
    counted = by_type["lab_result"]
    assert (counted["records"], counted["records_verified"]) == (1, 0)
    (shown,) = await read(api, record_type="lab_result")
    assert shown["stale_fields"] == list(SOURCE_ITEMS["lab_result"])
    late = await verify(api, "lab_result", lab["id"])
    assert (late.status_code, late.json()["code"]) == (409, "result_superseded")
    assert corrected["id"] != lab["id"]
    created(await verify(api, "lab_result", corrected["id"]))
    by_type, _ = await coverage(api)
    assert by_type["lab_result"]["records_verified"] == 1


async def test_a_retracted_record_is_verified_no_more(api, transfusion, clock):
    """Nothing of it stands, and so it reads in the list until somebody takes that back."""
    made = created(await verify(api, "transfusion", transfusion["id"]))
    changed = await correct(api, transfusion, retracted=True)
    (shown,) = await read(api)
    assert (shown["stale"], shown["stale_fields"]) == (True, made["fields"])
    await correct(api, changed, retracted=False)
    assert [each["stale"] for each in await read(api)] == [False]
    clock.now = datetime.fromisoformat(changed["recorded_at"]) + timedelta(days=1)
    assert [each["stale"] for each in await read(api, as_of=made["recorded_at"])] == [False]


async def test_an_answer_given_anew_is_another_to_verify(api, clock):
    """I6 was answered with yes and verified; the no that came later stands unverified alone."""
    path = f"/subjects/{await register(api)}/eligibility"

    async def answered(criterion, met):
        body = {"met": met, "reason": "As the chart says."}
        return await api(Role.SUB_INVESTIGATOR).put(f"{path}/{criterion}", json=body)

    for criterion in ("I6", "I7"):
        assert (await answered(criterion, True)).is_success
    async with owners_session(api) as session:
        query = "SELECT criterion, id::text, recorded_at FROM attestation ORDER BY id"
        first, other = (await session.execute(text(query))).all()
    made = created(await verify(api, "attestation", first.id))
    created(await verify(api, "attestation", other.id))
    assert (await answered("I6", False)).is_success
    assert [each["stale"] for each in await read(api)] == [True, False]
    by_type, _ = await coverage(api)
    counted = by_type["attestation"]
    assert (counted["records"], counted["records_verified"], counted["items_stale"]) == (2, 1, 0)
    again = await verify(api, "attestation", first.id)
    assert (again.status_code, again.json()["code"]) == (409, "answer_superseded")
    clock.now = datetime.fromisoformat(made["recorded_at"]) + timedelta(days=1)
    past = {"as_of": made["recorded_at"]}
    assert [each["stale"] for each in await read(api, **past)] == [False]
    by_type, _ = await coverage(api, **past)
    assert by_type["attestation"]["records_verified"] == 1


async def test_the_past_knows_nothing_of_later_changes(api, clock, transfusion):
    """As of the moment before the change the verification was good and the coverage whole."""
    made = created(await verify(api, "transfusion", transfusion["id"]))
    await correct(api, transfusion, units=2)
    clock.now = datetime.fromisoformat(made["recorded_at"]) + timedelta(days=1)
    past = {"as_of": made["recorded_at"]}
    assert [each["stale"] for each in await read(api, **past)] == [False]
    assert [each["stale"] for each in await read(api)] == [True]
    by_type, _ = await coverage(api, **past)
    assert by_type["transfusion"]["records_verified"] == 1
    by_type, _ = await coverage(api)
    assert by_type["transfusion"]["records_verified"] == 0
    before = {"as_of": transfusion["recorded_at"]}
    assert await read(api, **before) == []


async def test_monitors_verify_and_the_others_do_not(api, transfusion):
    """Not the site that wrote the record, and not data management."""
    for role in Role:
        answer = await verify(api, "transfusion", transfusion["id"], role)
        assert answer.status_code == (201 if role is Role.MONITOR else 403), role
        listed = await api(role).get(PATH)
        assert listed.status_code == (200 if role in (Role.MONITOR, Role.AUDITOR) else 403), role


async def test_another_site_is_not_there(api, transfusion):
    """A monitor of one site neither sees nor verifies what is of another."""
    created(await verify(api, "transfusion", transfusion["id"]))
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.MONITOR, "mona")
    assert (await client.get(PATH)).json()["items"] == []
    counted = (await client.get(f"{PATH}/coverage")).json()
    assert (counted["items"], counted["total"]["records"]) == ([], 0)
    own = {"subject": transfusion["subject_id"]}
    assert (await client.get(f"{PATH}/coverage", params=own)).status_code == 404
    body = {"record_type": "transfusion", "record_id": transfusion["id"], "record_version": 1}
    assert (await client.post(PATH, json=body)).status_code == 404


async def test_filters_show_one_record(api, transfusion):
    """By subject, type and record; pages go on where the last one ended."""
    own = transfusion["subject_id"]
    for record_type, record_id in (("transfusion", transfusion["id"]), ("subject", own)):
        created(await verify(api, record_type, record_id))
    assert len(await read(api, subject=own)) == 2
    (shown,) = await read(api, record_id=own)
    assert shown["record_type"] == "subject"
    assert len(await read(api, record_type="transfusion")) == 1
    page = (await api(Role.MONITOR).get(PATH, params={"limit": 1})).json()
    rest = await read(api, cursor=page["next"])
    assert [each["record_type"] for each in (*page["items"], *rest)] == ["transfusion", "subject"]
