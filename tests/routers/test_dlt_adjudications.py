"""Dose-limiting toxicity over HTTP: proposed by the records, decided by a signature only."""

from asyncio import gather
from datetime import UTC, datetime

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import dose
from tests.factories.rows import writing
from tests.factories.signing import unsigned
from tests.factories.subjects import register
from tests.routers.test_adverse_events import EVENT, FATAL, change

# Level A is infused once, on 2026-05-04; its window ends 28 days later, on 2026-06-01.
IN_WINDOW, AFTER = "2026-06-01T11:59:00+08:00", "2026-06-02T00:00:00+08:00"


@pytest.fixture
async def subject(api, session) -> str:
    """A subject who was infused on level A."""
    subject = await register(api)
    await dose(api, subject)
    return subject


@pytest.fixture
def report(api, subject):
    """Record an event of the subject and return it."""

    async def report(**changes) -> dict:
        body = {"subject_id": subject} | EVENT | changes
        answer = await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return report


async def sign(client, event: dict, is_dlt: bool, version: int | None = None):
    """Sign an event in the version that was read."""
    return await client.post(
        f"/adverse-events/{event['id']}/dlt-adjudications",
        json={
            "is_dlt": is_dlt,
            "adverse_event_version": version or event["version"],
            "rationale": "Judged against the infusion and the baseline.",
        },
    )


async def standing(api, event: dict) -> dict:
    """Read how an event stands."""
    return (await api().get(f"/adverse-events/{event['id']}")).json()["dlt"]


