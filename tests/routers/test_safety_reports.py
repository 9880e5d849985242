"""Safety reports over HTTP: clocks, what was sent, what came to light, the overdue list."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.people import set_up_site, working_at
from tests.factories.subjects import created, register
from tests.routers.test_adverse_events import change

SUSAR = {
    "term": "Sepsis",
    "grade": 4,
    "seriousness": ["life_threatening"],
    "causality": "possible",
    "onset_at": "2026-05-31T23:00:00+08:00",
    "aware_at": "2026-05-31T23:30:00+08:00",
    "action_taken": "none",
    "outcome": "not_recovered",
}


@pytest.fixture
async def subject(api) -> str:
    """A subject who consented."""
    return await register(api)


@pytest.fixture
def report(api, subject):
    """Record an event that is serious, related and unexpected, unless told otherwise."""

    async def made(**changes) -> dict:
        body = {"subject_id": subject} | SUSAR | changes
        return created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body))

    return made


async def read(api, event: dict, **params) -> dict:
    """Read how an event is classified and its clocks."""
    answer = await api(Role.MONITOR).get(
        f"/adverse-events/{event['id']}/safety-reports", params=params
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def statuses(api, event: dict) -> list[tuple[str, str]]:
    """List the kinds of an event's clocks with what became of each."""
    return [(each["kind"], each["status"]) for each in (await read(api, event))["clocks"]]


async def send(api, event: dict, kind: str, sent_at: str, **changes):
    """Record that the clock of a kind was answered."""
    clocks = (await read(api, event))["clocks"]
    clock = next(each for each in clocks if each["kind"] == kind)
    body = {name: clock[name] for name in ("jurisdiction", "kind", "counted_from")}
    return await api(Role.STUDY_COORDINATOR).post(
        f"/adverse-events/{event['id']}/safety-reports", json=body | {"sent_at": sent_at} | changes
    )


async def overdue(client) -> list[tuple[str, str]]:
    """List what should have been sent: the term and the kind."""
    answer = await client.get("/safety-reports", params={"status": "overdue"})
    assert answer.status_code == 200, answer.text
    return [(each["term"], each["kind"]) for each in answer.json()["items"]]


async def test_clocks_run_are_answered_and_run_over(api, report, clock):
    """Noon of the first of June: two clocks run; a week later one was sent and one is overdue."""
    event = await report()
    found = await read(api, event)
    assert found["classes"] == ["serious", "susar_fatal_or_life_threatening"]
    assert (found["expectedness"]["expected"], found["expectedness"]["source"]) == (
        None, "undecided",
    )  # fmt: skip
    assert {each["status"] for each in found["clocks"]} == {"open"}
    assert found["clocks"][1]["counted_from_day"] == "2026-05-31"
    sent = created(await send(api, event, "serious_initial", "2026-06-01T11:00:00+08:00"))
    assert (sent["event_version"], sent["late_reason"]) == (1, None)
    clock.advance(days=7)
    assert await statuses(api, event) == [
        ("serious_initial", "sent"), ("susar_initial", "overdue"), ("susar_complete", "open"),
    ]  # fmt: skip
    assert await overdue(api()) == [("Sepsis", "susar_initial")]


async def test_a_report_sent_late_says_why_and_is_a_deviation(api, report, subject, clock):
    """Overdue or late, it is among the deviations; in time or taken back it is not there."""

    async def late() -> list[str]:
        items = (await api().get("/deviations", params={"subject_id": subject})).json()["items"]
        return [item["sentence"] for item in items if item["code"] == "safety_report_late"]

    event = await report(expected=True)
    assert await late() == []
    clock.advance(days=2)
    assert await late() == ["The report serious initial to the sponsor is overdue."]
    moment = "2026-06-02T12:00:00+08:00"
    refused = await send(api, event, "serious_initial", moment)
    assert (refused.status_code, refused.json()["code"]) == (422, "late_reason_missing")
    why = {"late_reason": "The portal was down."}
    sent = created(await send(api, event, "serious_initial", moment, **why))
    assert await statuses(api, event) == [("serious_initial", "sent_late")]
    assert await late() == ["The report serious initial to the sponsor was sent late."]
    path = f"/adverse-events/{event['id']}/safety-reports/{sent['id']}/retraction"
    created(await api().post(path, json={"reason": "Of another subject."}))
    assert await statuses(api, event) == [("serious_initial", "overdue")]
    created(await send(api, event, "serious_initial", "2026-06-01T11:00:00+08:00"))
    assert await late() == []
    first, second = (await read(api, event))["reports"]
    assert (first["retracted"], first["retraction_reason"]) == (True, "Of another subject.")
    assert (second["retracted"], second["retraction_reason"]) == (False, None)
    again = await api().post(path, json={"reason": "Of another subject."})
    assert (again.status_code, again.json()["code"]) == (409, "retracted_already")


