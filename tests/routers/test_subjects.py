"""Subjects over HTTP: numbered, versioned, read as they were."""

from sqlalchemy import text

from app.domain.vocabulary import Role

SUBJECT = {
    "sex": "female",
    "birth_year": 1980,
    "age_at_consent": 45,
    "consent_date": "2026-01-02",
    "screening_date": "2026-01-02",
    "disease": "lymphoma",
    "car_t_date": "2025-12-01",
    "weight_kg": 60.5,
}


async def test_a_new_subject_gets_the_next_number(api):
    """Numbers run S-001, S-002; the status follows from the records."""
    client = api(Role.STUDY_COORDINATOR)
    first = await client.post("/subjects", json=SUBJECT)
    second = await client.post("/subjects", json=SUBJECT)
    assert first.status_code == 201, first.text
    assert first.json()["number"] == "S-001"
    assert first.json()["status"] == "screening"
    assert first.json()["weight_kg"] == 60.5
    assert first.headers["etag"] == '"v1"'
    assert second.json()["number"] == "S-002"


async def test_a_change_needs_the_version_that_was_read(api):
    """No If-Match is 428, a stale or weak one 412, the right one counts the version up."""
    client = api(Role.STUDY_COORDINATOR)
    made = (await client.post("/subjects", json=SUBJECT)).json()
    path = f"/subjects/{made['id']}"
    body = {"weight_kg": 61, "reason": "Weighed again."}
    assert (await client.patch(path, json=body)).status_code == 428
    assert (await client.patch(path, json=body, headers={"If-Match": 'W/"v1"'})).status_code == 412
    changed = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == '"v2"'
    assert changed.json()["weight_kg"] == 61
    assert (await client.patch(path, json=body, headers={"If-Match": '"v1"'})).status_code == 412


async def test_a_change_needs_a_reason(api):
    """A body without a reason is refused and names the field."""
    client = api(Role.STUDY_COORDINATOR)
    made = (await client.post("/subjects", json=SUBJECT)).json()
    answer = await client.patch(
        f"/subjects/{made['id']}", json={"weight_kg": 61}, headers={"If-Match": '"v1"'}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/body/reason"


async def test_a_subject_is_read_as_it_was(api, session, clock):
    """With as_of the earlier weight and version are shown, and before it existed it is absent."""
    clock.advance(days=3650)  # the database keeps its own time, which as_of must not exceed
    client = api(Role.STUDY_COORDINATOR)
    before = await session.scalar(text("SELECT clock_timestamp()"))
    made = (await client.post("/subjects", json=SUBJECT)).json()
    path = f"/subjects/{made['id']}"
    between = await session.scalar(text("SELECT clock_timestamp()"))
    body = {"weight_kg": 61, "reason": "Weighed again."}
    await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert (await client.get(path)).json()["weight_kg"] == 61
    then = await client.get(path, params={"as_of": between.isoformat()})
    assert (then.json()["weight_kg"], then.json()["version"]) == (60.5, 1)
    listed = await client.get("/subjects", params={"as_of": between.isoformat()})
    assert [item["weight_kg"] for item in listed.json()["items"]] == [60.5]
    assert (await client.get(path, params={"as_of": before.isoformat()})).status_code == 404


async def test_the_same_key_gets_the_same_answer(api):
    """A repeated POST with its key is answered again and registers nobody twice."""
    client = api(Role.STUDY_COORDINATOR)
    key = {"Idempotency-Key": "first"}
    one = await client.post("/subjects", json=SUBJECT, headers=key)
    two = await client.post("/subjects", json=SUBJECT, headers=key)
    assert one.status_code == two.status_code == 201
    assert one.content == two.content
    assert two.headers["etag"] == one.headers["etag"]
    other = await client.post("/subjects", json=SUBJECT | {"birth_year": 1981}, headers=key)
    assert other.status_code == 422
    assert len((await client.get("/subjects")).json()["items"]) == 1
