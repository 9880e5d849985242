"""The committee's dossier over HTTP: complete, foretelling, and printable."""

import json
import re
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from app.core.html_page import CONTENT_SECURITY_POLICY
from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.dosing import infuse
from tests.factories.events import adjudicate, adverse_event, dose_limiting_event
from tests.factories.labs import neutrophils
from tests.factories.ladder import decide, propose, read_ladder, treat
from tests.factories.moved import moved, review
from tests.factories.queries import ask
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, created, enrolled_subject

DOSSIER = "/escalation/dossier"
DAY = timedelta(days=1)
HOSTILE = '<script>alert(1)</script><img src="//evil.example/x" onerror=alert(2)>&"\''


async def read(api):
    """Read the dossier as the committee; it is as it is documented."""
    client = api(Role.SAFETY_COMMITTEE)
    answer = await client.get(DOSSIER)
    assert answer.status_code == 200, answer.text
    assert misfits(client._transport.app, "read_dossier", answer) == []
    return answer.json()


async def dosed(api, clock, number=3):
    """Enrol and dose subjects of level A on one day."""
    subjects = [await enrolled_subject(api) for _ in range(number)]
    move_to(clock, FIRST_INFUSION)
    for subject in subjects:
        await infuse(api, subject, FIRST_INFUSION)
    return subjects


def cases(dossier, word):
    """Pick the suppositions of one kind."""
    return [each for each in dossier["what_if"] if each["supposition"] == word]


async def test_an_empty_study_has_a_dossier(api):
    """Before anybody is enrolled it says what the ladder says, and that there is nothing else."""
    found = await read(api)
    ladder = await read_ladder(api)
    assert found["ladder"] == ladder
    assert (found["study"], found["study_day"]) == ("NCT07212335", "2026-06-01")
    lists = {name: value for name, value in found.items() if isinstance(value, list)}
    assert len(lists) == 11
    assert not any(lists.values())
    assert (found["as_of"], found["protocol_version"]) == (ladder["as_of"], 1)


async def test_subjects_are_shown_with_their_windows_and_what_would_change(api, clock):
    """Two in the window: who they are, until when, and what either outcome leads to."""
    first, second = await dosed(api, clock, 2)
    found = await read(api)
    (level,) = found["levels"]
    assert (level["level"], level["phase"]) == ("A", "escalation")
    shown = level["subjects"][0]
    assert (shown["subject_id"], shown["state"]) == (first["id"], "in_window")
    assert shown["window"]["end_day"] == str(FIRST_INFUSION + 28 * DAY)
    assert (shown["infusions_given"], shown["infusions_planned"], shown["slot"]) == (1, 1, 1)
    assert [each["subject_ids"] for each in cases(found, "dlt")] == [[first["id"]], [second["id"]]]
    assert cases(found, "dlt")[0]["day"] == str(FIRST_INFUSION + DAY)
    (everybody,) = cases(found, "all_complete_without_dlt")
    assert everybody["outlook"]["recommendation"] == "enrol"


async def test_what_if_is_what_the_ladder_then_says(api, clock):
    """The supposed toxicity, once it is on record, gives the outlook that was foretold."""
    subjects = await dosed(api, clock)
    await dose_limiting_event(api, subjects[0], FIRST_INFUSION)
    foretold = cases(await read(api), "dlt")[0]
    assert foretold["subject_ids"] == [subjects[1]["id"]]
    event = await adverse_event(api, subjects[1], FIRST_INFUSION)
    asked = await read(api)
    (yes,), (no,) = (cases(asked, f"adjudicated_as_{word}") for word in ("dlt", "no_dlt"))
    assert yes["adverse_event_id"] == no["adverse_event_id"] == str(event)
    assert yes["outlook"] == foretold["outlook"]
    before = await read_ladder(api)
    assert "recommendation" in yes["changes"]
    await adjudicate(api, event, is_dlt=True)
    ladder = await read_ladder(api)
    for name in ("recommendation", "level", "target_level", "permitted", "slots_open_now", "mtd"):
        assert yes["outlook"][name] == ladder[name], name
    blocked = [each["level"] for each in ladder["ladder"] if each["dosing_blocked"]]
    assert yes["outlook"]["undosed_levels"] == blocked
    assert before["recommendation"] != ladder["recommendation"]


async def test_a_dose_too_small_is_foretold_to_be_replaced(api, clock):
    """What the dossier foretells of all windows is what the ladder says when they are over."""
    subjects = [await enrolled_subject(api) for _ in range(3)]
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subjects[0], FIRST_INFUSION, cells=40_000_000, volume_ml=40)
    for subject in subjects[1:]:
        await infuse(api, subject, FIRST_INFUSION)
    (foretold,) = cases(await read(api), "all_complete_without_dlt")
    assert foretold["outlook"]["recommendation"] == "enrol"
    assert foretold["day"] == str(FIRST_INFUSION + 29 * DAY)
    move_to(clock, FIRST_INFUSION + 29 * DAY)
    ladder = await read_ladder(api)
    for name in ("recommendation", "level", "target_level", "permitted", "slots_open_now", "mtd"):
        assert foretold["outlook"][name] == ladder[name], name


