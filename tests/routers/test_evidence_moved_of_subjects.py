"""Evidence moved over HTTP: enrolments and signatures whose records were corrected."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from app.domain.vocabulary import Role
from app.models import LabResult
from tests.factories import casebooks
from tests.factories.dosing import change_infusion, create_lot, prescribe
from tests.factories.events import adverse_event
from tests.factories.moved import field, kinds, moved, part, review
from tests.factories.responses import GOOD, LOW, count, day, transfuse, treated_subject
from tests.factories.rows import at, move_to
from tests.factories.signing import checked, sign
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrolled_subject,
    register,
)

SUB, CRC, DM = Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR, Role.DATA_MANAGER
CELLS, DMC = Role.CELL_LABORATORY, Role.SAFETY_COMMITTEE
TESTED = FIRST_INFUSION - timedelta(days=4)


async def lab_of(session, subject, analyte):
    """Find the id of a subject's first result of an analyte."""
    query = select(LabResult.id).where(
        LabResult.subject_id == UUID(subject["id"]), LabResult.analyte == analyte
    )
    return await session.scalar(query.order_by(LabResult.id).limit(1))


async def correct(api, lab_id, **body):
    """Correct a result."""
    body = {"reason": "Transcribed wrongly."} | body
    return created(await api(CRC).post(f"/labs/{lab_id}/corrections", json=body))


async def post(api, path, **body):
    """Record something as the coordinator."""
    return created(await api(CRC).post(path, json=body))


async def patch(api, path, version=1, **body):
    """Change a record in a version."""
    answer = await api(CRC).patch(
        path, json={"reason": "Read again."} | body, headers={"If-Match": f'"v{version}"'}
    )
    assert answer.status_code == 200, answer.text


async def test_a_corrected_result_moves_the_enrolment_that_rested_on_it(api, session):
    """Creatinine of twice its limit would have shut the subject out; who wrote it is named."""
    subject = await enrolled_subject(api)
    assert await moved(api) == []
    lab_id = await lab_of(session, subject, "CREA")
    second = await correct(api, lab_id, value=200, unit="umol/L")
    (found,) = await moved(api)
    assert (found["type"], found["id"]) == ("enrolment", subject["enrolment"]["id"])
    assert part(found, "verdict") == ("eligible", "not_eligible")
    (changed,) = [each for each in found["conclusion"] if each["name"].startswith("criterion")]
    assert [changed[side]["permits_entry"] for side in ("before", "after")] == [True, False]
    (record,) = found["moved"]
    assert (record["record_type"], record["record_id"]) == ("lab_result", str(lab_id))
    assert (record["version_before"], record["version_now"]) == (1, 2)
    assert field(found, "value") == (70, 200)
    assert record["writes"][0]["actor_name"] == "Study coordinator (development)"
    assert record["writes"][0]["recorded_at"] == second["recorded_at"].replace("Z", "+00:00")
    assert found["subject_number"] == subject["number"]
    assert await kinds(api, subject_id=subject["id"]) == ["enrolment"]
    assert await moved(api, DMC) == []
    assert (await review(api(), found)).status_code == 201
    await correct(api, second["id"], value=70, unit="umol/L")
    assert await moved(api) == []


async def test_a_result_of_another_day_or_stated_again_moves_nothing(api, session, clock):
    """What was collected after the enrolment is course; the same value once more is no news."""
    subject = await enrolled_subject(api)
    await correct(api, await lab_of(session, subject, "ALT"), value=30, unit="U/L")
    clock.advance(days=1)
    later = {"subject_id": subject["id"], "analyte": "ALT", "value": 900, "unit": "U/L"}
    await post(api, "/labs", **later, uln=40, collected_at=clock.now.isoformat())
    assert await moved(api) == []


async def test_a_result_that_came_late_moves_the_enrolment(api):
    """Collected before the enrolment in the window, recorded after: it was not known."""
    subject = await enrolled_subject(api)
    late = {"subject_id": subject["id"], "analyte": "ALT", "value": 900, "unit": "U/L", "uln": 40}
    lab = await post(api, "/labs", **late, collected_at=at(TESTED + timedelta(days=2)).isoformat())
    (found,) = await moved(api)
    assert part(found, "verdict") == ("eligible", "not_eligible")
    assert (found["moved"][0]["record_id"], found["moved"][0]["movement"]) == (
        lab["id"],
        "recorded",
    )


async def test_a_new_answer_and_a_corrected_history_move_the_enrolment(api):
    """The attestation given since and the subject's corrected record are named, each once."""
    subject = await enrolled_subject(api)
    answer = {"met": True, "reason": "Found in the chart."}
    path = f"/subjects/{subject['id']}/eligibility/E1"
    assert (await api().put(path, json=answer)).status_code == 200
    (found,) = await moved(api)
    assert [each["record_type"] for each in found["moved"]] == ["attestation"]
    assert found["moved"][0]["writes"][0]["reason"] == "Found in the chart."
    await patch(api, f"/subjects/{subject['id']}", has_copd=True)
    (found,) = await moved(api)
    assert "subject" in [each["record_type"] for each in found["moved"]]


async def test_another_plan_and_weight_move_no_enrolment(api, clock):
    """A first infusion that is planned anew, and a new weight, are the course of things."""
    subject = await enrolled_subject(api)
    changes = {"planned_first_infusion_date": "2026-06-05", "weight_kg": 61}
    await patch(api, f"/subjects/{subject['id']}", **changes)
    assert await moved(api) == []


