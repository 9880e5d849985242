"""Exits corrected and retracted over HTTP: what rested on them follows, and the past stays."""

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import infuse
from tests.factories.events import adverse_event
from tests.factories.labs import neutrophils
from tests.factories.ladder import read_ladder
from tests.factories.rows import move_to
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrol,
    enrolled_subject,
    register,
)

WHY = "The source document was read again."


def path(exit_):
    """Return the address of an exit."""
    return f"/subjects/{exit_['subject_id']}/disposition/{exit_['id']}"


async def leave(api, subject, event, day="2026-06-01", **more):
    """Record an exit."""
    body = {"event": event, "event_date": str(day), "reason": "As the source says."} | more
    return created(await api().post(f"/subjects/{subject['id']}/disposition", json=body))


async def correct(api, exit_, role=Role.STUDY_COORDINATOR, version=None, **values):
    """Change an exit in the version that was read."""
    headers = {"If-Match": f'"v{version or exit_["version"]}"'}
    return await api(role).patch(path(exit_), json={"reason": WHY} | values, headers=headers)


async def retract(api, exit_):
    """Retract an exit."""
    answer = await correct(api, exit_, retracted=True)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def status(api, subject, **query):
    """Read the derived status."""
    answer = await api().get(f"/subjects/{subject['id']}", params=query)
    return answer.json()["status"]


