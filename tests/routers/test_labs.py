"""Laboratory results over HTTP: converted exactly, refused when doubtful, absorbed when resent."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.labs import hemoglobin, neutrophils, refusal
from tests.factories.subjects import register


async def test_a_value_is_stored_in_the_canonical_unit_beside_the_original(api):
    """Hemoglobin of 10.2 g/dL is 102 g/L; value, unit and range stay readable as they were sent."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    body = hemoglobin(subject_id, value=10.2, unit="g/dL", lln=11.5, uln=15)
    answer = await client.post("/labs", json=body)
    assert answer.status_code == 201, answer.text
    result = answer.json()
    assert result["outcome"] == "created"
    assert (result["value"], result["unit"]) == (102, "g/L")
    assert (result["lln"], result["uln"]) == (115, 150)
    sent = {"value": "10.2", "unit": "g/dL", "lln": "11.5", "uln": "15"}
    assert {name: text for name, text in result["original"].items() if text} == sent
    assert (result["result_version"], result["is_current"]) == (1, True)
    assert result["id"] == result["result_id"]


async def test_the_day_is_counted_in_the_zone_of_the_study(api):
    """Half past eleven at night in London is the next day in Shanghai."""
    subject_id = await register(api)
    body = neutrophils(subject_id, collected_at="2026-05-10T23:30:00+01:00")
    result = (await api().post("/labs", json=body)).json()
    assert result["day"] == "2026-05-11"
    assert result["collected_at"] == "2026-05-10T22:30:00Z"


async def test_a_slip_of_the_unit_is_refused(api):
    """10.2 g/L and 102 g/dL of hemoglobin are what nobody has; the answer says what to check."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    for value, unit in ((10.2, "g/L"), (102, "g/dL")):
        answer = await client.post("/labs", json=hemoglobin(subject_id, value=value, unit=unit))
        assert refusal(answer) == (422, "implausible_value", "/body/value")
        assert answer.json()["detail"] == (
            "No living person has HGB below 20 or above 250 g/L; check the number and its unit."
        )
    assert (await client.get("/labs")).json()["items"] == []


async def test_a_range_in_another_unit_than_the_value_is_refused(api):
    """A range in g/dL beside a value in g/L would make every grade wrong."""
    body = hemoglobin(await register(api), value=102, unit="g/L", lln=11.5, uln=15)
    answer = await api().post("/labs", json=body)
    assert refusal(answer) == (422, "implausible_range", "/body/lln")


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"analyte": "HEMO"}, "unknown_analyte", "/body/analyte"),
        ({"unit": "mmol/L"}, "unknown_unit", "/body/unit"),
        ({"unit": None}, "unknown_unit", "/body/unit"),
        ({"value": None}, "unit_without_value", "/body/unit"),
        ({"value": None, "unit": None}, "content_missing", "/body/value"),
        ({"finding": "positive"}, "finding_not_taken", "/body/finding"),
        ({"lln": 15, "uln": 11.5}, "range_inverted", "/body/lln"),
        ({"collected_at": "2026-06-01T04:00:01Z"}, "future_moment", "/body/collected_at"),
        ({"collected_at": "1979-12-31T12:00:00Z"}, "before_birth", "/body/collected_at"),
        ({"reported_at": "2026-05-20T00:59:59Z"}, "reported_before_collected", "/body/reported_at"),
        ({"reported_at": "2026-06-02T00:00:00Z"}, "future_moment", "/body/reported_at"),
        ({"status": "entered_in_error"}, "nothing_to_withdraw", "/body/status"),
        ({"value": "10.2"}, "validation_failed", "/body/value"),
        ({"value": 10.2000000001}, "validation_failed", "/body/value"),
        ({"collected_at": "2026-05-20T09:00:00"}, "validation_failed", "/body/collected_at"),
        ({"comparator": "~"}, "validation_failed", "/body/comparator"),
        ({"patient": "x"}, "validation_failed", "/body/patient"),
    ],
)
async def test_what_cannot_be_right_is_refused_by_name(api, changes, code, pointer):
    """Every refusal names the field and stores nothing."""
    subject_id = await register(api)
    body = hemoglobin(subject_id, value=10.2, unit="g/dL") | changes
    answer = await api().post("/labs", json=body)
    assert refusal(answer) == (422, code, pointer)
    assert (await api().get("/labs")).json()["items"] == []


async def test_a_comparator_makes_the_value_a_bound(api):
    """Neutrophils below 0.1 are kept with their sign, and graded because they surely are 4."""
    body = neutrophils(await register(api), value=0.1, comparator="<")
    result = (await api().post("/labs", json=body)).json()
    assert (result["comparator"], result["value"]) == ("<", 0.1)
    assert result["original"]["value"] == "<0.1"
    assert [grade["grade"] for grade in result["grades"]] == [4]


async def test_a_finding_needs_no_number(api):
    """A qualitative result holds its finding and no unit."""
    body = {
        "subject_id": await register(api),
        "analyte": "HBsAg",
        "finding": "negative",
        "collected_at": "2026-05-20T01:00:00Z",
    }
    result = (await api().post("/labs", json=body)).json()
    assert (result["analyte"], result["finding"]) == ("HBSAG", "negative")
    assert (result["value"], result["unit"], result["grades"]) == (None, None, [])


async def test_a_resent_result_is_absorbed(api):
    """The same result is answered 200 with the id that is here, in whatever unit it is sent."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    first = await client.post("/labs", json=hemoglobin(subject_id, value=10.2, unit="g/dL"))
    again = await client.post("/labs", json=hemoglobin(subject_id, value=102, unit="g/L"))
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    assert again.json()["id"] == first.json()["id"]
    assert len((await client.get("/labs")).json()["items"]) == 1


