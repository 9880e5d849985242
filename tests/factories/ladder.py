"""Steps of the ladder over HTTP: treat a cohort, propose, confirm, amend the design."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
from sqlalchemy import func, select

from app.core.ids import new_id
from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import Role
from app.models import DecisionVerdict, EscalationDecision, Principal
from app.models.escalation import Verdict
from app.services.protocols import active_protocol
from tests.conftest import NOW, Api, TestClock
from tests.factories.dosing import infuse
from tests.factories.events import dose_limiting_event
from tests.factories.rows import move_to, writing
from tests.factories.subjects import enrolled_subject

INFUSIONS = {"A": 1, "B": 2, "C": 4}
WINDOW_DAYS = 28


async def read_ladder(api: Api) -> dict[str, Any]:
    """Read the recommendation."""
    answer = await api().get("/escalation")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def propose(api: Api, action: str, **body: Any) -> httpx.Response:
    """Propose a decision on the evidence of now."""
    content = {"digest": (await read_ladder(api))["digest"], "rationale": "As recommended."}
    return await api().post("/escalation/decisions", json=content | {"action": action} | body)


async def verdict(
    api: Api, decision: dict[str, Any], word: str = "confirmed", second: bool = False
) -> httpx.Response:
    """Give the committee's word on a proposal, about the evidence it names."""
    return await api(Role.SAFETY_COMMITTEE, second).post(
        f"/escalation/decisions/{decision['id']}/verdict",
        json={"verdict": word, "rationale": "Reviewed.", "digest": decision["digest"]},
    )


async def decide(api: Api, action: str, **body: Any) -> dict[str, Any]:
    """Propose a decision and confirm it where it needs that."""
    proposed = await propose(api, action, **body)
    assert proposed.status_code == 201, proposed.text
    decision: dict[str, Any] = proposed.json()
    if decision["status"] == "proposed":
        confirmed = await verdict(api, decision)
        assert confirmed.status_code == 201, confirmed.text
        decision = confirmed.json()
    assert decision["status"] == "in_force"
    return decision


async def put_into_force(api: Api, action: DecisionAction, level: str | None = None) -> None:
    """Write a confirmed decision, so that a test need not climb the ladder first."""
    async with writing(api) as (session, actor):
        people = select(Principal.id).where(Principal.study_id == actor.study_id).limit(2)
        first, second = (await session.scalars(people)).all()
        rounds = await session.scalar(select(func.count()).select_from(EscalationDecision))
        decision = EscalationDecision(
            study_id=actor.study_id,
            id=new_id(),
            round=(rounds or 0) + 1,
            action=action,
            dose_level=level,
            rationale="Set up a test.",
            proposed_by=first,
            protocol_version_id=(await active_protocol(session, actor.study_id, NOW)).id,
            digest="test",
            evidence={},
            recommendation={"held_by": []},
        )
        session.add(decision)
        await session.flush()
        session.add(
            DecisionVerdict(
                study_id=actor.study_id,
                decision_id=decision.id,
                proposed_by=first,
                given_by=second,
                verdict=Verdict.CONFIRMED,
                rationale="Set up a test.",
            )
        )


async def treat(
    api: Api, clock: TestClock, first_day: date, number: int, dlts: int = 0
) -> list[dict[str, Any]]:
    """Enrol subjects on the open level, give all infusions, and let the windows pass."""
    move_to(clock, first_day)
    subjects = [await enrolled_subject(api, first_day) for _ in range(number)]
    weeks = INFUSIONS[subjects[0]["enrolment"]["dose_level"]]
    days = [first_day + timedelta(weeks=week) for week in range(weeks)]
    for place, subject in enumerate(subjects):
        await infuse(api, subject, *days)
        if place < dlts:
            await dose_limiting_event(api, subject, first_day)
    move_to(clock, days[-1] + timedelta(days=WINDOW_DAYS + 1))
    return subjects


async def amend(api: Api, section: str, **changes: Any) -> None:
    """Put an amendment of a section of the protocol into force."""
    definition = (await api().get("/protocol")).json()["definition"]
    definition[section] |= changes
    body = {"definition": definition, "summary": "An amendment."}
    made = await api(Role.DATA_MANAGER).post("/protocol-versions", json=body)
    assert made.status_code == 201, made.text
    signed = await api().post(
        f"/protocol-versions/{made.json()['number']}/activation",
        json={"effective_from": "2026-05-01", "reason": "Approved."},
    )
    assert signed.status_code == 201, signed.text


def codes(answer: httpx.Response, status: int = 409) -> list[str]:
    """Return the codes of the reasons of a refusal."""
    assert answer.status_code == status, answer.text
    return [error["code"] for error in answer.json()["errors"]]
