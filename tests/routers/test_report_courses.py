"""Reporting clocks over an event's whole course: nothing that is edited makes one disappear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.factories.subjects import created, register
from tests.routers.test_adverse_events import change
from tests.routers.test_reference_safety import approved
from tests.routers.test_safety_reports import SUSAR, overdue, read, send, statuses

DAY = timedelta(days=1)
SUSAR_FAST = "susar_fatal_or_life_threatening"


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


@pytest.fixture
def late(api, subject):
    """List the late reports among the subject's deviations."""

    async def found() -> list[str]:
        items = (await api().get("/deviations", params={"subject_id": subject})).json()["items"]
        return [item["sentence"] for item in items if item["code"] == "safety_report_late"]

    return found


async def test_a_graver_event_has_its_own_clock(api, report, clock):
    """What was sent before says nothing of it; what is due on it counts from its recording."""
    event = await report(seriousness=["hospitalization"])
    for kind in ("serious_initial", "susar_initial"):
        created(await send(api, event, kind, "2026-06-01T11:00:00+08:00"))
    clock.advance(days=2)
    graver = (await change(api(), event, seriousness=["life_threatening"])).json()
    clocks = {(each["kind"], each["concerns"]): each for each in (await read(api, event))["clocks"]}
    fast = clocks["susar_initial", SUSAR_FAST]
    assert (fast["status"], fast["event_version"]) == ("open", graver["version"])
    assert fast["counted_from"] > graver["recorded_at"]
    assert clocks["susar_initial", "susar_other"]["status"] == "sent"
    clock.now = datetime.fromisoformat(fast["counted_from"]) + DAY
    body = {name: fast[name] for name in ("jurisdiction", "kind", "counted_from")}
    body |= {"sent_at": clock.now.isoformat(), "event_version": 1}
    path = f"/adverse-events/{event['id']}/safety-reports"
    refused = await api().post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "version_before_start")
    created(await api().post(path, json=body | {"event_version": 2}))
    assert ("susar_initial", "open") not in await statuses(api, event)


async def test_a_later_awareness_leaves_what_was_overdue(api, report, late, clock):
    """The event got graver on the fourth day; the first 24 hours stay overdue, and sent late."""
    event = await report(seriousness=["hospitalization"])
    clock.advance(days=3)
    before = await overdue(api()), await late()
    assert before[0] == [("Sepsis", "serious_initial")]
    graver = {"seriousness": ["life_threatening"], "aware_at": "2026-06-04T11:00:00+08:00"}
    assert (await change(api(), event, **graver)).status_code == 200
    assert (await overdue(api()), await late()) == before
    why = {"late_reason": "Nobody was there."}
    created(await send(api, event, "serious_initial", "2026-06-04T11:30:00+08:00", **why))
    assert await late() == ["The report serious initial to the sponsor was sent late."]


async def test_a_milder_event_stays_overdue(api, report, late, clock):
    """Even said to be a mistake: what was late by then stays late, what was not is gone."""
    event = await report()
    clock.advance(days=10)
    before = await overdue(api()), await late()
    assert len(before[0]) == len(before[1]) == 2
    milder = (await change(api(Role.STUDY_COORDINATOR), event, seriousness=[])).json()
    assert (await overdue(api()), await late()) == before
    assert ("susar_complete", "open") in await statuses(api, event)
    again = (await change(api(), milder, seriousness=SUSAR["seriousness"])).json()
    clock.now = datetime.now(UTC)
    mistaken = await change(api(), again, seriousness=[], corrects_assessment=True)
    assert {each["corrected"] is None for each in mistaken.json()["due_reports"]} == {False}
    assert {status for _, status in await statuses(api, event)} == {"overdue"}


