"""Transfusions and medications over HTTP: recorded, changed with a reason, never removed."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.labs import refusal
from tests.factories.subjects import register

TRANSFUSIONS, MEDICATIONS = "/transfusions", "/concomitant-medications"
REASON = {"reason": "Source document reviewed."}


def transfusion(subject_id, **changes):
    """Return two units of red cells."""
    given_at = "2026-05-10T16:30:00Z"
    body = {"subject_id": subject_id, "product": "red_cells", "given_at": given_at, "units": 2}
    return body | changes


def medication(subject_id, **changes):
    """Return a course of G-CSF that has ended."""
    return {
        "subject_id": subject_id,
        "name": "filgrastim",
        "medication_class": "g_csf",
        "started_at": "2026-05-10T16:30:00Z",
        "ended_at": "2026-05-12T00:00:00Z",
        "dose": 300,
        "dose_unit": "ug",
    } | changes


BODIES = [(TRANSFUSIONS, transfusion), (MEDICATIONS, medication)]


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_a_record_is_read_with_its_study_day(api, path, body):
    """The day is the one in Shanghai; everything that was sent comes back."""
    sent = body(await register(api))
    made = await api(Role.SUB_INVESTIGATOR).post(path, json=sent)
    assert made.status_code == 201, made.text
    assert (made.json()["day"], made.json()["retracted"]) == ("2026-05-11", False)
    assert sent.items() <= made.json().items()
    assert made.headers["etag"] == '"v1"'
    read = await api(Role.MONITOR).get(f"{path}/{made.json()['id']}")
    assert (read.json(), read.headers["etag"]) == (made.json(), '"v1"')


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_a_record_is_retracted_not_removed(api, path, body):
    """A retraction needs the version and a reason, and leaves the record in the list."""
    client = api(Role.STUDY_COORDINATOR)
    made = (await client.post(path, json=body(await register(api)))).json()
    one = f"{path}/{made['id']}"
    retraction = REASON | {"retracted": True}
    assert (await client.patch(one, json=retraction)).status_code == 428
    assert (await client.delete(one)).status_code == 405
    tag = {"If-Match": '"v1"'}
    unexplained = await client.patch(one, json={"retracted": True}, headers=tag)
    assert refusal(unexplained) == (422, "validation_failed", "/body/reason")
    done = await client.patch(one, json=retraction, headers=tag)
    assert (done.status_code, done.headers["etag"]) == (200, '"v2"')
    assert (await client.patch(one, json=retraction, headers=tag)).status_code == 412
    (item,) = (await client.get(path)).json()["items"]
    assert (item["retracted"], item["version"]) == (True, 2)


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_a_record_is_read_as_it_was(api, session, clock, path, body):
    """At an earlier moment it is there in its earlier version, or not at all."""
    subject_id, client = await register(api), api(Role.STUDY_COORDINATOR)
    moments = []
    for step in (None, "post", "patch"):
        if step == "post":
            made = (await client.post(path, json=body(subject_id))).json()
        elif step == "patch":
            change = REASON | {"retracted": True}
            one = f"{path}/{made['id']}"
            await client.patch(one, json=change, headers={"If-Match": '"v1"'})
        moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        moments.append(moment.isoformat())
    clock.advance(days=3650)
    seen = []
    for moment in moments:
        items = (await client.get(path, params={"as_of": moment})).json()["items"]
        seen.append([(item["version"], item["retracted"]) for item in items])
    assert seen == [[], [(1, False)], [(2, True)]]
    assert (await client.get(one, params={"as_of": moments[0]})).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "changes", "code", "pointer"),
    [
        (TRANSFUSIONS, transfusion, {"product": "blood"}, "validation_failed", "/body/product"),
        (TRANSFUSIONS, transfusion, {"units": 0}, "validation_failed", "/body/units"),
        (TRANSFUSIONS, transfusion, {"given_at": "2026-06-01T04:00:01Z"}, "future_moment",
         "/body/given_at"),
        (TRANSFUSIONS, transfusion, {"given_at": "1979-01-01T00:00:00Z"}, "before_birth",
         "/body/given_at"),
        (MEDICATIONS, medication, {"medication_class": "x"}, "validation_failed",
         "/body/medication_class"),
        (MEDICATIONS, medication, {"ended_at": "2026-05-10T16:29:59Z"}, "ends_before_start",
         "/body/ended_at"),
        (MEDICATIONS, medication, {"ended_at": "2026-06-02T00:00:00Z"}, "future_moment",
         "/body/ended_at"),
        (MEDICATIONS, medication, {"ongoing": True}, "ended_and_ongoing", "/body/ongoing"),
        (MEDICATIONS, medication, {"dose_unit": None}, "dose_without_unit", "/body/dose"),
        (MEDICATIONS, medication, {"half_life_days": -1}, "validation_failed",
         "/body/half_life_days"),
    ],
)  # fmt: skip
async def test_what_cannot_be_right_is_refused(api, path, body, changes, code, pointer):
    """Recording and changing refuse the same, by the name of the field."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    answer = await client.post(path, json=body(subject_id) | changes)
    assert refusal(answer) == (422, code, pointer)
    made = (await client.post(path, json=body(subject_id))).json()
    answer = await client.patch(
        f"{path}/{made['id']}", json=REASON | changes, headers={"If-Match": '"v1"'}
    )
    assert refusal(answer) == (422, code, pointer)


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_nothing_follows_a_withdrawn_consent_but_mistakes_go(api, path, body):
    """A later moment is a conflict; what was recorded before can still be taken back."""
    client, subject_id = api(Role.STUDY_COORDINATOR), await register(api)
    made = (await client.post(path, json=body(subject_id))).json()
    exit_ = {"event": "withdrew_consent", "event_date": "2026-05-10", "reason": "Moved away."}
    left = await client.post(f"/subjects/{subject_id}/disposition", json=exit_)
    assert left.status_code == 201, left.text
    late = await client.post(path, json=body(subject_id))
    assert (late.status_code, late.json()["code"]) == (409, "consent_withdrawn")
    one, tag = f"{path}/{made['id']}", {"If-Match": '"v1"'}
    done = await client.patch(one, json=REASON | {"retracted": True}, headers=tag)
    assert done.status_code == 200, done.text


