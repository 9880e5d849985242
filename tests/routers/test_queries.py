"""Queries over HTTP: what people ask, how it is answered, and who may close it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.ids import new_id
from app.domain.redaction import REDACTED
from app.domain.vocabulary import Role
from tests.factories.dosing import prescribe
from tests.factories.events import adverse_event
from tests.factories.labs import refusal
from tests.factories.people import grant, holding, newcomer, set_up_site, speaking_for, working_at
from tests.factories.queries import WHY, ask, conflicting, queries, step, taken
from tests.factories.responses import treated_subject
from tests.factories.rows import move_to, owners_session, writing
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    register,
)


async def test_a_query_goes_from_a_person_to_an_answer_to_another_person(api):
    """Opened by the monitor, answered by the coordinator, closed by the data manager."""
    subject = await register(api)
    made = created(await ask(api, subject, record_id=subject, field="weight_kg"))
    assert (made["origin"], made["status"], made["version"]) == ("person", "open", 1)
    assert (made["opened"]["text"], made["opened"]["role"]) == (made["text"], "monitor")
    assert (made["subject_number"], made["rule_key"], made["messages"]) == ("S-001", None, [])
    answered = await taken(api(Role.STUDY_COORDINATOR), made, "answer")
    assert (answered["status"], answered["version"]) == ("answered", 2)
    closed = await taken(api(Role.DATA_MANAGER), answered, "close")
    assert (closed["status"], closed["answered_by"]) == ("closed", answered["answered_by"])
    assert closed["closed_by"] not in (None, closed["answered_by"])
    said = [(each["action"], each["role"], each["text"]) for each in closed["messages"]]
    assert said == [("answer", "study_coordinator", WHY), ("close", "data_manager", WHY)]
    reopened = await taken(api(Role.MONITOR), closed, "reopen")
    assert (reopened["status"], reopened["answered_by"], reopened["closed_by"]) == (
        "open", None, None,
    )  # fmt: skip
    cancelled = await taken(api(Role.MONITOR), reopened, "cancel")
    assert await queries(api, status="open") == []
    (shown,) = await queries(api, status="cancelled", origin="person", subject_id=subject)
    assert shown | {"as_of": ""} == cancelled | {"as_of": ""}


async def test_steps_that_lead_nowhere_are_refused_with_a_sentence(api):
    """An open query cannot be closed, a closed one not be answered, and nothing is stored."""
    made = created(await ask(api, await register(api)))
    monitor, site = api(Role.MONITOR), api(Role.SUB_INVESTIGATOR)
    for action in ("close", "reopen"):
        answer = await step(monitor, made, action)
        assert (answer.status_code, answer.json()["code"]) == (409, "query_state")
    closed = await taken(monitor, await taken(site, made, "answer"), "close")
    for client, action in ((site, "answer"), (monitor, "close"), (monitor, "cancel")):
        answer = await step(client, closed, action)
        assert (answer.status_code, answer.json()["code"]) == (409, "query_state")
    (shown,) = await queries(api)
    assert (shown["version"], len(shown["messages"])) == (3, 2)


async def test_each_side_has_its_part(api):
    """The site answers and closes nothing; data management closes and answers nothing."""
    made = created(await ask(api, await register(api)))
    answer = await step(api(Role.MONITOR), made, "answer")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_does_not_answer")
    for action in ("close", "reopen", "cancel"):
        answer = await step(api(), made, action)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_does_not_close")
    for role in (Role.PRINCIPAL_INVESTIGATOR, Role.SPONSOR, Role.AUDITOR, Role.SAFETY_COMMITTEE):
        assert (await ask(api, made["subject_id"], role)).status_code == 403
    for role in (Role.SPONSOR, Role.SAFETY_COMMITTEE, Role.ADMINISTRATOR):
        assert (await api(role).get("/queries")).status_code == 403
    assert len(await queries(api, Role.AUDITOR)) == 1


async def test_nobody_closes_on_their_own_answer(api):
    """Who answered as a coordinator and became a data manager is refused; somebody else is not."""
    made = created(await ask(api, await register(api)))
    given = await grant(api, Role.STUDY_COORDINATOR, person=newcomer("vera"))
    vera = speaking_for(api, "vera")
    answered = await taken(vera, made, "answer")
    ended = await api(Role.ADMINISTRATOR).post(
        f"/grants/{given['id']}/revocation", json={"reason": "Takes over data management."}
    )
    assert ended.status_code == 201, ended.text
    await grant(api, Role.DATA_MANAGER, person_id=given["person"]["id"])
    answer = await step(vera, answered, "close")
    assert (answer.status_code, answer.json()["code"]) == (403, "two_persons")
    assert (await taken(api(Role.MONITOR), answered, "close"))["status"] == "closed"


async def test_nobody_of_both_sides_ends_a_query_alone(api):
    """Asks, answers, and can neither close nor cancel: not even reopened, nor over an answer."""
    both = await holding(api, "dora", (Role.DATA_MANAGER, None), (Role.STUDY_COORDINATOR, None))
    body = {"subject_id": await register(api), "record_type": "subject", "text": "Is it right?"}
    asked = created(await both.post("/queries", json=body))

    async def cannot(query, *actions):
        for action in actions:
            answer = await step(both, query, action)
            assert (answer.status_code, answer.json()["code"]) == (403, "two_persons"), action

    mine = await taken(both, asked, "answer")
    await cannot(mine, "close", "cancel")
    over = await taken(api(), mine, "answer")
    await cannot(over, "close", "cancel")
    reopened = await taken(both, over, "reopen")
    await cannot(reopened, "cancel")
    done = await taken(api(Role.MONITOR), reopened, "cancel")
    assert done["closed_by"] not in (None, mine["answered_by"])


@pytest.mark.parametrize("status", ["closed", "cancelled"])
async def test_the_database_itself_asks_for_two_persons(api, status):
    """An update past the service that ends what one answered, be it first, fails."""
    made = created(await ask(api, await register(api)))
    first = await taken(api(), made, "answer")
    await taken(api(Role.STUDY_COORDINATOR), first, "answer")
    end = "UPDATE query SET status = :status, closed_by = :who WHERE id = :id"
    values = {"status": status, "who": first["answered_by"], "id": made["id"]}
    async with writing(api, reason="By hand.") as (session, _):
        with pytest.raises(DBAPIError, match="ck_query_two_persons"):
            await session.execute(text(end), values)
        await session.rollback()


async def test_a_change_names_its_version(api):
    """Without If-Match 428, in a version that is gone 412."""
    made = created(await ask(api, await register(api)))
    site = api(Role.STUDY_COORDINATOR)
    body = {"action": "answer", "reason": WHY}
    assert (await site.patch(f"/queries/{made['id']}", json=body)).status_code == 428
    await taken(site, made, "answer")
    assert (await step(site, made, "answer")).status_code == 412
    missing = made | {"id": str(new_id())}
    assert (await step(site, missing, "answer")).status_code == 404


async def test_a_query_is_about_something_that_is_there(api):
    """Unknown types, fields and records, and the records of somebody else, are refused."""
    subject, other = await register(api), await register(api)
    refused = (
        ({"record_type": "grant"}, (422, "unknown_record_type", "/body/record_type")),
        ({"field": "colour"}, (422, "unknown_field", "/body/field")),
        ({"field": "study_id"}, (422, "unknown_field", "/body/field")),
        ({"text": " "}, (422, "value_error", "/body/text")),
    )
    for changes, expected in refused:
        answer = await ask(api, subject, **changes)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
            expected[0], expected[2],
        )  # fmt: skip
    assert (await ask(api, subject, record_id=other)).status_code == 404
    assert (await ask(api, subject, record_id=str(new_id()))).status_code == 404
    assert (await ask(api, str(new_id()))).status_code == 404
    assert await queries(api) == []


async def test_a_query_is_about_any_record_of_the_subject(api, clock):
    """An event, its adjudication, an infusion: each is found to be the subject's."""
    subject = await treated_subject(api, clock)
    event = await adverse_event(api, subject, FIRST_INFUSION)
    path = f"/adverse-events/{event}/dlt-adjudications"
    body = {"is_dlt": False, "adverse_event_version": 1, "rationale": "Not of the cells."}
    signed = created(await api().post(path, json=body))
    signed = signed.get("record", signed)
    infusion = (await api().get(f"/subjects/{subject['id']}/infusions")).json()["items"][0]
    for record_type, record_id in (
        ("adverse_event", str(event)),
        ("dlt_adjudication", signed["id"]),
        ("infusion", infusion["id"]),
    ):
        target = {"record_type": record_type, "record_id": record_id}
        assert created(await ask(api, subject["id"], **target))["record_type"] == record_type


