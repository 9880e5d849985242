"""Operations over HTTP, recounted from the lists that people work with."""

from collections import Counter
from datetime import datetime, timedelta
from statistics import median

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.events import adverse_event
from tests.factories.messages import laboratory, local, of, resolved, send, undecodable, waiting
from tests.factories.people import set_up_site, working_at
from tests.factories.queries import ask, conflicting, queries, taken
from tests.factories.responses import GOOD, count, day, treated_subject
from tests.factories.rows import at, move_to
from tests.factories.subjects import created, register
from tests.interop.hl7v2.samples import ANC, PLT, message, msh, obr, obx, pid

SPANS = {"collected_to_recorded": "collected_at", "reported_to_recorded": "reported_at"}


async def operations(api, role=Role.SPONSOR, **query):
    """Read the operations metrics."""
    answer = await api(role).get("/metrics/operations", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def complete(metrics, item, level=None):
    """Give expected, on record and rate of one item."""
    group = next(each for each in metrics["completeness"] if each["level"] == level)
    found = next(each for each in group["items"] if each["item"] == item)
    return found["expected"], found["on_record"], found["rate"]


def waits(metrics):
    """Give how many queries wait, by origin and by rule."""
    found = metrics["queries"]
    origins = {x["origin"]: (x["open"], x["answered"]) for x in found["origins"]}
    return found["pending"], origins, {k: v for k, v in found["by_rule"].items() if v}


def turnaround(metrics, span, route=None):
    """Pick the summary of one span and route."""
    found = metrics["turnaround"]
    return next(x for x in found if (x["span"], x["route"]) == (span, route))


async def trial(api, clock):
    """Treat two on A and one on B who waits for its second infusion; one is in screening."""
    first, second = [await treated_subject(api, clock) for _ in range(2)]
    third = await treated_subject(api, clock, level="B")
    await register(api)
    move_to(clock, day(33))
    await count(api, first, {7: GOOD, 14: GOOD, 28: GOOD})
    await count(api, second, {7: GOOD, 28: {"ANC": 1.5}})
    await adverse_event(api, first, day(2))
    return first, second, third


async def test_completeness_worked_by_hand(api, clock):
    """Week 3 is missed by both of A, week 2 by one; one count of week 4 is not complete."""
    await trial(api, clock)
    metrics = await operations(api)
    assert complete(metrics, "infusion") == (4, 3, 0.75)
    assert complete(metrics, "infusion", "A") == (2, 2, 1)
    assert complete(metrics, "infusion_volume") == (3, 3, 1)
    # The second infusion of B is missed, so its visits count from the first.
    assert complete(metrics, "visit", "A") == (8, 5, 0.625)
    assert complete(metrics, "visit", "B") == (4, 0, 0)
    assert complete(metrics, "blood_count", "A") == (2, 1, 0.5)
    assert complete(metrics, "blood_count", "B") == (1, 0, 0)
    assert complete(metrics, "causality") == (1, 1, 1)
    assert complete(metrics, "visit", "C") == (0, 0, None)
    whole = metrics["completeness"][0]
    assert (whole["level"], whole["subjects"]) == (None, 4)


async def test_work_and_overdue_are_those_of_the_list_of_visits(api, clock):
    """Each infusion and visit is recounted from what people work through, day after day."""
    await trial(api, clock)
    seen = set()
    for number in (33, 35, 36, 38):
        move_to(clock, day(number))
        listed = (await api().get("/visits")).json()["items"]
        metrics = await operations(api)
        shown = {
            (x["kind"], x["name"], status): n
            for x in metrics["worklist"]
            for status, n in x["statuses"].items()
            if n
        }
        assert shown == Counter((x["kind"], x["name"], x["status"]) for x in listed)
        late = [x for x in listed if x["status"] == "overdue" and x["kind"] == "visit"]
        overdue = next(x for x in metrics["overdue"] if x["kind"] == "visit")
        days = [(day(number) - datetime.fromisoformat(x["target_day"]).date()).days for x in late]
        assert (overdue["items"], overdue["longest_days"]) == (len(late), max(days, default=None))
        assert overdue["subjects"] == len({x["subject_id"] for x in late})
        seen.add(len(late))
    assert len(seen) > 1


async def test_queries_are_those_of_the_list(api, clock):
    """Persons' and rules' questions, taken up or not, and one about a value that cannot be."""
    subjects = await trial(api, clock)
    await conflicting(api)
    asked = [created(await ask(api, subjects[0]["id"])) for _ in range(3)]
    await taken(api(), asked[0], "answer")
    await taken(api(Role.DATA_MANAGER), asked[1], "cancel")
    sender = await laboratory(api)
    await send(sender, message(msh(), pid(subjects[0]["number"]), obr(), obx(ANC, "1300")))
    found = await queries(api)
    car_t = next(x for x in found if (x["rule_key"] or "").startswith("car_t_inv"))
    await taken(api(), car_t, "answer")
    found = await queries(api)
    pending = [x for x in found if x["status"] in ("open", "answered")]
    assert len(pending) < len(found)
    total, origins, rules = waits(await operations(api))
    assert total == len(pending)
    for origin, (opened, answered) in origins.items():
        statuses = Counter(x["status"] for x in pending if x["origin"] == origin)
        assert (opened, answered) == (statuses["open"], statuses["answered"])
        assert min(opened, answered) > 0, "each origin has both, or this test shows nothing"
    assert rules == Counter(x["rule_key"].split(":")[0] for x in pending if x["rule_key"])
    assert {"implausible_value", "car_t_investigational", "blood_count_missing"} <= set(rules)


async def test_a_query_that_was_settled_does_not_wait(api, clock):
    """The count of week 4 asks until it is recorded; taken up before, it is resolved then."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(32))
    (query,) = await queries(api, subject_id=subject["id"])
    assert waits(await operations(api))[2] == {"blood_count_missing": 1}
    ages = next(x for x in (await operations(api))["queries"]["origins"] if x["origin"] == "rule")
    assert ages["ages"]["up_to_7_days"] == 1
    move_to(clock, day(41))
    ages = next(x for x in (await operations(api))["queries"]["origins"] if x["origin"] == "rule")
    assert ages["ages"]["up_to_14_days"] == 1
    await taken(api(), query, "answer")
    assert waits(await operations(api))[1]["rule"] == (0, 1)
    await count(api, subject, {31: GOOD})
    (settled,) = await queries(api, subject_id=subject["id"])
    assert settled["status"] == "resolved"
    assert waits(await operations(api))[0] == 0


async def test_a_closed_question_of_a_rule_stays_closed(api):
    """Its cause is still there, and nobody has to answer it again."""
    await conflicting(api)
    (query,) = await queries(api)
    assert waits(await operations(api))[0] == 1
    answered = await taken(api(), query, "answer")
    await taken(api(Role.DATA_MANAGER), answered, "close")
    assert waits(await operations(api))[0] == 0


async def test_the_inbox_is_that_of_the_list(api, clock):
    """Items by reason and kind, the results they stand for, and the oldest in days."""
    await register(api)
    sender = await laboratory(api)
    await send(sender, of("MRN-7", local()))
    first = (await operations(api))["inbox"]
    assert (first["items"], first["oldest_days"]) == (1, 0)
    clock.advance(days=3)
    await send(sender, undecodable(obx(PLT, "60"), control_id="M-3"))
    await send(sender, of("MRN-7", obx(PLT, "40"), control_id="M-2", accession="A-2"))
    listed = await waiting(api)
    found = (await operations(api))["inbox"]
    assert (found["items"], found["oldest_days"]) == (len(listed), 3)
    assert found["results"] == sum(x["results"] for x in listed)
    assert found["by_kind"] == {"task": 0, "message": 0} | Counter(x["kind"] for x in listed)
    reasons = Counter(reason["code"] for x in listed for reason in x["reasons"])
    assert found["by_reason"] == reasons
    assert len(reasons) > 2
    oldest = min(listed, key=lambda item: item["received_at"])
    await resolved(api, oldest, action="reject")
    later = (await operations(api))["inbox"]
    assert (later["items"], later["oldest_days"]) == (len(listed) - 1, 0)


async def test_turnaround_follows_from_the_single_results(api, clock):
    """Whole minutes from collection and report to the record, each result once."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(30))
    reported = at(day(14), 15).isoformat()
    await count(api, subject, {14: GOOD}, reported_at=reported)
    ids = await count(api, subject, {7: GOOD, 28: GOOD})
    sender = await laboratory(api)
    collected = f"{at(day(20)):%Y%m%d%H%M%S}+0000"
    specimen = obr("A-9", {7: collected, 22: collected})
    await send(sender, message(msh(), pid(subject["number"]), specimen, obx(PLT, "98")))

    async def check():
        listed = (await api().get("/labs", params={"versions": "all", "limit": 200})).json()
        assert listed["next"] is None
        metrics = await operations(api)
        first = {}
        usable = ("final", "corrected", "amended")
        for item in listed["items"]:
            if item["status"] in usable:
                first.setdefault(item["result_id"], item)
        current = (x for x in listed["items"] if x["is_current"])
        counting = {x["result_id"] for x in current if x["status"] in usable}
        results = [x for key, x in first.items() if key in counting]
        for span, field in SPANS.items():
            for route, kept in ((None, (True, False)), ("message", (True,)), ("entry", (False,))):
                own = [x for x in results if (x["message_id"] is not None) in kept]
                minutes = [
                    (moment(x["recorded_at"]) - moment(x[field])) // timedelta(minutes=1)
                    for x in own
                    if x[field]
                ]
                shown = turnaround(metrics, span, route)
                assert (shown["results"], shown["untimed"]) == (
                    len(minutes), len(own) - len(minutes),
                )  # fmt: skip
                assert shown["median_minutes"] == (median(minutes) if minutes else None)
        return turnaround(metrics, "collected_to_recorded")["results"]

    before = await check()
    assert turnaround(await operations(api), "collected_to_recorded", "message")["results"] == 1
    corrections = {"reason": "Mistyped.", "value": 99, "unit": "10*9/L"}
    # Were the correction's times counted, this report would be timed.
    corrections["reported_at"] = at(day(29)).isoformat()
    path = f"/labs/{ids['PLT7']}/corrections"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=corrections))
    assert await check() == before
    withdrawn = {"reason": "Another patient's.", "status": "entered_in_error"}
    path = f"/labs/{ids['PLT28']}/corrections"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=withdrawn))
    assert await check() == before - 1
    early = await count(api, subject, {21: {"ANC": 1.1}}, status="preliminary")
    assert await check() == before - 1
    final = {"reason": "Confirmed.", "value": 1.2, "unit": "10*9/L", "status": "final"}
    path = f"/labs/{early['ANC21']}/corrections"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=final))
    assert await check() == before