async def test_events_and_adjudications_are_shown(api, clock):
    """What is severe, serious or proposed as dose-limiting; mild events are left out."""
    subject, *_ = await dosed(api, clock)
    await adverse_event(api, subject, FIRST_INFUSION, grade=1)
    declared = await adverse_event(
        api, subject, FIRST_INFUSION, grade=2, investigator_declared_dlt=True
    )
    severe = await adverse_event(
        api, subject, FIRST_INFUSION, seriousness=["medically_important", "hospitalization"]
    )
    serious = await adverse_event(
        api, subject, FIRST_INFUSION, grade=2, seriousness=["hospitalization"]
    )
    found = await read(api)
    shown = [str(each) for each in (declared, severe, serious)]
    assert [each["adverse_event_id"] for each in found["events"]] == shown
    assert found["events"][1]["seriousness"] == ["hospitalization", "medically_important"]
    assert [each["adverse_event_id"] for each in found["pending_adjudications"]] == [
        str(declared), str(severe),
    ]  # fmt: skip
    assert {each["dose_level"] for each in found["pending_adjudications"]} == {"A"}
    await adjudicate(api, declared, is_dlt=True)
    found = await read(api)
    assert [each["adverse_event_id"] for each in found["events"]] == shown, "once judged as well"
    assert found["events"][0]["dlt"]["state"] == "dlt"


async def test_candidates_reports_queries_and_gaps_are_shown(api, clock):
    """What is late, missing, asked or proposed by the laboratory stands in the one answer."""
    subject, *_ = await dosed(api, clock, 1)
    for day, value in ((FIRST_INFUSION - DAY, 0.8), (FIRST_INFUSION + DAY, 0.3)):
        move_to(clock, day + DAY)
        body = neutrophils(subject["id"], value=value, collected_at=f"{day}T11:00:00+08:00")
        created(await api().post("/labs", json=body))
    await adverse_event(api, subject, FIRST_INFUSION, seriousness=["hospitalization"])
    created(await ask(api, subject["id"], text="Is this word of a person shown?"))
    move_to(clock, FIRST_INFUSION + 45 * DAY)
    found = await read(api)
    (candidate,) = found["candidates"]
    assert (candidate["term"], candidate["grade"]) == ("Neutrophil count decreased", 4)
    assert found["overdue_reports"]
    assert {each["subject_number"] for each in found["overdue_reports"]} == {"S-001"}
    asked = {each["origin"]: each for each in found["open_queries"]}
    assert asked["person"]["text"] is None
    assert "no complete blood count" in asked["rule"]["text"]
    assert "word of a person" not in json.dumps(found)
    late = {each["code"] for each in found["missing_data"]}
    assert "visit_missed" in late
    assert {"report_overdue", "visit_missed"} & {each["code"] for each in found["deviations"]}