async def test_the_past_shows_the_query_as_it_stood(api, clock):
    """Before the answer it was open, with nothing said; before it was asked it was not there."""
    made = created(await ask(api, await register(api)))
    answered = await taken(api(), made, "answer")
    (said,) = answered["messages"]
    clock.now = datetime.fromisoformat(said["at"]) + timedelta(days=1)
    path = f"/queries/{made['id']}"
    shown = (await api().get(path, params={"as_of": said["at"]})).json()
    assert (shown["status"], shown["version"], shown["messages"]) == ("open", 1, [])
    assert shown["opened"] == made["opened"]
    before = await api().get(path, params={"as_of": made["opened"]["at"]})
    assert before.status_code == 404
    assert (await api().get(path)).json()["messages"] == [said]


async def test_pages_of_queries(api):
    """Two at a time, each query once; a cursor of another list is refused."""
    subjects = [await register(api) for _ in range(2)]
    made = [created(await ask(api, subject))["id"] for subject in subjects for _ in range(2)]
    found, query = [], {"limit": 3}
    for _ in range(2):
        page = (await api().get("/queries", params=query)).json()
        found += [item["id"] for item in page["items"]]
        query = query | {"cursor": page["next"]}
    assert (found, page["next"]) == (made, None)
    other = {"cursor": "AAAAAAAAAAAAAAAAAAAAAA"}
    answer = await api().get("/queries", params=other)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_the_cell_laboratory_sees_and_answers_what_is_about_its_product(api, clock):
    """Questions about infusions and bags; those about the clinic are not there for it."""
    subject = await eligible_subject(api)
    created(await ask(api, subject["id"]))
    move_to(clock, FIRST_INFUSION)
    answer = await api(Role.STUDY_COORDINATOR).post(f"/subjects/{subject['id']}/enrolment", json={})
    assert answer.status_code == 201, answer.text
    infusion = await prescribe(api, subject["id"])
    target = {"record_type": "infusion", "record_id": infusion["id"]}
    about = created(await ask(api, subject["id"], **target))
    (seen,) = await queries(api, Role.CELL_LABORATORY)
    assert seen["id"] == about["id"]
    clinic = next(each for each in await queries(api) if each["id"] != about["id"])
    pharmacy = api(Role.CELL_LABORATORY)
    assert (await pharmacy.get(f"/queries/{clinic['id']}")).status_code == 404
    assert (await step(pharmacy, clinic, "answer")).status_code == 404
    assert (await taken(pharmacy, about, "answer"))["status"] == "answered"