def moment(value):
    """Read an instant of an answer."""
    return datetime.fromisoformat(value)


@pytest.mark.parametrize(
    ("told", "timed"), [("20260520", 0), ("2026052008", 0), ("202605200815", 1)]
)
async def test_a_collection_told_by_the_day_or_hour_is_not_timed(api, told, timed):
    """A whole minute cannot be told from it."""
    await register(api)
    sender = await laboratory(api)
    specimen = obr("A-9", {7: told, 22: told})
    await send(sender, message(msh(), pid(), specimen, obx(PLT, "98")))
    found = turnaround(await operations(api), "collected_to_recorded")
    assert (found["results"], found["untimed"]) == (timed, 1 - timed)


async def test_every_site_is_counted_and_no_subject_is_named(api, clock):
    """Somebody of another hospital, whose own lists are empty, reads the same numbers."""
    subjects = await trial(api, clock)
    created(await ask(api, subjects[0]["id"]))
    sender = await laboratory(api)
    await send(sender, message(msh(), pid(subjects[0]["number"]), obr(), obx(ANC, "1300")))
    await set_up_site(api, "02")
    other = await working_at(api, "02", Role.STUDY_COORDINATOR, "cora")
    assert (await other.get("/queries")).json()["items"] == []
    answer = await other.get("/metrics/operations")
    assert answer.status_code == 200, answer.text
    assert answer.json() == await operations(api)
    assert (answer.json()["inbox"]["items"], waits(answer.json())[1]["person"]) == (1, (1, 0))
    for subject in subjects:
        assert subject["number"] not in answer.text
        assert subject["id"] not in answer.text


