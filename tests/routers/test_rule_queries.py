"""Queries that a rule asks: what makes them, takes them up, and lets them rest or come back."""

from asyncio import gather
from datetime import timedelta

from app.domain.vocabulary import Role
from tests.factories.events import adverse_event
from tests.factories.messages import laboratory, resolve, send, waiting
from tests.factories.queries import WHY, conflicting, queries, step, taken
from tests.factories.responses import GOOD, count, day, treated_subject
from tests.factories.rows import move_to
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    register,
)
from tests.interop.hl7v2.samples import ANC, message, msh, obr, obx, pid


async def test_an_implausible_result_in_the_inbox_asks(api):
    """It asks while the result waits; when that is resolved nothing is left to ask."""
    subject = await register(api)
    impossible = obx(ANC, "1300")
    await send(await laboratory(api), message(msh(), pid(), obr(), obx(), impossible))
    (item,) = await waiting(api)
    (query,) = await queries(api)
    assert query["subject_id"] == subject
    assert (query["rule_key"], query["origin"]) == (f"implausible_value:{item['id']}", "rule")
    assert (query["record_type"], query["record_id"]) == ("inbox_item", item["id"])
    assert (query["version"], query["opened"], query["status"]) == (0, None, "open")
    assert "1300" not in query["text"]
    answered = await taken(api(Role.STUDY_COORDINATOR), query, "answer")
    assert (answered["id"], answered["status"], answered["version"]) == (query["id"], "answered", 1)
    done = await resolve(api, item, action="reject")
    assert done.status_code == 200, done.text
    (resolved,) = await queries(api)
    assert (resolved["status"], resolved["version"]) == ("resolved", 1)
    refused = await step(api(Role.DATA_MANAGER), resolved, "close")
    assert (refused.status_code, refused.json()["code"]) == (409, "query_state")


async def test_a_missing_count_at_week_4_asks_from_the_day_after_its_window(api, clock):
    """The window ends on day 31; on day 32 it asks, and a count within the window settles it."""
    subject = await treated_subject(api, clock)

    async def missing():
        found = await queries(api, subject_id=subject["id"])
        return [each for each in found if each["rule_key"].startswith("blood_count_missing")]

    move_to(clock, day(31))
    assert await missing() == []
    move_to(clock, day(32))
    (query,) = await missing()
    assert (query["rule_key"], query["day"]) == (f"blood_count_missing:W4:{day(31)}", str(day(31)))
    await count(api, subject, {31: GOOD})
    assert await missing() == []
    gone = await api(Role.STUDY_COORDINATOR).get(f"/queries/{query['id']}")
    assert gone.status_code == 404


async def test_an_investigational_car_t_asks_what_e17_means(api, clock):
    """27 days before the first infusion it asks the site; a corrected product does not (C27)."""
    subject = await conflicting(api)
    (query,) = await queries(api)
    assert query["rule_key"] == f"car_t_investigational:E17:{FIRST_INFUSION - timedelta(days=27)}"
    assert (query["field"], query["subject_id"]) == ("car_t_was_investigational", subject["id"])
    path, etag = f"/subjects/{subject['id']}", {"If-Match": '"v1"'}
    body = {"car_t_was_investigational": False, "reason": WHY}
    corrected = await api(Role.STUDY_COORDINATOR).patch(path, json=body, headers=etag)
    assert corrected.status_code == 200, corrected.text
    assert await queries(api) == []


async def test_what_was_closed_stays_closed_and_comes_back_with_another_cause(api):
    """A closed question of a rule is not asked again, unless the cause is another one."""
    subject = await conflicting(api)
    (query,) = await queries(api)
    answered = await taken(api(), query, "answer")
    closed = await taken(api(Role.DATA_MANAGER), answered, "close")
    (shown,) = await queries(api)
    assert (shown["status"], shown["id"]) == ("closed", closed["id"])
    path, etag = f"/subjects/{subject['id']}", {"If-Match": '"v1"'}
    body = {"car_t_date": str(FIRST_INFUSION - timedelta(days=26)), "reason": WHY}
    moved = await api(Role.STUDY_COORDINATOR).patch(path, json=body, headers=etag)
    assert moved.status_code == 200, moved.text
    kept, new = await queries(api)
    assert (kept["id"], kept["status"]) == (query["id"], "closed")
    assert (new["status"], new["version"]) == ("open", 0)
    assert new["id"] != query["id"]


async def test_a_question_comes_back_with_its_cause(api):
    """Resolved while the cause is gone, a question waits again in the state it was left in."""
    subject = await conflicting(api)
    (query,) = await queries(api)
    await taken(api(), query, "answer")
    path, site = f"/subjects/{subject['id']}", api(Role.STUDY_COORDINATOR)
    for version, value, status in ((1, False, "resolved"), (2, True, "answered")):
        body = {"car_t_was_investigational": value, "reason": WHY}
        etag = {"If-Match": f'"v{version}"'}
        assert (await site.patch(path, json=body, headers=etag)).status_code == 200
        assert [each["status"] for each in await queries(api)] == [status]


async def test_two_take_up_the_same_question_and_one_wins(api):
    """Who read it before anybody took it up finds it in another version."""
    await conflicting(api)
    (query,) = await queries(api)
    await taken(api(), query, "answer")
    assert (await step(api(Role.DATA_MANAGER), query, "cancel")).status_code == 412
    assert (await step(api(), query | {"version": 7}, "answer")).status_code == 412
    (shown,) = await queries(api)
    assert (shown["status"], shown["version"]) == ("answered", 1)


async def test_of_two_who_take_up_a_question_at_once_one_wins(committing_api):
    """Each round: both read the same version, one step is made, the other is answered 412."""
    api = committing_api
    await conflicting(api)
    for version in range(3):
        (query,) = await queries(api)
        assert query["version"] == version
        answers = await gather(*(step(api(), query, "answer") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 412]
    (query,) = await queries(api)
    shown = (await api().get(f"/queries/{query['id']}")).json()
    assert (shown["version"], len(shown["messages"])) == (3, 3)


async def test_a_death_without_its_event_asks_until_it_is_recorded(api, clock):
    """Long after the window a death that nobody reported is asked about; the event settles it."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(60))
    body = {"event": "died", "event_date": str(day(50)), "reason": "Found dead at home."}
    path = f"/subjects/{subject['id']}/disposition"
    died = created(await api().post(path, json=body))

    async def asked() -> list[str]:
        found = await queries(api, subject_id=subject["id"])
        return [each["rule_key"] for each in found if each["rule_key"].startswith("death")]

    assert await asked() == [f"death_without_event:{died['id']}"]
    dead = {"grade": 5, "outcome": "fatal", "seriousness": ["death"], "term": "Sepsis"}
    await adverse_event(api, subject, day(50), **dead)
    assert await asked() == []