async def treated(api, clock):
    """Give a subject of level A the one infusion."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    return subject


async def test_a_retracted_exit_never_happened_and_stays_readable(api, clock):
    """The status is what it was before, the list marks the exit, and the past still shows it."""
    subject = await eligible_subject(api)
    left = await leave(api, subject, "screen_failed")
    assert await status(api, subject) == "screen_failed"
    known = (await api().get(path(left))).json()["recorded_at"]
    retracted = await retract(api, left)
    assert (retracted["retracted"], retracted["version"]) == (True, 2)
    assert await status(api, subject) == "screening"
    listed = (await api().get(f"/subjects/{subject['id']}/disposition")).json()["items"]
    assert listed == [retracted]
    # The database dates what is recorded, so that the service's clock has to reach it.
    clock.now = datetime.fromisoformat(known) + timedelta(days=1)
    before = await api().get(path(left), params={"as_of": known})
    assert (before.status_code, before.json()) == (200, left)
    assert await status(api, subject, as_of=known) == "screen_failed"
    listing = await api().get(f"/subjects/{subject['id']}/disposition", params={"as_of": known})
    assert listing.json()["items"] == [left]


async def test_who_was_screened_out_by_mistake_can_be_enrolled(api):
    """After the retraction the subject is in screening like any other."""
    subject = await eligible_subject(api)
    left = await leave(api, subject, "screen_failed")
    refused = (await enrol(api, subject)).json()
    assert [(each["code"], each["message"]) for each in refused["errors"]] == [
        (
            "not_in_screening",
            "Only a subject in screening can be enrolled; this one failed screening.",
        )
    ]
    await retract(api, left)
    assert (await enrol(api, subject)).status_code == 201


async def test_every_field_can_be_corrected_with_a_reason(api, clock):
    """The record says what is right, the trail what it said before and why it changed."""
    subject = await treated(api, clock)
    left = await leave(api, subject, "lost_to_follow_up", FIRST_INFUSION, contact_attempts=3)
    values = {"event": "withdrew_consent", "contact_attempts": None, "exit_reason": "Letter."}
    answer = await correct(api, left, **values)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"v2"'
    wanted = {"event": "withdrew_consent", "contact_attempts": None, "reason": "Letter."}
    assert answer.json() == left | wanted | {"version": 2}
    assert await status(api, subject) == "withdrew_consent"
    audit = await api(Role.AUDITOR).get("/audit/changes", params={"record_id": left["id"]})
    first, second = audit.json()["items"]
    assert (first["action"], second["action"], second["reason"]) == ("insert", "update", WHY)
    assert second["changed_fields"] == ["contact_attempts", "event", "reason"]
    assert second["old"]["event"] == "lost_to_follow_up"


async def test_a_change_needs_the_version_that_was_read(api):
    """Without If-Match it is 428, with an old one 412, and nothing changes."""
    left = await leave(api, await eligible_subject(api), "screen_failed")
    missing = await api().patch(path(left), json={"reason": WHY, "event_date": "2026-05-30"})
    assert missing.status_code == 428
    assert (await correct(api, left, event_date="2026-05-30")).status_code == 200
    assert (await correct(api, left, event_date="2026-05-29")).status_code == 412
    read = await api().get(path(left))
    assert (read.json()["event_date"], read.headers["etag"]) == ("2026-05-30", '"v2"')


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"reason": None}, "/body/reason"),
        ({"event": None}, "/body/event"),
        ({"event_date": None}, "/body/event_date"),
        ({"exit_reason": None}, "/body/exit_reason"),
        ({"retracted": None}, "/body/retracted"),
        ({"retracted": False}, "/body/retracted"),
        ({"subject_id": "x"}, "/body/subject_id"),
    ],
)
async def test_what_a_record_always_has_cannot_be_emptied(api, values, pointer):
    """Each misfit is named; a retraction is not taken back."""
    answer = await correct(api, await leave(api, await eligible_subject(api), "died"), **values)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"event_date": "2026-06-02"}, "future_date"),
        ({"event_date": "2026-05-24"}, "before_screening"),
        ({"event": "lost_to_follow_up"}, "disposition_not_allowed"),
        ({"event": "completed"}, "disposition_not_allowed"),
    ],
)
async def test_a_correction_is_checked_like_a_new_exit(api, values, code):
    """Whoever is in screening leaves only as a subject in screening can, between its days."""
    left = await leave(api, await eligible_subject(api), "screen_failed")
    answer = await correct(api, left, **values)
    assert answer.json()["code"] == code
    assert (await api().get(path(left))).json() == left


async def test_a_correction_agrees_with_what_was_seen_and_given(api, clock):
    """A day before an infusion or an observation is refused, and so are too few attempts."""
    subject = await treated(api, clock)
    move_to(clock, FIRST_INFUSION + timedelta(days=3))
    await adverse_event(api, subject, FIRST_INFUSION + timedelta(days=1))
    day = FIRST_INFUSION + timedelta(days=2)
    left = await leave(api, subject, "lost_to_follow_up", day, contact_attempts=3)
    early = str(FIRST_INFUSION - timedelta(days=1))
    for values, code in (
        ({"contact_attempts": 2}, "contact_attempts_too_few"),
        ({"event_date": early}, "infusion_after_exit"),
        ({"event": "died", "event_date": str(FIRST_INFUSION)}, "observation_after_death"),
    ):
        answer = await correct(api, left, **values)
        assert answer.json()["code"] == code
    assert (await correct(api, left, event="died")).status_code == 200
    assert await status(api, subject) == "died"


async def test_an_earlier_exit_is_corrected_behind_a_later_one(api, clock):
    """A death that became known later does not keep the day of the loss as it was."""
    subject = await treated(api, clock)
    move_to(clock, date(2026, 7, 1))
    lost = await leave(api, subject, "lost_to_follow_up", "2026-06-20", contact_attempts=3)
    died = await leave(api, subject, "died", "2026-06-25")
    assert (await correct(api, lost, event_date="2026-06-15")).status_code == 200
    assert (await correct(api, lost, version=2, event="sponsor_decision")).status_code == 200
    assert await status(api, subject) == "died"
    await retract(api, died)
    assert await status(api, subject) == "discontinued"


async def test_a_retracted_exit_is_recorded_again_not_brought_back(api):
    """The same event can be recorded once more, and then only once."""
    subject = await enrolled_subject(api)
    left = await leave(api, subject, "pregnancy")
    retracted = await retract(api, left)
    again = await correct(api, retracted, event_date="2026-05-30")
    assert (again.status_code, again.json()["code"]) == (409, "disposition_retracted")
    anew = await leave(api, subject, "pregnancy")
    body = {"event": "pregnancy", "event_date": "2026-06-01", "reason": "Twice."}
    twice = await api().post(f"/subjects/{subject['id']}/disposition", json=body)
    assert (twice.status_code, twice.json()["code"]) == (409, "disposition_exists")
    other = await leave(api, subject, "relapse_or_new_therapy")
    same = await correct(api, other, event="pregnancy")
    assert (same.status_code, same.json()["code"]) == (409, "disposition_exists")
    assert (await api().get(path(anew))).json()["version"] == 1


@pytest.mark.parametrize("role", [Role.LABORATORY_SYSTEM, Role.STUDY_COORDINATOR])
async def test_observations_are_taken_again_after_a_retraction(api, role):
    """What was refused after an alleged death is stored once the death is retracted."""
    subject_id = await register(api)
    died = await leave(api, {"id": subject_id}, "died", "2026-05-10")
    result = neutrophils(subject_id, "2026-05-20T01:00:00Z")
    assert (await api(role).post("/labs", json=result)).json()["code"] == "after_death"
    await retract(api, died)
    assert (await api(role).post("/labs", json=result)).status_code == 201


async def test_the_ladder_follows_a_correction_and_names_it(api, clock):
    """Who left in the window does not count; retracted, the subject is observed again.

    A corrected day is other evidence, even if nothing else follows from it.
    """
    subject = await treated(api, clock)
    clock.advance(days=5)
    at_first = await read_ladder(api)
    left = await leave(api, subject, "withdrew_consent", FIRST_INFUSION + timedelta(days=2))
    (cohort,) = (await api().get("/cohorts")).json()["items"]
    assert cohort["subjects"][0]["state"] == "not_evaluable"
    without = await read_ladder(api)
    moved = await correct(api, left, event_date=str(FIRST_INFUSION + timedelta(days=3)))
    assert moved.status_code == 200
    corrected = await read_ladder(api)
    assert len({at_first["digest"], without["digest"], corrected["digest"]}) == 3
    await retract(api, moved.json())
    (cohort,) = (await api().get("/cohorts")).json()["items"]
    assert cohort["subjects"][0]["state"] == "in_window"
    assert (await read_ladder(api))["digest"] == at_first["digest"]


async def test_a_replaced_subject_counts_again_beside_the_replacement(api, clock):
    """Facts are not bent to the number of slots: both count, and the ladder still answers."""
    subject = await treated(api, clock)
    clock.advance(days=2)
    left = await leave(api, subject, "withdrew_consent", FIRST_INFUSION + timedelta(days=1))
    for _ in range(3):
        clock.advance(days=10)
        await enrolled_subject(api, clock().date())
    places = (await api().get("/cohorts")).json()["items"][0]
    assert len(places["subjects"]) == 4
    await retract(api, left)
    after = (await api().get("/cohorts")).json()["items"][0]
    states = [each["state"] for each in after["subjects"]]
    assert states.count("not_dosed") == 3
    assert states[0] != "not_evaluable"
    assert (await enrol(api, await eligible_subject(api))).status_code == 409
    assert (await api().get("/escalation")).status_code == 200


async def test_dosing_ends_and_begins_again_with_the_record(api, clock):
    """No infusion can be prescribed for who withdrew from treatment, until that is retracted."""
    subject = await enrolled_subject(api)
    left = await leave(api, subject, "withdrew_treatment")
    prescription = {"planned_date": str(FIRST_INFUSION)}
    address = f"/subjects/{subject['id']}/infusions"
    refused = await api().post(address, json=prescription)
    assert refused.json()["code"] == "treatment_not_open"
    assert refused.json()["detail"] == (
        "No infusion can be prescribed for a subject who withdrew from treatment."
    )
    await retract(api, left)
    assert (await api().post(address, json=prescription)).status_code == 201


async def test_timeline_and_figures_follow(api):
    """A retracted exit is no event of the subject's and counts nowhere."""
    subject = await eligible_subject(api)
    left = await leave(api, subject, "screen_failed")
    timeline = f"/subjects/{subject['id']}/timeline?kind=disposition"
    assert len((await api().get(timeline)).json()["items"]) == 1
    assert (await api().get("/metrics/enrolment")).json()["dispositions"]["screen_failed"] == 1
    await retract(api, left)
    assert (await api().get(timeline)).json()["items"] == []
    assert (await api().get("/metrics/enrolment")).json()["dispositions"]["screen_failed"] == 0