async def test_the_past_is_counted_as_it_was(api, clock, session):
    """As of a moment before the answer a query is open, and the inbox item still waits."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    move_to(clock, now.date() + timedelta(days=2))
    subject = await register(api)
    query = created(await ask(api, subject))
    sender = await laboratory(api)
    await send(sender, message(msh(), pid(), obr(), obx(ANC, "1300")))
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    (item,) = await waiting(api)
    await resolved(api, item, action="reject")
    await taken(api(), query, "answer")
    present, before = await operations(api), await operations(api, as_of=between.isoformat())
    assert (present["inbox"]["items"], before["inbox"]["items"]) == (0, 1)
    assert waits(present)[1]["person"] == (0, 1)
    assert waits(before)[1]["person"] == (1, 0)
    assert (waits(present)[2], waits(before)[2]) == ({}, {"implausible_value": 1})
    assert before["as_of"] is not None
    assert present["evidence_digest"] != before["evidence_digest"]


@pytest.mark.parametrize("name", ["query", "inbox"])
async def test_a_poll_sees_what_is_no_fact_of_a_subject(api, name):
    """A query and an inbox item are read anew: the ETag moves with each, and with nothing else."""
    subject = await register(api)
    sender = await laboratory(api)
    client = api(Role.SPONSOR)
    tag = {"If-None-Match": (await client.get("/metrics/operations")).headers["etag"]}
    assert (await client.get("/metrics/operations", headers=tag)).status_code == 304
    if name == "query":
        created(await ask(api, subject))
    else:
        await send(sender, of("MRN-7", local()))
    assert (await client.get("/metrics/operations", headers=tag)).status_code == 200


async def test_the_answer_is_as_documented(api, app, clock):
    """Keys, numbers and words are those of the document; before any data too."""
    empty = await api().get("/metrics/operations")
    assert misfits(app, "read_operations_metrics", empty) == []
    assert (empty.json()["worklist"], empty.json()["inbox"]["oldest_days"]) == ([], None)
    await trial(api, clock)
    answer = await api().get("/metrics/operations")
    assert misfits(app, "read_operations_metrics", answer) == []