async def test_other_content_of_the_same_specimen_needs_a_correction(api):
    """Nothing is overwritten: another value under the same natural key is a conflict."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    await client.post("/labs", json=hemoglobin(subject_id, value=10.2, unit="g/dL"))
    answer = await client.post("/labs", json=hemoglobin(subject_id, value=10.3, unit="g/dL"))
    assert (answer.status_code, answer.json()["code"]) == (409, "result_differs")
    other_source = hemoglobin(subject_id, value=10.3, unit="g/dL", source="ward")
    assert (await client.post("/labs", json=other_source)).status_code == 201


async def test_results_are_listed_by_subject_analyte_and_time(api):
    """Days are whole study days, instants are exact, both ends are included."""
    client = api()
    mine, other = await register(api), await register(api)
    for subject_id in (mine, other):
        for hour in ("09T16:00:00", "10T15:59:59", "10T16:00:00"):
            body = neutrophils(subject_id, collected_at=f"2026-05-{hour}Z")
            assert (await client.post("/labs", json=body)).status_code == 201
    await client.post("/labs", json=hemoglobin(mine, value=102))

    async def collected(**parameters):
        answer = await client.get("/labs", params=parameters)
        assert answer.status_code == 200, answer.text
        return [item["collected_at"][8:19] for item in answer.json()["items"]]

    assert len(await collected(subject=mine)) == 4
    assert await collected(subject_id=mine, analyte="neut#") == [
        "09T16:00:00", "10T15:59:59", "10T16:00:00",
    ]  # fmt: skip
    day = {"subject": mine, "analyte": "ANC", "from": "2026-05-10", "to": "2026-05-10"}
    assert await collected(**day) == ["09T16:00:00", "10T15:59:59"]
    exact = {"from": "2026-05-10T15:59:59Z", "to": "2026-05-11T00:00:00+08:00"}
    assert await collected(subject=mine, analyte="ANC", **exact) == ["10T15:59:59", "10T16:00:00"]


async def test_a_list_goes_on_where_the_page_ended(api):
    """The cursor of a page leads to the next result and is null at the end."""
    client, subject_id = api(), await register(api)
    for day in ("10", "11", "12"):
        await client.post("/labs", json=neutrophils(subject_id, f"2026-05-{day}T01:00:00Z"))
    first = (await client.get("/labs", params={"limit": 2})).json()
    second = (await client.get("/labs", params={"limit": 2, "cursor": first["next"]})).json()
    days = [item["day"] for page in (first, second) for item in page["items"]]
    assert days == ["2026-05-10", "2026-05-11", "2026-05-12"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"analyte": "HEMO"}, "/query/analyte"),
        ({"from": "yesterday"}, "/query/from"),
        ({"to": "2026-05-10T10:00:00"}, "/query/to"),
        ({"versions": "old"}, "/query/versions"),
    ],
)
async def test_a_filter_that_means_nothing_is_refused(api, parameters, pointer):
    """An unknown analyte would otherwise look like a subject without results."""
    answer = await api().get("/labs", params=parameters)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_the_laboratory_system_may_send_but_not_read(api):
    """It gets a receipt without any conclusion, and no result of anybody."""
    subject_id, client = await register(api), api(Role.LABORATORY_SYSTEM)
    answer = await client.post("/labs", json=neutrophils(subject_id, value=0.4))
    assert answer.status_code == 201
    assert (answer.json()["grades"], answer.json()["baseline"]) == (None, None)
    path = f"/labs/{answer.json()['id']}"
    correction = {"reason": "x", "value": 0.5, "unit": "10*9/L"}
    for refused in (
        await client.get("/labs"),
        await client.get(path),
        await client.get(f"{path}/versions"),
        await client.post(f"{path}/corrections", json=correction),
    ):
        assert refused.status_code == 403


async def test_those_without_a_right_to_results_get_none(api):
    """The sponsor sees figures, never results; the committee reads and does not write."""
    body = neutrophils(await register(api))
    assert (await api(Role.SPONSOR).get("/labs")).status_code == 403
    assert (await api(Role.SAFETY_COMMITTEE).get("/labs")).status_code == 200
    assert (await api(Role.SAFETY_COMMITTEE).post("/labs", json=body)).status_code == 403


async def test_a_subject_that_is_not_here_is_not_found(api):
    """An unknown subject is answered like one of another study."""
    body = neutrophils("01890000-0000-7000-8000-000000000000")
    answer = await api().post("/labs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_subject")


async def test_nothing_is_collected_after_death_or_after_consent_ended(api):
    """What was collected until that day may still be entered."""
    for event, code in (("died", "after_death"), ("withdrew_consent", "consent_withdrawn")):
        subject_id = await register(api)
        exit_ = {"event": event, "event_date": "2026-05-20", "reason": "As documented."}
        left = await api().post(f"/subjects/{subject_id}/disposition", json=exit_)
        assert left.status_code == 201, left.text
        late = neutrophils(subject_id, collected_at="2026-05-20T16:00:00Z")
        answer = await api().post("/labs", json=late)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        in_time = neutrophils(subject_id, collected_at="2026-05-20T15:59:00Z")
        assert (await api().post("/labs", json=in_time)).status_code == 201


async def test_the_same_request_is_answered_once(api):
    """A repeated key stores nothing twice and gets the same bytes."""
    body, key = neutrophils(await register(api)), {"Idempotency-Key": "panel-1"}
    one = await api().post("/labs", json=body, headers=key)
    two = await api().post("/labs", json=body, headers=key)
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.content == two.content


async def test_a_single_result_has_a_strong_tag(api):
    """A reader that holds the answer is told that nothing changed."""
    made = (await api().post("/labs", json=neutrophils(await register(api)))).json()
    first = await api().get(f"/labs/{made['id']}")
    assert first.status_code == 200
    tag = first.headers["etag"]
    again = await api().get(f"/labs/{made['id']}", headers={"If-None-Match": tag})
    assert (again.status_code, tag.startswith('"')) == (304, True)