async def test_what_is_no_report_of_a_clock_is_refused(api, report):
    """Twice, for no clock, of a version to come, of the future, and back in another event."""
    event, other = await report(), await report()
    moment = "2026-06-01T11:00:00+08:00"
    ahead = await send(api, event, "serious_initial", moment, event_version=2)
    assert (ahead.status_code, ahead.json()["code"]) == (422, "no_such_version")
    sent = created(await send(api, event, "serious_initial", moment, event_version=1))
    for kind, changes, code in (
        ("serious_initial", {}, "report_sent"),
        ("serious_initial", {"jurisdiction": "EU"}, "no_such_clock"),
        ("susar_initial", {"counted_from": moment}, "no_such_clock"),
        ("susar_initial", {"sent_at": "2027-01-01T00:00:00Z"}, "future_moment"),
        ("susar_initial", {"sent_at": "2026-05-31T15:29:59Z"}, "sent_before_start"),
        ("susar_initial", {"late_reason": "None."}, "late_reason_not_needed"),
    ):
        refused = await send(api, event, kind, **{"sent_at": moment} | changes)
        assert (refused.status_code in (409, 422), refused.json()["code"]) == (True, code)
    path = f"/adverse-events/{other['id']}/safety-reports/{sent['id']}/retraction"
    assert (await api().post(path, json={"reason": "By mistake."})).status_code == 404


async def test_follow_up_information_starts_its_own_clock(api, report, clock):
    """Fifteen days from its receipt; taken back it starts none, and both stay on record."""
    event = await report()
    clock.advance(days=3)
    path = f"/adverse-events/{event['id']}/follow-ups"
    body = {"received_at": "2026-06-03T10:00:00+08:00", "summary": "Klebsiella grew."}
    made = created(await api(Role.STUDY_COORDINATOR).post(path, json=body))
    news = (await read(api, event))["clocks"][-1]
    assert (news["kind"], news["due_day"]) == ("susar_new_information", "2026-06-18")
    assert news["counted_from"] == "2026-06-03T02:00:00Z"
    created(await send(api, event, "susar_new_information", "2026-06-04T10:00:00+08:00"))
    assert ("susar_new_information", "sent") in await statuses(api, event)
    created(await api().post(f"{path}/{made['id']}/retraction", json={"reason": "Not hers."}))
    assert len(await statuses(api, event)) == 3
    (kept,) = (await api(Role.MONITOR).get(path)).json()["items"]
    assert (kept["summary"], kept["retracted"], kept["retraction_reason"]) == (
        "Klebsiella grew.", True, "Not hers.",
    )  # fmt: skip
    again = await api().post(f"{path}/{made['id']}/retraction", json={"reason": "Not hers."})
    assert again.json()["code"] == "retracted_already"
    other = await report()
    elsewhere = f"/adverse-events/{other['id']}/follow-ups/{made['id']}/retraction"
    assert (await api().post(elsewhere, json={"reason": "Not hers."})).status_code == 404


async def test_what_is_no_follow_up_is_refused(api, report):
    """The future, what was known with the event, and anything on a retracted event."""
    event = await report()
    path = f"/adverse-events/{event['id']}/follow-ups"
    for moment, code in (
        ("2026-06-01T12:00:01+08:00", "future_moment"),
        ("2026-05-31T23:29:59+08:00", "received_before_awareness"),
    ):
        refused = await api().post(path, json={"received_at": moment, "summary": "X."})
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    await change(api(), event, retracted=True)
    body = {"received_at": "2026-06-01T11:00:00+08:00", "summary": "X."}
    refused = await api().post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "event_retracted")


async def test_a_retracted_event_has_no_clocks(api, report, clock):
    """Nothing is due on it any more; what was sent stays on record."""
    event = await report()
    created(await send(api, event, "serious_initial", "2026-06-01T11:00:00+08:00"))
    clock.advance(days=30)
    assert len(await overdue(api())) == 2
    await change(api(), event, retracted=True)
    found = await read(api, event)
    assert (found["clocks"], found["classes"], len(found["reports"])) == ([], [], 1)
    assert await overdue(api()) == []