async def test_a_mistaken_assessment_stops_what_is_not_late(api, report, clock):
    """Within the first day nothing was late: no clock is left."""
    clock.now = datetime.now(UTC)
    moments = {name: (clock.now - DAY / 24).isoformat() for name in ("onset_at", "aware_at")}
    event = await report(**moments)
    assert len(await statuses(api, event)) == 3
    refused = await change(api(), event, narrative="More.", corrects_assessment=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_other_assessment")
    await change(api(), event, seriousness=[], corrects_assessment=True)
    assert await statuses(api, event) == []


async def test_a_list_signed_later_undoes_no_susar(api, report, session, clock):
    """Not even if the awareness is said to be later than the list."""
    clock.now = datetime.now(UTC)
    long_ago = (clock.now - 20 * DAY).isoformat()
    event = await report(onset_at=long_ago, aware_at=long_ago)
    before = await overdue(api())
    assert len(before) == 3
    await approved(api, session, clock, entries=[{"term": "Sepsis", "max_expected_grade": 4}])
    await change(api(), event, aware_at=clock.now.isoformat())
    assert await overdue(api()) == before
    assert (await read(api, event))["classes"] == ["serious", SUSAR_FAST]


async def test_the_word_expected_does_not_cover_a_death(api, report):
    """Said of grade three it lapses with grade five; said again with it, it holds."""
    event = await report(term="Fever", grade=3, seriousness=["hospitalization"], expected=True)
    assert (await read(api, event))["classes"] == ["serious"]
    ended = "2026-06-01T10:00:00+08:00"
    fatal = {"grade": 5, "outcome": "fatal", "seriousness": ["death"], "ended_at": ended}
    dead = (await change(api(), event, **fatal)).json()
    assert (dead["expected"], dead["expectedness"]["source"]) == (None, "undecided")
    assert "no longer holds" in dead["expectedness"]["difference"]
    found = await read(api, event)
    assert found["classes"] == ["serious", SUSAR_FAST]
    other = await report(term="Fever", grade=3, seriousness=["hospitalization"], expected=True)
    dead = (await change(api(), other, **fatal, expected=True)).json()
    assert (dead["expected"], dead["expectedness"]["difference"]) == (True, None)


async def test_what_was_told_before_starts_no_clock(api, report, clock):
    """An unrelated event was described at length; a month later it turns out to be a SUSAR."""
    start = datetime.now(UTC)
    clock.now = start
    known = {name: (start - DAY / 2).isoformat() for name in ("onset_at", "aware_at")}
    event = await report(**known, causality="unlikely")
    created(await send(api, event, "serious_initial", start.isoformat()))
    told = (await change(api(), event, narrative="More words.")).json()
    clock.now = start + 30 * DAY
    suspected = {"causality": "possible", "aware_at": (clock.now - DAY / 24).isoformat()}
    await change(api(), told, **suspected)
    assert await statuses(api, event) == [
        ("serious_initial", "sent"), ("susar_initial", "open"), ("susar_complete", "open"),
    ]  # fmt: skip


async def test_a_redaction_takes_no_clock_away(api, report):
    """A narrative that changed was news; that both texts are gone does not unmake it."""
    event = await report(narrative="Mr Wang fell.")
    plain = await report(narrative="Mr Wang fell.")
    await change(api(), event, narrative="Mr Wang fell and bled.")
    for each, clocks in ((event, 4), (plain, 3)):
        before = await read(api, each)
        body = {"record_type": "adverse_event", "record_id": each["id"], "field": "narrative"}
        asked = created(await api().post("/redactions", json=body | {"reason": "A name."}))
        path = f"/redactions/{asked['id']}/execution"
        created(await api(Role.DATA_MANAGER).post(path, json={"reason": "Checked."}))
        after = await read(api, each)
        assert (after["clocks"], len(after["clocks"])) == (before["clocks"], clocks)
    later = (await api().get(f"/adverse-events/{plain['id']}")).json()
    await change(api(), later, action_taken="interrupted")
    assert len((await read(api, plain))["clocks"]) == 3