@pytest.mark.parametrize(
    ("role", "reading", "changing"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 200, 200),
        (Role.SUB_INVESTIGATOR, 200, 200),
        (Role.STUDY_COORDINATOR, 200, 200),
        (Role.MONITOR, 200, 403),
        (Role.DATA_MANAGER, 200, 403),
        (Role.LABORATORY_SYSTEM, 403, 403),
    ],
)
async def test_who_reads_and_corrects_exits(api, role, reading, changing):
    """Who may record an exit may correct it."""
    left = await leave(api, await eligible_subject(api), "screen_failed")
    assert (await api(role).get(path(left))).status_code == reading
    assert (await correct(api, left, role, event_date="2026-05-30")).status_code == changing


async def test_an_exit_of_somebody_else_is_not_found(api):
    """The address names both; a foreign pair is answered like an absent one."""
    left = await leave(api, await eligible_subject(api), "screen_failed")
    other = await eligible_subject(api)
    for pair in (left | {"subject_id": other["id"]}, left | {"id": str(uuid4())}):
        assert (await api().get(path(pair))).status_code == 404
        assert (await correct(api, pair, retracted=True)).status_code == 404
    nobody = await api().get(f"/subjects/{uuid4()}/disposition")
    assert nobody.status_code == 404


async def test_refusals_are_plain_sentences(api):
    """Each way of standing and leaving has its own words."""
    subject = await eligible_subject(api)
    await leave(api, subject, "died")
    body = {"event": "withdrew_consent", "event_date": "2026-06-01", "reason": "Letter."}
    answer = await api().post(f"/subjects/{subject['id']}/disposition", json=body)
    assert answer.json()["detail"] == (
        "For a subject who died, a withdrawal of consent cannot be recorded; check the subject's"
        " status."
    )