async def test_another_site_sees_no_query(api):
    """Neither recorded ones nor what a rule asks about a subject of the first site."""
    await conflicting(api)
    made = created(await ask(api, (await queries(api))[0]["subject_id"]))
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.DATA_MANAGER, "dora")
    assert (await client.get("/queries")).json()["items"] == []
    assert (await client.get(f"/queries/{made['id']}")).status_code == 404
    assert (await client.get("/queries", params={"subject": made["subject_id"]})).status_code == 404


@pytest.mark.parametrize("wanted", [{"status": "lost"}, {"origin": "nobody"}, {"colour": "red"}])
async def test_unknown_filters_are_refused(api, wanted):
    """A misspelt filter would show the wrong list."""
    answer = await api().get("/queries", params=wanted)
    assert answer.status_code == 422
    assert refusal(answer)[2].startswith("/query/")


async def test_what_names_somebody_is_redacted_with_its_trail(committing_api):
    """The question and the answer lose their words; the query goes on from where it stood."""
    api = committing_api
    made = created(await ask(api, await register(api), text="Did Zz-canary say so?"))
    answer = {"action": "answer", "reason": "Yes, Zz-canary did."}
    path, etag = f"/queries/{made['id']}", {"If-Match": '"v1"'}
    answered = await api().patch(path, json=answer, headers=etag)
    assert answered.status_code == 200, answered.text
    async with owners_session(api) as session:
        message = await session.scalar(text("SELECT id FROM query_message"))
    for record_type, record_id in (("query", made["id"]), ("query_message", str(message))):
        target = {"record_type": record_type, "record_id": record_id, "field": "text"}
        wish = target | {"reason": "It names somebody."}
        asked = created(await api().post("/redactions", json=wish))
        done = f"/redactions/{asked['id']}/execution"
        created(await api(Role.DATA_MANAGER).post(done, json={"reason": "As asked."}))
    shown = await api(Role.AUDITOR).get(path)
    assert (shown.json()["text"], shown.json()["version"]) == (REDACTED, 2)
    assert shown.json()["messages"][0]["text"] == REDACTED
    trail = await api(Role.AUDITOR).get("/audit/changes", params={"limit": 200})
    assert "Zz-canary" not in shown.text + trail.text
    assert (await taken(api(Role.MONITOR), shown.json(), "close"))["status"] == "closed"
