"""Blood counts of treated subjects over HTTP, and what else moves a response; day 0 is an infusion.

The subjects of `subjects.py` start with neutrophils of 0.8, platelets of 45 and
haemoglobin of 85 four days before their first infusion.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx

from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import Role
from tests.conftest import Api, TestClock
from tests.factories.dosing import infuse
from tests.factories.ladder import put_into_force
from tests.factories.rows import at, move_to
from tests.factories.subjects import FIRST_INFUSION, eligible_subject, enrolled_subject, take_place

LOW = {"ANC": 0.8, "PLT": 45, "HGB": 85}
"""What the subjects start with."""
FAIR = LOW | {"ANC": 1.3}
"""A partial response of the neutrophils, exactly 0.5 above the start."""
GOOD = {"ANC": 1.5, "PLT": 100, "HGB": 100}
"""A complete response, exactly at every limit."""
UNITS = {"ANC": "10*9/L", "PLT": "10*9/L", "HGB": "g/L"}


def day(number: int, zero: date = FIRST_INFUSION) -> date:
    """Give the date of a day counted from the first infusion."""
    return zero + timedelta(days=number)


async def treated_subject(
    api: Api,
    clock: TestClock,
    *on_days: int,
    level: str | None = None,
    zero: date = FIRST_INFUSION,
) -> dict[str, Any]:
    """Enrol a subject and give it an infusion on each of the days, by default on day 0.

    Without a level the subject is enrolled over HTTP, else the place is taken past the committee.
    """
    move_to(clock, day(-1, zero))
    if level is None:
        subject = await enrolled_subject(api, zero)
    else:
        subject = await eligible_subject(api, zero)
        if await take_place(api, subject["id"], level):
            await put_into_force(api, DecisionAction.ESCALATE, level)
        subject["enrolment"] = {"dose_level": level}
    await infuse(api, subject, *(day(number, zero) for number in on_days or (0,)))
    return subject


async def count(
    api: Api,
    subject: dict[str, Any],
    values: dict[int, dict[str, float]],
    zero: date = FIRST_INFUSION,
    **more: Any,
) -> dict[str, str]:
    """Record blood counts by day; return the results' ids by analyte and day, as `ANC21`."""
    wanted = [(analyte, number) for number, panel in values.items() for analyte in panel]
    body = [
        {
            "subject_id": subject["id"],
            "analyte": analyte,
            "value": values[number][analyte],
            "unit": UNITS[analyte],
            "collected_at": at(day(number, zero), 8).isoformat(),
        }
        | more
        for analyte, number in wanted
    ]
    answer = await api(Role.STUDY_COORDINATOR).post("/labs", json={"results": body})
    assert answer.status_code == 200, answer.text
    items = answer.json()["results"]
    assert [item["outcome"] for item in items] == ["created"] * len(body), items
    return {
        f"{analyte}{number}": item["id"]
        for (analyte, number), item in zip(wanted, items, strict=True)
    }


async def transfuse(api: Api, subject: dict[str, Any], on_day: date) -> str:
    """Record a transfusion of red cells and return its id."""
    body = {"product": "red_cells", "given_at": at(on_day).isoformat()}
    return await _record(api, "/transfusions", subject, body)


async def medicate(api: Api, subject: dict[str, Any], drug: str, on_day: date) -> str:
    """Record a single dose of a medication and return its id."""
    body = {"name": drug, "medication_class": drug, "started_at": at(on_day, 6).isoformat()}
    return await _record(api, "/concomitant-medications", subject, body)


async def _record(api: Api, path: str, subject: dict[str, Any], body: dict[str, Any]) -> str:
    body["subject_id"] = subject["id"]
    answer = await api(Role.STUDY_COORDINATOR).post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def response_of(api: Api, subject: dict[str, Any], **query: str) -> dict[str, Any]:
    """Read a subject's response."""
    answer: httpx.Response = await api().get(f"/subjects/{subject['id']}/response", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def endpoint(
    response: dict[str, Any], week: int, mode: str = "at", anchor: str = "last"
) -> dict[str, Any]:
    """Pick one reading of a response."""
    wanted = {"week": week, "mode": mode, "anchor": anchor}
    return next(x for x in response["endpoints"] if wanted.items() <= x["reading"].items())


def category(response: dict[str, Any], week: int, mode: str = "at", anchor: str = "last") -> str:
    """Give the category of one reading."""
    found: str = endpoint(response, week, mode, anchor)["standing"]["category"]
    return found


def lineage_of(response: dict[str, Any], name: str) -> dict[str, Any]:
    """Pick one lineage of a response."""
    found: dict[str, Any] = next(x for x in response["lineages"] if x["lineage"] == name)
    return found