async def test_an_event_that_becomes_fatal_is_due_again(api, report, clock):
    """A report from before the awareness of the death does not answer the clock of the death."""
    event = await report(seriousness=["hospitalization"])
    created(await send(api, event, "susar_initial", "2026-06-01T11:00:00+08:00"))
    clock.advance(days=1)
    fatal = {"grade": 5, "outcome": "fatal", "seriousness": ["death"]}
    aware = {"aware_at": "2026-06-02T11:00:00+08:00", "ended_at": "2026-06-02T10:00:00+08:00"}
    answer = await change(api(), event, **fatal, **aware)
    assert answer.status_code == 200, answer.text
    assert ("susar_initial", "open") in await statuses(api, event)


async def test_the_list_is_by_deadline_subject_and_status(api, report, subject):
    """What is due first comes first; another subject's clocks are left out when one is asked."""
    await report()
    other = await register(api)
    await report(subject_id=other, term="Fever", seriousness=["hospitalization"])
    items = (await api().get("/safety-reports")).json()["items"]
    kinds = [item["kind"] for item in items]
    assert kinds[:2] == ["serious_initial", "serious_initial"]
    days = [item["due_day"] for item in items[2:]]
    assert days == sorted(days)
    only = (await api().get("/safety-reports", params={"subject_id": other})).json()["items"]
    assert {item["term"] for item in only} == {"Fever"}
    assert (await api().get("/safety-reports?status=sent")).json()["items"] == []
    absent = {"subject_id": "00000000-0000-7000-8000-000000000000"}
    assert (await api().get("/safety-reports", params=absent)).status_code == 404


async def test_reports_are_read_as_they_were(api, report, session, clock):
    """Before the sending the clock was open, and nothing was on record."""
    event = await report()
    before = await session.scalar(text("SELECT clock_timestamp()"))
    created(await send(api, event, "serious_initial", "2026-06-01T11:00:00+08:00"))
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    then = await read(api, event, as_of=before.isoformat())
    assert then["reports"] == []
    assert then["clocks"][0]["report_id"] is None
    listed = await api().get("/safety-reports", params={"as_of": before.isoformat()})
    assert {item["report_id"] for item in listed.json()["items"]} == {None}
    assert (await read(api, event))["clocks"][0]["status"] == "sent"


async def test_who_records_and_who_reads(api, report):
    """The data manager and the committee read, the sponsor and the cell laboratory do not."""
    event = await report()
    path = f"/adverse-events/{event['id']}/follow-ups"
    body = {"received_at": "2026-06-01T11:00:00+08:00", "summary": "X."}
    for role in (Role.DATA_MANAGER, Role.SAFETY_COMMITTEE, Role.AUDITOR, Role.MONITOR):
        assert (await api(role).get(path)).status_code == 200
        assert (await api(role).post(path, json=body)).status_code == 403
    for role in (Role.SPONSOR, Role.CELL_LABORATORY):
        assert (await api(role).get("/safety-reports")).status_code == 403


async def test_another_site_sees_none_of_it(api, report):
    """Whoever is bound to another site finds no clock, no event, no follow-up information."""
    event = await report()
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.SUB_INVESTIGATOR, "sue")
    assert (await client.get("/safety-reports")).json()["items"] == []
    for what in ("safety-reports", "follow-ups", "grades"):
        assert (await client.get(f"/adverse-events/{event['id']}/{what}")).status_code == 404


async def test_the_timeline_tells_of_it(api, report, subject):
    """What came to light and what was sent happened to the subject; what was taken back did not."""
    event = await report()
    path = f"/adverse-events/{event['id']}/follow-ups"
    body = {"received_at": "2026-06-01T10:00:00+08:00", "summary": "Klebsiella grew."}
    made = created(await api().post(path, json=body))
    created(await send(api, event, "susar_initial", "2026-06-01T11:00:00+08:00"))

    async def titles() -> list[str]:
        items = (await api().get(f"/subjects/{subject}/timeline")).json()["items"]
        return [item["title"] for item in items if item["record_type"] != "subject"][-2:]

    assert await titles() == [
        "Sepsis: follow-up information received", "Sepsis reported: susar initial",
    ]  # fmt: skip
    created(await api().post(f"{path}/{made['id']}/retraction", json={"reason": "Not hers."}))
    assert (await titles())[-1] == "Sepsis reported: susar initial"
    assert "Sepsis: follow-up information received" not in await titles()
