"""Evidence moved over HTTP: decisions and adjudications whose facts were corrected, and reviews."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, select

from app.domain.vocabulary import Role
from app.models import Infusion
from tests.factories.events import adjudicate, adverse_event
from tests.factories.ladder import amend, decide, propose, treat, verdict
from tests.factories.moved import field, kinds, moved, part, review
from tests.factories.people import grant, join_at_console, newcomer, set_up_site, speaking_for
from tests.factories.rows import at, database_of, move_to, writing
from tests.factories.subjects import created
from tests.routers.test_adverse_events import change
from tests.routers.test_dlt_adjudications import sign

PI, SUB, CRC = Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR
DMC, AUDITOR = Role.SAFETY_COMMITTEE, Role.AUDITOR
START = date(2026, 6, 3)


@pytest.fixture
async def escalated(api, clock):
    """Three subjects treated on the lowest level without a DLT, and the next level opened."""
    subjects = await treat(api, clock, START, 3)
    return subjects, await decide(api, "escalate")


async def late(api, subject):
    """Record an event of the day of the first infusion."""
    return await adverse_event(api, subject, START)


async def event_of(api, event_id):
    """Read an event."""
    return (await api().get(f"/adverse-events/{event_id}")).json()


async def shift(api, subject, **columns):
    """Correct the first infusion of a subject."""
    async with writing(api, reason="Read from the source.") as (session, actor):
        query = select(Infusion).where(
            Infusion.study_id == actor.study_id, Infusion.subject_id == UUID(subject["id"])
        )
        row = (await session.scalars(query.order_by(Infusion.number))).first()
        for name, value in columns.items():
            setattr(row, name, value)


async def test_nothing_moves_by_itself(api, clock, escalated):
    """Time, further subjects and later events of a course move no decision."""
    assert await moved(api) == []
    clock.advance(days=40)
    later = await treat(api, clock, START + timedelta(days=80), 2)
    await adverse_event(api, later[0], START + timedelta(days=81))
    await adverse_event(api, escalated[0][0], START + timedelta(days=60))
    clock.advance(days=5)
    assert await moved(api) == []


async def test_a_late_dlt_moves_the_decision_and_its_verdict(api, escalated):
    """Decision and verdict say which record came late, by whom, and what follows now instead."""
    subjects, decision = escalated
    event_id = await adverse_event(api, subjects[0], START)
    decided, confirmed = await moved(api)
    assert (decided["type"], confirmed["type"]) == ("escalation_decision", "decision_verdict")
    assert (decided["id"], decided["basis_digest"]) == (decision["id"], decision["digest"])
    assert part(decided, "subject") == (
        {"state": "evaluable", "has_dlt": False, "open_items": 0},
        {"state": "unresolved", "has_dlt": False, "open_items": 1},
    )
    assert [each["action"] for each in part(decided, "recommendation")] == ["escalate", "hold"]
    assert part(decided, "admissible") == (True, {"refused": "decision_not_admissible"})
    (record,) = decided["moved"]
    assert (record["record_type"], record["record_id"]) == ("adverse_event", str(event_id))
    assert (record["movement"], record["version_before"]) == ("recorded", None)
    assert record["writes"][0]["actor_name"] == "Principal investigator (development)"
    await adjudicate(api, event_id, is_dlt=True)
    decided, confirmed = await moved(api)
    assert part(decided, "subject")[1]["has_dlt"] is True
    recorded = [each["record_type"] for each in decided["moved"]]
    assert recorded == ["adverse_event", "dlt_adjudication"]
    assert all(each["writes"] for each in decided["moved"])
    assert len(decided["signatures"]) == len(confirmed["signatures"]) == 1
    assert confirmed["moved"] == decided["moved"]
    assert decided["conclusion_changed"] is True


async def test_words_changed_after_the_judgement_are_named(api, clock):
    """No rule reads the narrative; the event has to be judged anew, and that moves the decision."""
    subjects = await treat(api, clock, START, 3)
    event_id = await late(api, subjects[0])
    await adjudicate(api, event_id, False)
    await decide(api, "escalate")
    assert await moved(api) == []
    changed = await change(api(CRC), await event_of(api, event_id), narrative="Typo mended.")
    assert changed.status_code == 200, changed.text
    found = {each["type"]: each for each in await moved(api)}
    assert set(found) == {"escalation_decision", "decision_verdict", "dlt_adjudication"}
    for each in found.values():
        (record,) = each["moved"]
        assert (record["record_type"], record["record_id"]) == ("adverse_event", str(event_id))
        assert (record["movement"], record["changes"]) == ("changed", [])
        assert record["writes"][0]["command"] == "change_adverse_event"
    await adjudicate(api, event_id, False)
    assert [each["status"] for each in await moved(api)] == ["renewed"]


async def test_an_event_judged_harmless_stops_moving_the_decision(api, escalated):
    """The decision reads again as it did once the late event is signed as no DLT, but for it."""
    event_id = await adverse_event(api, escalated[0][0], START)
    await adjudicate(api, event_id, is_dlt=False)
    decided, _ = await moved(api)
    assert (decided["conclusion_changed"], decided["conclusion"]) == (False, [])
    assert [each["record_id"] for each in decided["moved"]] == [str(event_id)]
    event = await event_of(api, event_id)
    assert (await change(api(CRC), event, retracted=True)).status_code == 200
    assert "escalation_decision" not in await kinds(api)


async def test_an_infusion_of_another_day_moves_the_decision(api, escalated):
    """A first infusion that was given three weeks later leaves its window open at the decision."""
    day = START + timedelta(days=21)
    changes = {name: at(day) for name in ("started_at", "stopped_at")}
    await shift(api, escalated[0][1], **changes)
    decided, _ = await moved(api)
    assert part(decided, "subject")[1]["state"] == "in_window"
    assert decided["moved"][0]["movement"] == "changed"
    assert [value[:10] for value in field(decided, "started_at")] == ["2026-06-03", "2026-06-24"]
    assert decided["moved"][0]["writes"][-1]["reason"] == "Read from the source."


async def test_what_no_rule_reads_moves_no_decision(api, escalated):
    """A note on an infusion is a new version of it, and the same evidence."""
    await shift(api, escalated[0][1], note="Bag label checked again.")
    assert await moved(api) == []


async def test_cells_counted_again_move_the_decision_without_changing_it(api, escalated):
    """The same recommendation on other facts is told, as such."""
    await shift(api, escalated[0][1], cells=119_000_000)
    decided, _ = await moved(api)
    assert (decided["conclusion_changed"], field(decided, "cells")) == (
        False,
        (120000000, 119000000),
    )


async def test_a_protocol_of_before_moves_what_was_decided_under_the_old_one(api, escalated):
    """A version activated since, in force from before the decision, is named by its activation."""
    await amend(api, "dlt", window_days=60)
    decided, _ = await moved(api)
    assert part(decided, "protocol")[1]["number"] == 2
    assert part(decided, "subject")[1]["state"] == "in_window"
    assert "protocol_activation" in [each["record_type"] for each in decided["moved"]]


async def test_an_expansion_is_told_as_one(api, clock, escalated):
    """The expansion and each step that led there rested on the subject with the late event."""
    await treat(api, clock, date(2026, 8, 1), 3, dlts=2)
    await decide(api, "stop_level")
    await decide(api, "refill_lower")
    await treat(api, clock, date(2026, 10, 1), 3)
    await decide(api, "declare_mtd")
    body = {"dose_level": "A", "reason": "Tolerated."}
    body["digest"] = (await api().get("/escalation")).json()["digest"]
    made = created(await api().post("/expansion", json=body))
    assert (await verdict(api, made)).status_code == 201
    # The DLTs of level B were recorded on the day on which its last place was given.
    assert await kinds(api) == ["enrolment"]
    await adverse_event(api, escalated[0][0], START)
    found = await moved(api)
    decided = [each["type"] for each in found if each["title"].startswith("Round")]
    assert sorted(set(decided)) == ["decision_verdict", "escalation_decision", "expansion"]
    assert found[-2]["title"] == "Round 5: open_expansion to level A"


async def test_a_proposal_that_was_given_up_binds_nobody(api, clock):
    """A withdrawn one is not told; of a rejected one the word that rejected it is."""
    subjects = await treat(api, clock, START, 3)
    first = (await propose(api, "escalate")).json()
    path = f"/escalation/decisions/{first['id']}/withdrawal"
    created(await api().post(path, json={"reason": "Wait."}))
    second = (await propose(api, "escalate")).json()
    assert (await verdict(api, second, "rejected")).status_code == 201
    await adverse_event(api, subjects[0], START)
    (word,) = await moved(api)
    assert (word["type"], word["title"]) == ("decision_verdict", "Round 2: escalate rejected")


async def test_a_changed_event_makes_its_adjudication_move(api, escalated, clock):
    """It was judged on grade 3; judged anew, the old answer is renewed by the new one."""
    subjects, _ = escalated
    event = await event_of(api, await adverse_event(api, subjects[0], START))
    judged = created(await sign(api(), event, is_dlt=False))
    assert "dlt_adjudication" not in await kinds(api)
    changed = (await change(api(CRC), event, grade=4)).json()
    found = (await moved(api))[-1]
    assert (found["type"], found["id"]) == ("dlt_adjudication", judged["id"])
    assert part(found, "event_version") == (1, 2)
    assert (field(found, "grade"), found["status"]) == ((3, 4), "open")
    assert (found["subject_id"], found["signatures"]) == (
        subjects[0]["id"],
        [judged["signature"]["id"]],
    )
    again = created(await sign(api(), changed, is_dlt=False))
    found = (await moved(api, status="renewed"))[-1]
    assert (found["id"], found["renewed_by"]) == (judged["id"], again["id"])


async def test_a_window_that_moved_moves_what_was_judged_in_it(api, escalated):
    """The event was proposed because it lay in the window; now the infusion came after it."""
    subjects, _ = escalated
    event = await event_of(api, await adverse_event(api, subjects[0], START, baseline_grade=3))
    created(await sign(api(), event, is_dlt=False))
    await shift(api, subjects[0], started_at=at(START + timedelta(days=2)), stopped_at=None)
    found = (await moved(api))[-1]
    before, after = part(found, "standing")
    assert (before["proposed"], before["reasons"]) == ("pending", ["severe_and_related"])
    assert (after["proposed"], after["reasons"]) == ("not_a_candidate", ["outside_window"])
    assert found["moved"][0]["record_type"] == "infusion"


async def test_the_past_knows_nothing_of_a_later_correction(api, session, escalated, clock):
    """As of a moment before the event was recorded, nothing had moved; a review is not there."""
    before = (await session.scalar(select(Infusion.recorded_at).limit(1))).isoformat()
    await adverse_event(api, escalated[0][0], START)
    clock.now = clock.now.replace(year=2027)
    assert len(await moved(api)) == 2
    assert await moved(api, as_of=before) == []


async def test_a_review_answers_one_movement(api, escalated):
    """Reviewed it is no more open; when the event is changed once more it is shown again."""
    event_id = await adverse_event(api, escalated[0][0], START)
    decided, confirmed = await moved(api, status="open")
    made = created(await review(api(DMC), decided, conclusion="to_be_revised"))
    assert (made["record_type"], made["record_id"]) == ("escalation_decision", decided["id"])
    assert [each["id"] for each in await moved(api, status="open")] == [confirmed["id"]]
    (reviewed,) = await moved(api, status="reviewed")
    (word,) = reviewed["reviews"]
    assert (word["conclusion"], word["current"]) == ("to_be_revised", True)
    assert word["role"] == "safety_committee"
    answer = (await api().get("/evidence-moved")).json()
    assert (answer["open"], answer["next"]) == (1, None)
    await change(api(CRC), await event_of(api, event_id), grade=4)
    again = await moved(api, status="open")
    assert [each["id"] for each in again] == [decided["id"], confirmed["id"]]
    assert [each["current"] for each in again[0]["reviews"]] == [False]
    refused = await review(api(), decided)
    assert (refused.status_code, refused.json()["code"]) == (409, "evidence_moved")


async def test_only_what_moved_is_reviewed_by_whom_it_concerns(api, escalated):
    """404 for what stands, 403 for who only reads, 422 for a word that is none."""
    decision = {"type": "escalation_decision", "id": escalated[1]["id"], "moved_digest": "x"}
    assert (await review(api(), decision)).status_code == 404
    await adverse_event(api, escalated[0][0], START)
    decided, _ = await moved(api, AUDITOR)
    assert (await review(api(AUDITOR), decided)).status_code == 403
    assert (await api(SUB).get("/evidence-moved")).status_code == 403
    assert (await review(api(), decided, conclusion="ignored")).status_code == 422
    assert (await review(api(), decided, text=" ")).status_code == 422


async def test_what_moved_costs_no_query_for_each_row(api, clock, session, escalated):
    """As many statements for six enrolments and three late events as for three and one."""

    async def statements():
        asked = []

        def count(_connection, _cursor, statement, *_rest):
            asked.append(statement)

        engine = database_of(api).engine.sync_engine
        event.listen(engine, "before_cursor_execute", count)
        await moved(api)
        event.remove(engine, "before_cursor_execute", count)
        return len(asked)

    for subject in escalated[0][:1]:
        created(await sign(api(), await event_of(api, await late(api, subject)), is_dlt=False))
    before = await statements()
    for subject in escalated[0][1:]:
        created(await sign(api(), await event_of(api, await late(api, subject)), is_dlt=False))
    await treat(api, clock, date(2026, 8, 1), 3)
    assert await statements() == before


async def test_records_of_another_site_are_only_counted(api, escalated, clock):
    """Who works at one site reads that the decision moved, and no record of the other site."""
    await adverse_event(api, escalated[0][0], START)
    move_to(clock, START + timedelta(days=60))
    await set_up_site(api, "02")
    other = await join_at_console(api, "adam", Role.ADMINISTRATOR)
    given = await grant(api, PI, person=newcomer("elsewhere"), site="02")
    path = f"/grants/{given['id']}/confirmation"
    created(await other.post(path, json={"reason": "Seen the letter."}))
    there = speaking_for(api, "elsewhere")
    items = (await there.get("/evidence-moved")).json()["items"]
    assert [(item["moved"], item["moved_elsewhere"]) for item in items] == [([], 1), ([], 1)]
