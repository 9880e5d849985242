"""Deviations over HTTP: derived for every subject, by subject, day and key."""

from datetime import UTC, datetime, timedelta

from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import Role
from tests.factories.dosing import change_infusion, give_infusion, infuse
from tests.factories.ladder import put_into_force
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, enrolled, enrolled_subject, register

FIRST = datetime(2026, 5, 4, 2, tzinfo=UTC)


async def read(api, query=""):
    """List deviations."""
    answer = await api(Role.MONITOR).get(f"/deviations{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return answer.json()["items"]


async def conduct(api, query=""):
    """List deviations but for eligibility: these subjects took their places without screening."""
    return [each for each in await read(api, query) if each["code"] != "eligibility_violation"]


async def test_a_study_without_subjects_has_none(api):
    """Nothing recorded, nothing departed from."""
    assert await read(api) == []


async def test_a_missed_infusion_is_found_on_the_day_after_its_window(api, clock):
    """The second infusion of level B was due by day 9; no visit is late on day 10."""
    await put_into_force(api, DecisionAction.ESCALATE, "B")
    subject = await enrolled(api, "B")
    await give_infusion(api, subject, clock() - timedelta(days=10))
    (missed,) = await conduct(api, f"?subject={subject}")
    assert (missed["key"], missed["severity"]) == ("infusion_missed:2", "major")
    assert missed["day"] == "2026-06-01"
    assert missed["sentence"] == (
        "Infusion 2 did not take place; allowed was 2026-05-27 to 2026-05-31."
    )
    assert (missed["subject_id"], missed["subject_number"]) == (subject, "S-001")
    assert (missed["rule"], missed["protocol_version"]) == ("schedule.infusion_window_days", 1)


async def test_deviations_of_all_subjects_in_order(api, clock):
    """By subject, then by day; a filter shows one subject; a correction removes the deviation."""
    subjects = []
    for days in (0, 7):
        subject = await enrolled(api)
        await give_infusion(api, subject, FIRST + timedelta(days=days), premedication_dose_mg=4)
        subjects.append(subject)
    found = await conduct(api)
    assert [item["subject_id"] for item in found] == sorted(item["subject_id"] for item in found)
    assert {item["code"] for item in found} == {
        "premedication_dose", "visit_missed",
    }  # fmt: skip
    first = await conduct(api, f"?subject={subjects[0]}")
    assert [item["key"] for item in first] == [
        "premedication_dose:1", "visit_missed:W1", "visit_missed:W2", "visit_missed:W3",
    ]  # fmt: skip
    await change_infusion(api, subjects[0], 1, premedication_dose_mg=5)
    corrected = await conduct(api, f"?subject={subjects[0]}")
    assert "premedication_dose:1" not in [item["key"] for item in corrected]
    clock.advance(days=3)
    later = await conduct(api, f"?subject={subjects[0]}")
    assert [item["key"] for item in later][-1] == "visit_missed:W3"


async def test_a_correction_can_uncover_an_eligibility_violation(api):
    """A subject enrolled as a lymphoma patient who turns out to have another disease."""
    subject = await enrolled(api)
    client, path = api(Role.STUDY_COORDINATOR), f"/subjects/{subject}"
    keys = [item["key"] for item in await read(api)]
    assert "eligibility_violation:I3" not in keys
    body = {"disease": "other", "reason": "Pathology reviewed."}
    await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    found = {item["key"]: item for item in await read(api)}
    assert found["eligibility_violation:I3"]["severity"] == "major"


async def test_a_late_infusion_on_outdated_results_is_a_violation(api, clock):
    """Results and answers that counted on the planned day settle nothing four days later."""
    subject = await enrolled_subject(api)
    await infuse(api, subject, FIRST_INFUSION)
    move_to(clock, FIRST_INFUSION + timedelta(days=4))
    assert await violations(api, subject["id"]) == {}
    late = await enrolled_subject(api, clock.now.date())
    infused = clock.now.date() + timedelta(days=4)
    await infuse(api, late, infused)
    move_to(clock, infused)
    found = await violations(api, late["id"])
    assert {*("I4", "E4", "E5", "E6", "E7", "E8"), *(f"E3{each}" for each in "abcdefg")} == set(
        found
    )
    assert {each["day"] for each in found.values()} == {infused.isoformat()}
    assert found["E4"]["severity"] == "major"
    assert found["E4"]["rule"] == "eligibility.E4"


async def violations(api, subject):
    """List a subject's eligibility violations by criterion."""
    return {
        each["key"].removeprefix("eligibility_violation:"): each
        for each in await read(api, f"?subject={subject}")
        if each["code"] == "eligibility_violation"
    }


async def test_only_an_absent_subject_is_not_found(api):
    """An unknown subject is 404; a subject in screening has no deviations."""
    assert await read(api, f"?subject={await register(api)}") == []
    absent = "/deviations?subject=01930000-0000-7000-8000-000000000000"
    assert (await api().get(absent)).status_code == 404


async def test_the_cell_laboratory_reads_no_deviations(api):
    """They tell about visits and events, which are not the laboratory's."""
    assert (await api(Role.CELL_LABORATORY).get("/deviations")).status_code == 403