async def test_an_unknown_subject_is_not_found(api):
    """A subject of another study would be answered the same."""
    body = transfusion("01890000-0000-7000-8000-000000000000")
    answer = await api().post(TRANSFUSIONS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_required_field_cannot_be_emptied(api):
    """Null is refused where the record needs a value, and clears where it does not."""
    client = api(Role.STUDY_COORDINATOR)
    made = (await client.post(TRANSFUSIONS, json=transfusion(await register(api)))).json()
    one, tag = f"{TRANSFUSIONS}/{made['id']}", {"If-Match": '"v1"'}
    assert (await client.patch(one, json=REASON | {"units": None}, headers=tag)).json()[
        "units"
    ] is None
    answer = await client.patch(one, json=REASON | {"given_at": None}, headers={"If-Match": '"v2"'})
    assert (answer.status_code, answer.json()["code"]) == (422, "value_missing")


async def test_lists_are_filtered(api):
    """By subject, by product and by class."""
    client, mine, other = api(), await register(api), await register(api)
    for subject_id in (mine, other):
        await client.post(TRANSFUSIONS, json=transfusion(subject_id))
        await client.post(MEDICATIONS, json=medication(subject_id))
    await client.post(TRANSFUSIONS, json=transfusion(mine, product="platelets"))
    await client.post(MEDICATIONS, json=medication(mine, medication_class="other"))

    async def count(path, **parameters):
        return len((await client.get(path, params=parameters)).json()["items"])

    assert await count(TRANSFUSIONS) == 3
    assert await count(TRANSFUSIONS, subject=mine) == 2
    assert await count(TRANSFUSIONS, subject_id=mine, product="platelets") == 1
    assert await count(MEDICATIONS, medication_class="g_csf") == 2
    assert await count(MEDICATIONS, subject=other) == 1
    both = await client.get(TRANSFUSIONS, params={"subject": mine, "subject_id": other})
    assert refusal(both) == (422, "two_subjects", "/query/subject")


async def test_who_may_write(api):
    """The monitor reads, the laboratory system and the sponsor do not even read."""
    body = transfusion(await register(api))
    assert (await api(Role.MONITOR).post(TRANSFUSIONS, json=body)).status_code == 403
    for role in (Role.LABORATORY_SYSTEM, Role.SPONSOR):
        assert (await api(role).get(TRANSFUSIONS)).status_code == 403
