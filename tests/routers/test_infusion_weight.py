"""The re-weigh trigger over HTTP: asked for before the infusion, a deviation after it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    create_bags,
    give_infusion,
    prescribe,
)
from tests.factories.subjects import created, enrolled


async def weigh(api, subject_id: str, at: datetime, weight_kg: float) -> None:
    """Record a weight among vital signs."""
    body = {"subject_id": subject_id, "kind": "vital_signs", "performed_at": at.isoformat()}
    content = {"content": {"weight_kg": weight_kg}}
    created(await api(Role.STUDY_COORDINATOR).post("/assessments", json=body | content))


async def read(api, subject_id: str) -> dict:
    """Read the first infusion."""
    answer = await api().get(f"/subjects/{subject_id}/infusions/1")
    return answer.json()


async def test_a_weight_that_moved_asks_for_a_new_dose(api):
    """At 66 kg the dose for 60 kg is to be calculated anew; once it is, nothing is asked for."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    await weigh(api, subject, NOW - timedelta(hours=2), 65.9)
    assert (await read(api, subject))["new_dose_needed"] is False
    await weigh(api, subject, NOW - timedelta(hours=1), 66)
    assert (await read(api, subject))["new_dose_needed"] is True
    answer = await change_infusion(api, subject, 1, Role.SUB_INVESTIGATOR, weight_kg=65)
    assert answer.json()["new_dose_needed"] is False


async def test_an_infusion_dosed_for_an_older_weight_departs(api):
    """It is shown with the infusion and in the list; it goes when the weight is corrected."""
    subject = await enrolled(api)
    start = NOW - timedelta(days=3)
    await weigh(api, subject, start - timedelta(hours=1), 70)
    given = await give_infusion(api, subject, start)
    (shown,) = [each for each in given["deviations"] if each["code"] == "dose_not_recalculated"]
    assert (shown["severity"], len(shown["evidence"])) == ("major", 2)
    listed = (await api().get("/deviations", params={"subject": subject})).json()["items"]
    assert "dose_not_recalculated:1" in [each["key"] for each in listed]
    (signs,) = (await api().get("/assessments", params={"kind": "vital_signs"})).json()["items"]
    body = {"retracted": True, "reason": "Another person's."}
    tag = {"If-Match": f'"v{signs["version"]}"'}
    answer = await api().patch(f"/assessments/{signs['id']}", json=body, headers=tag)
    assert answer.status_code == 200, answer.text
    codes = [each["code"] for each in (await read(api, subject))["deviations"]]
    assert "dose_not_recalculated" not in codes


async def change_weight(api, subject_id: str, weight_kg: float) -> None:
    """Change the weight on the subject's own record."""
    client, path = api(Role.STUDY_COORDINATOR), f"/subjects/{subject_id}"
    tag = {"If-Match": (await client.get(path)).headers["etag"]}
    answer = await client.patch(path, json={"weight_kg": weight_kg, "reason": "W."}, headers=tag)
    assert answer.status_code == 200, answer.text


async def begun(api, subject_id: str, started_at: datetime) -> list[str]:
    """Record the start of the prescribed infusion and return what it departs from."""
    body = as_planned(started_at) | {"bag_ids": await create_bags(api), "stopped_at": None}
    answer = await change_infusion(api, subject_id, 1, **body)
    assert answer.status_code == 200, answer.text
    return [each["code"] for each in answer.json()["deviations"]]


@pytest.mark.parametrize("late_entry", [False, True])
async def test_the_warning_stays_when_the_infusion_begins(api, clock, session, late_entry):
    """Dosed for 60 kg while 90 were on record: that was so at the start, whatever follows."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    await change_weight(api, subject, 90)
    assert (await read(api, subject))["new_dose_needed"] is True
    started_at = NOW
    if not late_entry:
        started_at = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        clock.now = started_at + timedelta(hours=1)
    assert "dose_not_recalculated" in await begun(api, subject, started_at)
    (shown,) = [
        each
        for each in (await read(api, subject))["deviations"]
        if each["code"] == "dose_not_recalculated"
    ]
    assert shown["evidence"][1] == subject
    assert "90 kg" in shown["sentence"]
    await change_weight(api, subject, 60)
    codes = [each["code"] for each in (await read(api, subject))["deviations"]]
    assert "dose_not_recalculated" in codes


async def test_a_weight_recorded_after_the_start_was_not_known_then(api, clock, session):
    """The dose suited what was on record; the next prescription is another matter."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    clock.now = moment + timedelta(hours=1)
    await change_weight(api, subject, 90)
    assert "dose_not_recalculated" not in await begun(api, subject, moment)
