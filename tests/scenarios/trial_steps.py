"""The steps of a trial as people take them, over HTTP and in the order of the calendar.

Only the answers on infection are written as rows: the week they speak about is the trial's, and
over HTTP the database would date them today.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from app.domain.vocabulary import Role
from app.models import Attestation
from tests.conftest import Api, TestClock
from tests.factories.dosing import give_infusion
from tests.factories.ladder import INFUSIONS, WINDOW_DAYS
from tests.factories.responses import count
from tests.factories.rows import at, move_to, writing
from tests.factories.subjects import (
    ANSWERED_NO,
    ANSWERED_YES,
    ASSESSED,
    FOUND,
    MEASURED,
    created,
    eligible_subject,
    enrol,
    screened_subject,
)

Ready = Callable[[Api, date], Coroutine[Any, Any, dict[str, Any]]]
CELLS = 120_000_000  # record: 2 x 10^6 per kg, of the 60 kg that every subject weighs
INFECTIONS = tuple(each for each in ANSWERED_NO if each.startswith("E3"))
UNITS = {
    **dict.fromkeys(("ANC", "PLT"), "10*9/L"),
    **dict.fromkeys(("CREA", "TBIL"), "umol/L"),
    **dict.fromkeys(("ALT", "AST"), "U/L"),
    "HGB": "g/L",
    "BUN": "mmol/L",
    "HBA1C": "%",
}


async def screen(api: Api, first_infusion: date) -> dict[str, Any]:
    """Consent, register, test, examine and ask a subject, nine to four days ahead."""
    subject = await screened_subject(api, first_infusion)
    client = api(Role.STUDY_COORDINATOR)
    asked = at(first_infusion - timedelta(days=4), 8)
    tested = asked.isoformat()
    sent = await client.post("/labs", json={"results": results(subject["id"], tested)})
    assert sent.json()["created"] == len(MEASURED) + len(FOUND), sent.text
    for kind, content in ASSESSED.items():
        body = {"subject_id": subject["id"], "kind": kind, "performed_at": tested}
        created(await client.post("/assessments", json=body | {"content": content}))
    await deny_infections(api, subject, asked)
    for criterion in (*ANSWERED_YES, *ANSWERED_NO):
        if criterion in INFECTIONS:
            continue
        path = f"/subjects/{subject['id']}/eligibility/{criterion}"
        answer = await client.put(path, json={"met": criterion in ANSWERED_YES})
        assert answer.status_code == 200, answer.text
    return subject


async def deny_infections(api: Api, subject: dict[str, Any], asked: datetime) -> None:
    """Write that nobody found an infection in the week before the first infusion."""
    async with writing(api) as (session, actor):
        keys = {"study_id": actor.study_id, "subject_id": UUID(subject["id"])}
        session.add_all(
            Attestation(**keys, criterion=criterion, met=False, recorded_at=asked)
            for criterion in INFECTIONS
        )


def results(subject_id: str, collected_at: str) -> list[dict[str, Any]]:
    """Make the bodies of the screening results."""
    common = {"subject_id": subject_id, "collected_at": collected_at}
    measured = [
        common
        | {"analyte": analyte, "value": float(value), "unit": UNITS[analyte]}
        | ({} if limit is None else {"uln": float(limit)})
        for analyte, value, limit in MEASURED
    ]
    return measured + [common | {"analyte": key, "finding": "negative"} for key in FOUND]


async def read(api: Api, path: str) -> dict[str, Any]:
    """Read something as the principal investigator."""
    answer = await api().get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def treat_cohort(
    api: Api, clock: TestClock, first_day: date, size: int = 3, ready: Ready = eligible_subject
) -> list[dict[str, Any]]:
    """Make subjects ready, enrol and infuse them on the open level; stay at the last infusion.

    Screening takes some thirty requests, so only those who ask for it go through it.
    """
    move_to(clock, first_day - timedelta(days=1))
    subjects = [await ready(api, first_day) for _ in range(size)]
    for subject in subjects:
        subject["enrolment"] = created(await enrol(api, subject))
    for week in range(INFUSIONS[subjects[0]["enrolment"]["dose_level"]]):
        day = first_day + timedelta(weeks=week)
        move_to(clock, day)
        for subject in subjects:
            given = await give_infusion(api, subject["id"], at(day), cells=CELLS)
            assert given["deviations"] == [], given["deviations"]
    return subjects


def close_windows(clock: TestClock) -> None:
    """Let the toxicity windows of all that was infused today pass."""
    clock.advance(days=WINDOW_DAYS + 1)


async def suffer(api: Api, subject: dict[str, Any], day: date) -> dict[str, Any]:
    """Report a reaction of grade 3 that lasted three days, a candidate for a DLT."""
    body = {
        "subject_id": subject["id"],
        "term": "Infusion related reaction",
        "grade": 3,
        "onset_at": at(day, 11).isoformat(),
        "aware_at": at(day, 11).isoformat(),
        "causality": "probable",
        "outcome": "recovering",
    }
    return created(await api(Role.SUB_INVESTIGATOR).post("/adverse-events", json=body))


async def judge(api: Api, event: dict[str, Any], is_dlt: bool) -> None:
    """Adjudicate an event as it stands."""
    body = {
        "is_dlt": is_dlt,
        "adverse_event_version": event["version"],
        "rationale": "Judged by the definition of the protocol.",
    }
    created(await api().post(f"/adverse-events/{event['id']}/dlt-adjudications", json=body))


async def recover(api: Api, subject: dict[str, Any], last_infusion: date) -> None:
    """Record blood counts that rise to a complete response from week 3 on."""
    low, good = {"ANC": 0.8, "PLT": 45, "HGB": 85}, {"ANC": 1.8, "PLT": 120, "HGB": 110}
    await count(api, subject, {7: low, 21: good, 28: good}, last_infusion)


async def expand(api: Api, level: str) -> httpx.Response:
    """Choose a level for the expansion."""
    digest = (await read(api, "/escalation"))["digest"]
    body = {"digest": digest, "dose_level": level, "reason": "The best balance seen so far."}
    return await api().post("/expansion", json=body)
