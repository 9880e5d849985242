"""Corrections of laboratory results: versions that follow one another and all stay."""

import asyncio

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.labs import hemoglobin, neutrophils, refusal
from tests.factories.subjects import register

REASON = {"reason": "Transcribed wrongly."}


async def send(api, body):
    """Record a result and return it."""
    answer = await api().post("/labs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def correct(api, lab_id, **body):
    """Correct a version of a result."""
    return await api(Role.STUDY_COORDINATOR).post(f"/labs/{lab_id}/corrections", json=REASON | body)


async def test_a_correction_supersedes_and_keeps_the_old(api):
    """The list shows the new value, and with versions=all both, each as it was sent."""
    first = await send(api, hemoglobin(await register(api), lln=115, uln=150))
    answer = await correct(api, first["id"], value=9.8, unit="g/dL")
    assert answer.status_code == 201, answer.text
    second = answer.json()
    assert (second["value"], second["status"], second["reason"]) == (
        98, "corrected", "Transcribed wrongly.",
    )  # fmt: skip
    assert (second["result_id"], second["result_version"]) == (first["id"], 2)
    current = (await api().get("/labs")).json()["items"]
    assert [item["id"] for item in current] == [second["id"]]
    both = (await api().get("/labs", params={"versions": "all"})).json()["items"]
    assert [(item["value"], item["is_current"]) for item in both] == [(102, False), (98, True)]
    versions = (await api().get(f"/labs/{second['id']}/versions")).json()["items"]
    assert versions == both
    old = (await api().get(f"/labs/{first['id']}")).json()
    assert (old["value"], old["is_current"]) == (102, False)


async def test_the_grade_follows_the_correction(api):
    """The limits that are left out stay, so the corrected value is still gradable."""
    first = await send(api, hemoglobin(await register(api), lln=115, uln=150))
    second = (await correct(api, first["id"], value=9.8, unit="g/dL")).json()
    assert (second["lln"], second["uln"]) == (115, 150)
    sent = {name: text for name, text in second["original"].items() if text}
    assert sent == {"value": "9.8", "unit": "g/dL"}
    anemia = [[each["grade"] for each in result["grades"]] for result in (first, second)]
    assert anemia == [[1, 0], [2, 0]]


async def test_only_the_last_version_is_corrected(api):
    """Whoever corrects what was corrected meanwhile has to look again."""
    first = await send(api, neutrophils(await register(api)))
    second = (await correct(api, first["id"], value=1.3, unit="10*9/L")).json()
    late = await correct(api, first["id"], value=1.4, unit="10*9/L")
    assert (late.status_code, late.json()["code"]) == (409, "not_last_version")
    third = await correct(api, second["id"], value=1.4, unit="10*9/L")
    assert third.json()["result_version"] == 3


async def test_a_withdrawn_result_says_nothing(api):
    """Entered in error has no value and no grade, and may be set right by a further version."""
    first = await send(api, neutrophils(await register(api), value=0.4))
    assert first["grades"][0]["grade"] == 4
    withdrawn = (await correct(api, first["id"], status="entered_in_error")).json()
    assert (withdrawn["value"], withdrawn["grades"]) == (None, [])
    empty = await correct(api, withdrawn["id"], status="corrected")
    assert refusal(empty) == (422, "content_missing", "/body/value")
    restored = await correct(api, withdrawn["id"], value=0.6, unit="10*9/L")
    assert (restored.status_code, restored.json()["value"]) == (201, 0.6)


async def test_a_preliminary_result_becomes_final_with_its_value(api):
    """A provisional result has no grade; final keeps the value that was sent."""
    body = neutrophils(await register(api), value=0.4, status="preliminary")
    first = await send(api, body)
    assert first["grades"] == []
    final = (await correct(api, first["id"], status="final")).json()
    assert (final["value"], final["original"]["value"]) == (0.4, "0.4")
    assert final["grades"][0]["grade"] == 4
    again = await correct(api, final["id"], status="final")
    assert refusal(again) == (422, "not_preliminary", "/body/status")


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"value": 1.3}, "unknown_unit", "/body/unit"),
        ({"lln": 2}, "lln_without_value", "/body/lln"),
        ({"value": 1.3, "unit": "10*9/L", "lln": 7}, "range_inverted", "/body/lln"),
        ({"value": 1300, "unit": "10*9/L"}, "implausible_value", "/body/value"),
        ({"status": "cancelled", "value": 1.3}, "content_not_taken", "/body/value"),
        ({"collected_at": "2026-06-02T00:00:00Z"}, "future_moment", "/body/collected_at"),
        ({"status": "preliminary"}, "not_preliminary", "/body/status"),
        ({"reason": " "}, "validation_failed", "/body/reason"),
        ({"analyte": "PLT"}, "validation_failed", "/body/analyte"),
    ],
)
async def test_a_correction_is_checked_like_a_result(api, changes, code, pointer):
    """What could not be recorded cannot be corrected to either."""
    first = await send(api, neutrophils(await register(api)))
    assert refusal(await correct(api, first["id"], **changes)) == (422, code, pointer)


async def test_the_moment_of_collection_can_be_corrected(api):
    """The specimen stays the same, so the first report is still recognised when it is resent."""
    subject_id = await register(api)
    first = await send(api, neutrophils(subject_id))
    moved = (await correct(api, first["id"], collected_at="2026-05-19T01:00:00Z")).json()
    assert (moved["day"], moved["value"]) == ("2026-05-19", 1.2)
    resent = await api().post("/labs", json=neutrophils(subject_id))
    assert (resent.status_code, resent.json()["id"]) == (200, first["id"])


async def test_a_correction_that_was_sent_again_is_absorbed(api):
    """The content of any version counts as here already."""
    subject_id = await register(api)
    first = await send(api, neutrophils(subject_id))
    second = (await correct(api, first["id"], value=1.3, unit="10*9/L")).json()
    body = neutrophils(subject_id, value=1.3, status="corrected")
    answer = await api().post("/labs", json=body)
    assert (answer.status_code, answer.json()["id"]) == (200, second["id"])


async def test_results_are_read_as_they_were(api, session, clock):
    """Before the correction the first version was the current one, before the result none was."""

    async def database_time():
        return (await session.execute(text("SELECT clock_timestamp()"))).scalar_one().isoformat()

    subject_id = await register(api)
    before = await database_time()
    first = await send(api, neutrophils(subject_id))
    between = await database_time()
    second = (await correct(api, first["id"], value=1.3, unit="10*9/L")).json()
    clock.advance(days=3650)
    client = api()

    async def seen(moment):
        answer = await client.get("/labs", params={"as_of": moment} if moment else {})
        assert answer.status_code == 200, answer.text
        return [(item["id"], item["is_current"]) for item in answer.json()["items"]]

    assert await seen(before) == []
    assert await seen(between) == [(first["id"], True)]
    assert await seen(None) == [(second["id"], True)]
    path = f"/labs/{second['id']}"
    assert (await client.get(path, params={"as_of": between})).status_code == 404
    versions = await client.get(f"/labs/{first['id']}/versions", params={"as_of": between})
    assert len(versions.json()["items"]) == 1


async def test_of_two_corrections_at_once_one_counts(committing_api):
    """The other is told to read the result again."""
    first = await send(committing_api, neutrophils(await register(committing_api)))
    answers = await asyncio.gather(
        *(correct(committing_api, first["id"], value=value, unit="10*9/L") for value in (1.3, 1.4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