async def test_a_severe_related_event_in_the_window_is_pending(report):
    """Grade 3, relation not excluded, on the last day of the window: an adjudication is due."""
    event = await report(onset_at=IN_WINDOW)
    assert event["dlt"]["state"] == "pending"
    assert [reason["code"] for reason in event["dlt"]["reasons"]] == ["severe_and_related"]
    assert (event["dlt"]["window_start"], event["dlt"]["window_end"]) == (
        "2026-05-04",
        "2026-06-01",
    )
    assert event["dlt"]["adjudication_id"] is None
    assert event["protocol_version"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grade": 2}, "grade_too_low"),
        ({"causality": "unlikely"}, "not_related"),
        ({"onset_at": AFTER}, "outside_window"),
        ({"onset_at": "2026-05-03T10:00:00+08:00", "baseline_grade": 3}, "outside_window"),
        ({"term": "Neutrophil count decreased", "baseline_grade": 3}, "there_before"),
    ],
)
async def test_what_nothing_proposes_is_not_adjudicated(api, report, clock, changes, code):
    """A signature is 409 with the reason; declaring the event makes it a candidate."""
    clock.advance(days=2)
    event = await report(**changes)
    assert event["dlt"]["state"] == "not_a_candidate"
    assert [reason["code"] for reason in event["dlt"]["reasons"]] == [code]
    investigator = api(Role.SUB_INVESTIGATOR)
    refused = await sign(investigator, event, is_dlt=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_candidate")
    assert [error["code"] for error in refused.json()["errors"]] == [code]
    declared = (await change(investigator, event, investigator_declared_dlt=True)).json()
    assert declared["dlt"]["state"] == "pending"
    assert (await sign(investigator, declared, is_dlt=True)).status_code == 201
    assert (await standing(api, event))["state"] == "dlt"


async def test_before_enrolment_and_infusion_nothing_is_a_candidate(api):
    """Even a declared event waits for the first infusion."""
    subject = await register(api)
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    body = EVENT | {"subject_id": subject, "investigator_declared_dlt": True}
    event = (await client.post("/adverse-events", json=body)).json()
    assert event["dlt"]["reasons"][0]["code"] == "not_enrolled"
    assert (await sign(client, event, is_dlt=False)).status_code == 409
    infusion = await dose(api, subject, datetime(2026, 5, 14, tzinfo=UTC))
    assert (await standing(api, event))["state"] == "pending"
    async with writing(api, reason="It was not given after all.") as (session, _):
        session.add(infusion)
        infusion.started_at = infusion.stopped_at = infusion.volume_ml = infusion.cells = None
    assert (await standing(api, event))["reasons"][0]["code"] == "not_dosed"


async def test_a_death_is_a_candidate_unless_clearly_of_the_disease(report):
    """An unrelated death is adjudicated too; one probably due to the disease is not."""
    death = await report(causality="unrelated", **FATAL)
    assert [reason["code"] for reason in death["dlt"]["reasons"]] == ["death_not_due_to_disease"]
    of_disease = await report(causality="unrelated", causality_disease="probable", **FATAL)
    assert of_disease["dlt"]["state"] == "not_a_candidate"


async def test_a_signature_decides_and_names_the_signer(api, report):
    """The investigator's answer is listed with version, rationale and name."""
    event = await report()
    answer = await sign(api(Role.SUB_INVESTIGATOR), event, is_dlt=False)
    assert answer.status_code == 201, answer.text
    signed = answer.json()
    assert signed["is_dlt"] is False
    assert signed["adverse_event_version"] == 1
    assert signed["adjudicated_by_name"] == "Sub investigator (development)"
    stands = await standing(api, event)
    assert (stands["state"], stands["adjudication_id"]) == ("not_dlt", signed["id"])
    later = (await sign(api(), event, is_dlt=True)).json()
    path = f"/adverse-events/{event['id']}/dlt-adjudications"
    listed = (await api(Role.SAFETY_COMMITTEE).get(path)).json()["items"]
    assert listed == [unsigned(signed), unsigned(later)]
    assert (await standing(api, event))["state"] == "dlt"


async def test_a_changed_event_has_to_be_adjudicated_again(api, report):
    """The old answer is stale, a signature on the old version is 409, on the new one it counts."""
    event = await report()
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    await sign(client, event, is_dlt=True)
    changed = (await change(client, event, grade=2)).json()
    assert (changed["dlt"]["state"], changed["dlt"]["stale"]) == ("pending", True)
    assert changed["dlt"]["reasons"][-1]["code"] == "adjudication_stale"
    old = await sign(client, changed, is_dlt=False, version=1)
    assert (old.status_code, old.json()["code"]) == (409, "stale_adjudication")
    ahead = await sign(client, changed, is_dlt=False, version=3)
    assert ahead.status_code == 409
    assert (await sign(client, changed, is_dlt=False)).status_code == 201
    assert (await standing(api, event))["state"] == "not_dlt"


async def test_an_event_that_got_better_is_still_to_be_adjudicated(api, report):
    """A lower grade takes no candidate away; only a grade that was never right does."""
    event = await report()
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    better = (await change(client, event, grade=1)).json()
    assert (better["grade"], better["worst_grade"]) == (1, 3)
    assert better["dlt"]["state"] == "pending"
    again = (await change(client, better, grade=3)).json()
    corrected = (await change(client, again, grade=2, corrects_grade=True)).json()
    assert (corrected["worst_grade"], corrected["dlt"]["state"]) == (3, "pending")
    only = await report()
    never = (await change(client, only, grade=2, corrects_grade=True)).json()
    assert (never["worst_grade"], never["dlt"]["state"]) == (2, "not_a_candidate")


async def test_a_signature_and_a_change_at_once_leave_the_event_undecided(committing_api):
    """Whichever comes first: the signature is refused or stale, never on what nobody judged."""
    subject = await register(committing_api)
    await dose(committing_api, subject)
    client = committing_api()
    body = EVENT | {"subject_id": subject}
    event = (await client.post("/adverse-events", json=body)).json()
    for grade in (4, 3, 4, 3, 4):
        signed, changed = await gather(
            sign(client, event, is_dlt=False), change(client, event, grade=grade)
        )
        assert changed.status_code == 200
        assert signed.status_code in (201, 409)
        event = (await client.get(f"/adverse-events/{event['id']}")).json()
        assert event["dlt"]["state"] == "pending"


async def test_a_signed_dlt_is_not_retracted_away(api, report):
    """Retracting takes a signed no first, also when the yes has become stale."""
    event = await report()
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    await sign(client, event, is_dlt=True)
    refused = await change(client, event, retracted=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "signed_as_dlt")
    changed = (await change(client, event, grade=4)).json()
    assert (await change(client, changed, retracted=True)).status_code == 409
    await sign(client, changed, is_dlt=False)
    retracted = await change(client, changed, retracted=True)
    assert retracted.status_code == 200
    refused = await sign(client, retracted.json(), is_dlt=True)
    assert [error["code"] for error in refused.json()["errors"]] == ["retracted"]


async def test_a_pending_event_holds_the_ladder(api, report):
    """The recommendation waits for the signature and counts it."""
    event = await report()
    (before,) = (await api().get("/cohorts")).json()["items"]
    assert (before["pending"], before["dlts"]) == (1, 0)
    await sign(api(), event, is_dlt=True)
    (after,) = (await api().get("/cohorts")).json()["items"]
    assert (after["pending"], after["dlts"]) == (0, 1)


async def test_who_may_sign_and_read(api, report):
    """Investigators sign; coordinators and the committee read; the cell laboratory neither."""
    event = await report()
    path = f"/adverse-events/{event['id']}/dlt-adjudications"
    for role in (Role.STUDY_COORDINATOR, Role.SAFETY_COMMITTEE, Role.DATA_MANAGER):
        assert (await sign(api(role), event, is_dlt=False)).status_code == 403
        assert (await api(role).get(path)).status_code == 200
    assert (await sign(api(Role.CELL_LABORATORY), event, is_dlt=False)).status_code == 403
    assert (await api(Role.CELL_LABORATORY).get(path)).status_code == 403


async def test_an_answer_needs_version_and_rationale(api, report):
    """Nothing is signed without saying which version was judged and why; unknown events are 404."""
    event = await report()
    path = f"/adverse-events/{event['id']}/dlt-adjudications"
    answer = await api().post(path, json={"is_dlt": True})
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/body/adverse_event_version",
        "/body/rationale",
    }
    unknown = f"/adverse-events/{event['subject_id']}/dlt-adjudications"
    assert (await api().get(unknown)).status_code == 404
    assert (await sign(api(), {"id": event["subject_id"], "version": 1}, True)).status_code == 404
