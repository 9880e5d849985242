"""A trial team at work over HTTP: each step sent as people send it, each answer kept in view."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import Api, TestClock, TransactionDatabase
from tests.factories.dosing import as_planned, check_bags, create_bags
from tests.factories.subjects import eligible_subject

T = TypeVar("T")
EXPORTED = (
    "adverse_event", "bag_movement", "cohort", "decision_verdict", "disposition",
    "dlt_adjudication", "enrolment", "escalation_decision", "grade_correction", "infusion",
    "product_bag",
)  # fmt: skip
CELLS_PER_ML = 1_000_000


def check_answer(answer: httpx.Response) -> None:
    """Hold any answer against what is promised of refusals: a problem in one sentence, no crash."""
    if answer.status_code < 400:
        return
    said = f"{answer.request.method} {answer.request.url.path}: {answer.text}"
    assert answer.status_code < 500, said
    assert answer.headers["content-type"] == "application/problem+json", said
    problem = answer.json()
    assert problem["status"] == answer.status_code, said
    assert problem["code"], said
    detail = problem["detail"]
    assert detail.endswith("."), said
    assert ". " not in detail, said


@dataclass
class Team:
    """Everybody who works on the trial; `changed` are the subjects whose own facts a step moved."""

    api: Api
    clock: TestClock
    database: TransactionDatabase
    loop: AbstractEventLoop
    subjects: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    labs: list[dict[str, Any]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    screened: dict[date, dict[str, Any]] = field(default_factory=dict)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something asynchronous."""
        return self.loop.run_until_complete(work)

    @property
    def today(self) -> date:
        """Return the study day."""
        return (self.clock.now + timedelta(hours=8)).date()

    @property
    def tomorrow(self) -> date:
        """Return the study day after it."""
        return self.today + timedelta(days=1)

    @property
    def now(self) -> str:
        """Return the moment as it is written."""
        return self.clock.now.isoformat()

    def ask(
        self, method: str, path: str, role: Role = Role.PRINCIPAL_INVESTIGATOR, **more: Any
    ) -> httpx.Response:
        """Send a request, and hold the answer against what is promised of every one."""
        answer = self.run(self.api(role).request(method, path, **more))
        check_answer(answer)
        return answer

    def change(self, path: str, body: dict[str, Any], role: Role) -> httpx.Response:
        """Change a record at its present version."""
        tag = self.ask("GET", path, role).headers["etag"]
        body = {"reason": "Corrected from the source."} | body
        return self.ask("PATCH", path, role, json=body, headers={"If-Match": tag})

    # Enrolment and doses

    def enrol(self, level: str | None = None) -> httpx.Response:
        """Screen a subject who is to be infused tomorrow, and ask for a place."""
        subject = self.screened.pop(self.today, None) or self.run(
            eligible_subject(self.api, self.tomorrow)
        )
        body = {} if level is None else {"dose_level": level}
        path = f"/subjects/{subject['id']}/enrolment"
        answer = self.ask("POST", path, Role.STUDY_COORDINATOR, json=body)
        if answer.status_code == 201:
            self.subjects.append(subject | {"level": answer.json()["dose_level"]})
            self.changed.add(subject["id"])
        else:
            self.screened[self.today] = subject
        return answer

    def order(self, subject: dict[str, Any]) -> httpx.Response:
        """Prescribe the next infusion for today."""
        self.changed.add(subject["id"])
        body = {"planned_date": self.today.isoformat(), "weight_kg": 60}
        path = f"/subjects/{subject['id']}/infusions"
        return self.ask("POST", path, Role.SUB_INVESTIGATOR, json=body)

    def new_bags(self) -> list[str]:
        """Register bags."""
        return self.run(create_bags(self.api))

    def allocate(self, infusion: dict[str, Any], bags: list[str]) -> httpx.Response:
        """Name the bags of an infusion."""
        self.changed.add(infusion["subject_id"])
        return self.change(_path(infusion), {"bag_ids": bags}, Role.STUDY_COORDINATOR)

    def give(self, infusion: dict[str, Any], volume_ml: int) -> httpx.Response:
        """Check the bags and record that the infusion was given now, in whole or in part."""
        self.changed.add(infusion["subject_id"])
        started_at = self.clock.now - timedelta(hours=1)
        self.run(check_bags(self.api, infusion, started_at - timedelta(minutes=5)))
        given = {"volume_ml": volume_ml, "cells": volume_ml * CELLS_PER_ML}
        return self.change(_path(infusion), as_planned(started_at) | given, Role.STUDY_COORDINATOR)

    def cancel(self, infusion: dict[str, Any]) -> httpx.Response:
        """Cancel an infusion."""
        self.changed.add(infusion["subject_id"])
        return self.change(_path(infusion), {"cancelled": True}, Role.STUDY_COORDINATOR)

    # What happens to subjects

    def report(self, subject: dict[str, Any], **content: Any) -> httpx.Response:
        """Report an event of which the site learned now."""
        self.changed.add(subject["id"])
        body = {"subject_id": subject["id"], "aware_at": self.now} | content
        answer = self.ask("POST", "/adverse-events", Role.SUB_INVESTIGATOR, json=body)
        if answer.status_code == 201:
            self.events.append(answer.json())
        return answer

    def correct(self, event: dict[str, Any], **content: Any) -> httpx.Response:
        """Change an event."""
        self.changed.add(event["subject_id"])
        return self.change(f"/adverse-events/{event['id']}", content, Role.SUB_INVESTIGATOR)

    def adjudicate(self, event: dict[str, Any], is_dlt: bool, behind: int = 0) -> httpx.Response:
        """Judge an event as it stands, or as it stood some versions ago."""
        self.changed.add(event["subject_id"])
        path = f"/adverse-events/{event['id']}"
        version = max(1, self.ask("GET", path).json()["version"] - behind)
        body = {"is_dlt": is_dlt, "adverse_event_version": version, "rationale": "Judged."}
        return self.ask("POST", f"{path}/dlt-adjudications", json=body)

    def leave(self, subject: dict[str, Any], event: str) -> httpx.Response:
        """Record how a subject left today."""
        self.changed.add(subject["id"])
        body = {
            "event": event,
            "event_date": self.today.isoformat(),
            "contact_attempts": 3,
            "reason": "Told by the family.",
        }
        path = f"/subjects/{subject['id']}/disposition"
        return self.ask("POST", path, Role.STUDY_COORDINATOR, json=body)

    def measure(self, subject: dict[str, Any], value: float) -> httpx.Response:
        """Record a neutrophil count of now."""
        result = {
            "subject_id": subject["id"],
            "analyte": "ANC",
            "value": value,
            "unit": "10*9/L",
            "collected_at": self.now,
        }
        answer = self.ask("POST", "/labs", Role.STUDY_COORDINATOR, json={"results": [result]})
        with suppress(KeyError):
            self.labs += [x for x in answer.json()["results"] if x.get("id")]
        return answer

    def correct_result(self, lab: dict[str, Any], value: float) -> httpx.Response:
        """Correct a result."""
        body = {"value": value, "unit": "10*9/L", "reason": "Recounted."}
        return self.ask("POST", f"/labs/{lab['id']}/corrections", Role.STUDY_COORDINATOR, json=body)

    def transfuse(self, subject: dict[str, Any], product: str) -> httpx.Response:
        """Record a transfusion of now."""
        body = {"subject_id": subject["id"], "product": product, "given_at": self.now}
        return self.ask("POST", "/transfusions", Role.STUDY_COORDINATOR, json=body)

    # Decisions

    def ladder(self, **params: str) -> dict[str, Any]:
        """Read the ladder."""
        answer = self.ask("GET", "/escalation", params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def propose(self, action: str, **body: Any) -> httpx.Response:
        """Propose a decision on the evidence of now."""
        content = {"digest": self.ladder()["digest"], "rationale": "Discussed.", "action": action}
        return self.ask("POST", "/escalation/decisions", json=content | body)

    def rule_on(self, decision: dict[str, Any], word: str) -> httpx.Response:
        """Give the committee's word on a proposal."""
        body = {"verdict": word, "rationale": "Reviewed.", "digest": decision["digest"]}
        path = f"/escalation/decisions/{decision['id']}/verdict"
        return self.ask("POST", path, Role.SAFETY_COMMITTEE, json=body)

    # What is on record

    def export(self) -> dict[str, list[dict[str, Any]]]:
        """Export the records as they are stored, and the trail of the events."""
        return self.run(self._export())

    async def _export(self) -> dict[str, list[dict[str, Any]]]:
        async with self.database.session() as session:
            found = {}
            for table in EXPORTED:
                query = f"SELECT to_jsonb(t) FROM {table} t ORDER BY recorded_at, id"
                found[table] = list(await session.scalars(text(query)))
            trail = (
                "SELECT jsonb_build_object('record_id', record_id, 'new', new) FROM change"
                " WHERE table_name = 'adverse_event' ORDER BY id"
            )
            found["change"] = list(await session.scalars(text(trail)))
        return found

    def in_hindsight(self, moment: datetime) -> bytes:
        """Read the ladder and who holds its places as they were at a past moment."""
        here, self.clock.now = self.clock.now, max(self.clock.now, datetime.now(UTC))
        params = {"as_of": moment.isoformat()}
        parts = [
            self.ask("GET", path, params=params).content for path in ("/escalation", "/cohorts")
        ]
        self.clock.now = here
        return b"\n".join(parts)


def _path(infusion: dict[str, Any]) -> str:
    return f"/subjects/{infusion['subject_id']}/infusions/{infusion['number']}"