async def test_a_place_that_the_ladder_would_not_give_moves_the_enrolment(api, clock):
    """A dose-limiting event of before, recorded late, would have held the level."""
    first = await treated_subject(api, clock)
    move_to(clock, FIRST_INFUSION + timedelta(days=40))
    second = await enrolled_subject(api, FIRST_INFUSION + timedelta(days=44))
    assert await moved(api) == []
    await adverse_event(api, first, FIRST_INFUSION, grade=5, outcome="fatal", seriousness=["death"])
    (found,) = await moved(api)
    assert found["id"] == second["enrolment"]["id"]
    assert part(found, "place")[0] == "open"
    assert found["moved"][0]["record_type"] == "adverse_event"


@pytest.fixture
async def responded(api, clock):
    """A subject with a complete response of day 28, signed on day 30."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(30))
    labs = await count(api, subject, {7: LOW, 21: GOOD, 28: GOOD})
    return subject, labs, await sign(api(SUB), "response", subject["id"])


async def test_a_corrected_count_moves_the_signed_response(api, responded):
    """The signature names the endpoint as signed, and as it reads with the corrected count."""
    subject, labs, signature = responded
    assert await moved(api) == []
    await correct(api, labs["PLT28"], value=40, unit="10*9/L")
    (found,) = await moved(api)
    assert (found["type"], found["id"]) == ("signature", signature["id"])
    assert (found["record_type"], found["record_id"]) == ("response", subject["id"])
    assert found["conclusion_changed"] is True
    assert field(found, "value") == (100, 40)
    assert (await checked(api(), signature["id"]))["void"] is True


async def test_later_counts_and_transfusions_move_no_signed_response(api, clock, responded):
    """What happens after the signing is for the next one."""
    subject, _, _ = responded
    move_to(clock, day(40))
    await count(api, subject, {39: LOW})
    await transfuse(api, subject, day(38))
    assert await moved(api) == []


async def test_a_transfusion_recorded_late_moves_the_signed_response_once(api, clock, responded):
    """Platelets given before the counts were taken; signed anew, the old signature is renewed."""
    subject, _, signature = responded
    move_to(clock, day(31))
    await transfuse(api, subject, day(20))
    (found,) = await moved(api)
    assert found["moved"][0]["record_type"] == "transfusion"
    assert found["moved"][0]["movement"] == "recorded"
    again = await sign(api(SUB), "response", subject["id"])
    (found,) = await moved(api)
    assert (found["id"], found["status"], found["renewed_by"]) == (
        signature["id"],
        "renewed",
        again["id"],
    )


async def test_a_signed_eligibility_moves_with_its_records(api, session):
    """A retracted assessment leaves a criterion open that was met."""
    subject = await eligible_subject(api)
    signature = await sign(api(SUB), "eligibility", subject["id"])
    assert await moved(api) == []
    found = (await api().get("/assessments", params={"subject_id": subject["id"]})).json()
    ecog = next(each for each in found["items"] if each["kind"] == "ecog")
    await patch(api, f"/assessments/{ecog['id']}", retracted=True)
    (item,) = await moved(api)
    assert (item["id"], part(item, "verdict")) == (signature["id"], ("eligible", "undetermined"))
    assert (item["moved"][0]["record_id"], item["moved"][0]["movement"]) == (
        ecog["id"],
        "retracted",
    )


async def test_signatures_on_records_move_as_they_become_void(api, clock):
    """An order by its own fields only; an infusion and a lot by any."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    order = await prescribe(api, subject["id"], planned_date=FIRST_INFUSION.isoformat())
    ordered = await sign(api(SUB), "dose_order", order["id"])
    infusion = await sign(api(SUB), "infusion", order["id"])
    await change_infusion(api, subject["id"], 1, note="Label checked.")
    lot = await create_lot(api)
    released = await sign(api(CELLS), "product_lot", lot["id"])
    changed = await api(CELLS).patch(
        f"/product-lots/{lot['id']}",
        json={"released": False, "reason": "A test was read wrongly."},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200, changed.text
    items = {item["id"]: item for item in await moved(api)}
    assert items.keys() == {infusion["id"], released["id"]}
    assert part(items[infusion["id"]], "record_version") == (1, 2)
    assert field(items[released["id"]], "released") == (True, False)
    assert (await checked(api(), ordered["id"]))["void"] is False


async def test_a_casebook_opened_and_changed_moves_its_signature(api):
    """While closed, and opened without a change, it stands; then every record written is named."""
    subject_id = await register(api)
    await casebooks.bring_to(api, subject_id, "locked")
    assert await moved(api) == []
    await casebooks.unlock(api, subject_id)
    assert await moved(api) == []
    given = {"product": "platelets", "given_at": at(FIRST_INFUSION - timedelta(days=20))}
    made = await post(
        api,
        "/transfusions",
        subject_id=subject_id,
        **given | {"given_at": given["given_at"].isoformat()},
    )
    await patch(api, f"/subjects/{subject_id}", has_copd=True)
    lab = {"analyte": "ANC", "value": 1, "unit": "10*9/L", "collected_at": "2026-05-20T01:00:00Z"}
    sent = await post(api, "/labs", subject_id=subject_id, **lab)
    (found,) = await moved(api)
    assert (found["type"], found["record_type"]) == ("signature", "casebook")
    written = {(each["record_type"], each["record_id"]) for each in found["moved"]}
    assert written == {
        ("transfusion", made["id"]),
        ("subject", subject_id),
        ("lab_result", sent["id"]),
    }
    assert all(each["writes"] for each in found["moved"])
    await casebooks.bring_to(api, subject_id, "signed")
    (found,) = await moved(api)
    assert found["status"] == "renewed"