async def test_an_unrecorded_dose_is_missing_data(api, clock):
    """A subject past its window whose cells are not on record cannot count, and it says why."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION, cells=None)
    move_to(clock, FIRST_INFUSION + 40 * DAY)
    found = await read(api)
    assert found["levels"][0]["subjects"][0]["state"] == "unresolved"
    assert "cells_not_recorded" in {each["code"] for each in found["missing_data"]}


async def test_a_death_without_its_event_is_missing_data(api, clock):
    """In the window or long after it: until an event says of what the subject died."""
    first, second, _ = await dosed(api, clock)
    move_to(clock, FIRST_INFUSION + 60 * DAY)
    deaths = {first["id"]: str(FIRST_INFUSION + 5 * DAY), second["id"]: str(clock.now.date() - DAY)}
    for subject_id, day in deaths.items():
        body = {"event": "died", "event_date": day, "reason": "Found dead at home."}
        created(await api().post(f"/subjects/{subject_id}/disposition", json=body))
    missing = (await read(api))["missing_data"]
    found = {
        each["subject_id"]: each["day"] for each in missing if each["code"] == "death_without_event"
    }
    assert found == deaths
    assert len([each for each in missing if each["code"] == "death_without_event"]) == 2
    died = FIRST_INFUSION + 5 * DAY
    await adverse_event(
        api, first, died, grade=5, outcome="fatal", seriousness=["death"], causality=None
    )
    codes = {(each["code"], each["subject_id"]) for each in (await read(api))["missing_data"]}
    assert ("death_without_event", first["id"]) not in codes
    assert ("causality_missing", first["id"]) in codes


async def test_a_visit_without_its_count_is_missing_data(api, clock):
    """A subject who was seen at week 4, with no complete blood count, is named."""
    subject, *_ = await dosed(api, clock, 1)
    day = FIRST_INFUSION + 28 * DAY
    move_to(clock, day + DAY)
    body = {
        "kind": "ecog",
        "performed_at": f"{day}T10:00:00+08:00",
        "content": {"score": 1},
        "subject_id": subject["id"],
    }
    created(await api().post("/assessments", json=body))
    missing = {(each["code"], each["message"]) for each in (await read(api))["missing_data"]}
    assert ("blood_count_missing", "Visit W4 took place without a complete blood count.") in missing


async def test_decisions_and_evidence_that_moved_are_shown(api, clock):
    """A decision with its verdict; a late event moves it, and the review of that is shown."""
    subjects = await treat(api, clock, date(2026, 6, 3), 3)
    decision = await decide(api, "escalate")
    event = await adverse_event(api, subjects[0], date(2026, 6, 3))
    proposal = (await propose(api, "hold")).json()
    found = await read(api)
    shown, held = found["decisions"]
    assert (shown["decision_id"], shown["verdict"]) == (decision["id"], "confirmed")
    assert (held["decision_id"], held["verdict"]) == (proposal["id"], None)
    kinds = [each["type"] for each in found["evidence_moved"]]
    assert kinds == ["escalation_decision", "decision_verdict"]
    assert found["evidence_moved"][0]["moved"] == [
        {
            "record_type": "adverse_event",
            "record_id": str(event),
            "subject_number": subjects[0]["number"],
            "movement": "recorded",
            "fields": found["evidence_moved"][0]["moved"][0]["fields"],
            "written_as": ["principal_investigator"],
        }
    ]
    assert "grade" in found["evidence_moved"][0]["moved"][0]["fields"]
    assert "adverse event recorded by principal investigator: " in (await page(api)).text
    assert found["evidence_moved"][0]["reviews"] == []
    created(await review(api(Role.SAFETY_COMMITTEE), (await moved(api))[0]))
    found = await read(api)
    assert found["evidence_moved"][0]["reviews"] == ["stands"]
    assert found["evidence_moved"][0]["status"] == "reviewed"


# --- the page ------------------------------------------------------------------------------------


async def page(api, **query):
    """Read the page."""
    answer = await api().get(DOSSIER, params={"format": "html"} | query)
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_page_shows_the_same_and_stands_alone(api, clock):
    """Every section is there with the digest of the JSON; nothing is loaded, nothing runs."""
    subjects = await dosed(api, clock)
    await adverse_event(api, subjects[0], FIRST_INFUSION)
    found = await read(api)
    answer = await page(api)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert found["digest"] in answer.text
    headings = re.findall(r"<h2>(.*?)</h2>", answer.text)
    assert len(headings) == len(set(headings)) == 14
    for number in ("S-001", "S-002", "S-003"):
        assert number in answer.text
    assert "adjudicated as no dlt" in answer.text
    assert "escalate, level A to B" in answer.text
    assert not re.search(r"<script|<link|<img|<iframe|url\(|@import|https?:|\son\w+=", answer.text)


async def test_what_people_wrote_is_escaped(api, clock):
    """Markup in a decision's rationale, an event's place or a deviation is shown as text."""
    subjects = await dosed(api, clock)
    await decide(api, "hold", rationale=HOSTILE)
    body = {
        "subject_id": subjects[0]["id"],
        "category": "other",
        "day": str(FIRST_INFUSION),
        "severity": "minor",
        "description": HOSTILE,
    }
    created(await api(Role.STUDY_COORDINATOR).post("/deviations", json=body))
    answer = await page(api)
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert answer.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/html;q=0.5, */*;q=0.5", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=nonsense;level=1", "text/html"),
        ("", "application/json"),
    ],
)
async def test_a_browser_gets_the_page_and_a_program_the_json(api, accept, kind):
    """The more gladly accepted form is given, JSON where both are alike; caches are told."""
    answer = await api().get(DOSSIER, headers={"accept": accept})
    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.headers["vary"] == "Accept"


async def test_a_stated_format_overrules_what_is_accepted(api):
    """The address alone can ask for either; another format is refused."""
    answer = await api().get(f"{DOSSIER}?format=json", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    answer = await api().get(f"{DOSSIER}?format=html", headers={"accept": "application/json"})
    assert answer.headers["content-type"].startswith("text/html")
    assert (await api().get(f"{DOSSIER}?format=pdf")).status_code == 422


async def test_whoever_holds_the_bytes_is_told_so(api, session):
    """The ETag is of the form that is given, and answers 304 for it."""
    tags = []
    for form in ("json", "html"):
        answer = await api().get(DOSSIER, params={"format": form})
        tags.append(answer.headers["etag"])
        again = await api().get(
            DOSSIER, params={"format": form}, headers={"if-none-match": tags[-1]}
        )
        assert again.status_code == 304
    assert len(set(tags)) == 2
    assert (
        await session.scalar(text("SELECT count(*) FROM operation WHERE command LIKE '%dossier%'"))
        == 0
    )
