"""How a seeded trial is worked: what is seen, asked and waits, and how its results arrived.

It draws from a chance of its own, so that what happens to the subjects stays the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Text, cast, func, insert

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models import (
    AdverseEvent,
    Assessment,
    ConcomitantMedication,
    InboundMessage,
    InboxItem,
    Operation,
    Query,
)
from tests.conftest import Api
from tests.factories.queries import queries, taken
from tests.factories.rows import at

if TYPE_CHECKING:
    from tests.recomputation.courses import Course
    from tests.recomputation.trials import Trial

SEEN = (
    ("vital_signs", {"pulse_per_min": 80}),
    ("ecog", {"score": 1}),
    ("response_opinion", {"category": "NR", "week": 4}),
)
# Reported and measured milliseconds: QTcF of 400 and 1000 is 400, so 405 is in tolerance.
ECGS = (("400", "405"), ("400", "405.01"), ("400", "430"), ("400", None))
WAITING = (
    ("result", ["unmapped_code"], "open"), ("result", ["unknown_unit", "unmapped_code"], "open"),
    ("result", ["implausible_value"], "open"), ("result", ["implausible_value"], "rejected"),
    ("result", ["unknown_patient"], "filed"), ("message", ["unreadable_message"], "open"),
    ("message", ["unreadable_message"], "done"), ("task", ["contradiction"], "open"),
    ("task", ["contradiction"], "done"), ("result", ["ambiguous_number"], "duplicate"),
)  # fmt: skip
AGES = (0, 7, 8, 14, 15, 28, 29, 60)
PERSONS = ("open", "answered", "closed", "cancelled", "open", "answered")


async def receive(trial: Trial) -> list[UUID]:
    """Write what laboratory systems sent, on several days."""
    ids = []
    for age in AGES:
        message = InboundMessage(
            study_id=trial.actor.study_id,
            id=new_id(),
            received_at=at(trial.today - timedelta(days=age), trial.chance.choice((0, 12, 23))),
            door="hl7v2",
            digest=f"{age:064d}",
            sealed=b"sealed",
            size=1,
            flags=[],
            results=0,
            filed=0,
            duplicates=0,
            inbox=0,
            refused=0,
        )
        trial.add(message)
        ids.append(message.id)
    await trial.session.flush()
    return ids


def arrival(trial: Trial, collected: datetime) -> dict[str, Any]:
    """Say how a result came on record: when, told how precisely, reported or not, by whom."""
    chance = trial.chance
    reported = collected + timedelta(minutes=chance.randint(20, 300))
    found: dict[str, Any] = {
        "recorded_at": reported + timedelta(seconds=chance.randint(0, 200_000)),
        "reported_at": reported if chance.random() < 0.6 else None,
        "collected_precision": chance.choice(("second", "minute", "minute", "hour", "day")),
    }
    if chance.random() < 0.5:
        found |= {"message_id": chance.choice(trial.messages), "position": 0}
    return found


def seen(course: Course) -> None:
    """See a subject on some days, take its ECG, and note a study drug; some is retracted."""
    trial, keys = course.trial, course.trial.keys(course.subject_id)
    chance = trial.chance
    for _ in range(8):
        kind, content = chance.choice(SEEN)
        # Often between the windows of the monthly visits, where a day may make up for a visit.
        span = chance.choice(((-4, 60), (92, 104), (120, 132), (148, 160), (60, 200)))
        day = course.zero + timedelta(days=chance.randint(*span))
        if day <= (course.until or trial.today):
            _assess(course, kind, content, at(day, chance.choice((0, 9, 23))))
    qt, reported = chance.choice(ECGS)
    content = {"qt_ms": qt, "rr_ms": "1000", "qtcf_ms": reported}
    content = {key: value for key, value in content.items() if value is not None}
    _assess(course, "ecg", content, at(course.zero - timedelta(days=chance.randint(0, 6))))
    if chance.random() < 0.4:
        begun = at(course.zero - timedelta(days=chance.choice((27, 28, 29, 40))))
        trial.add(
            ConcomitantMedication(
                **keys,
                id=new_id(),
                name="A study drug",
                medication_class="investigational_drug",
                started_at=begun,
                ended_at=chance.choice((None, begun)),
                half_life_days=chance.choice((None, None, 3)),
            )
        )


def _assess(course: Course, kind: str, content: dict[str, Any], when: datetime) -> None:
    keys = course.trial.keys(course.subject_id)
    row = Assessment(**keys, id=new_id(), kind=kind, performed_at=when, content=content)
    course.trial.add(row)
    if course.trial.chance.random() < 0.15:
        course.trial.changes.append((row, {"retracted": True}))


def wait(trial: Trial) -> None:
    """Write what waits in the inbox, and what became of the rest."""
    for position, (kind, reasons, status) in enumerate(WAITING):
        known = "implausible_value" in reasons
        trial.add(
            InboxItem(
                study_id=trial.actor.study_id,
                id=new_id(),
                message_id=trial.chance.choice(trial.messages),
                kind=kind,
                position=None if kind == "message" else position,
                results=3 if kind == "message" else 1,
                reasons=reasons,
                tokens=[],
                status=status,
                analyte="ANC" if known else None,
                subject_id=trial.chance.choice(trial.subjects) if known else None,
            )
        )


async def ask(trial: Trial) -> None:
    """Let people ask on different days; some was answered, closed or cancelled."""
    asker, answerer = trial.people[:2]
    for place, status in enumerate(PERSONS):
        when = at(trial.today - timedelta(days=trial.chance.choice(AGES)), 9)
        await _begin(trial, when)
        is_answered = status in ("answered", "closed")
        trial.add(
            Query(
                **trial.keys(trial.subjects[place]),
                id=new_id(),
                record_type="subject",
                text="Is the weight right?",
                origin="person",
                status=status,
                answered_by=answerer if is_answered else None,
                answerers=[answerer] if is_answered else [],
                closed_by=asker if status in ("closed", "cancelled") else None,
                recorded_at=when,
            )
        )
        await trial.session.flush()


async def _begin(trial: Trial, when: datetime) -> None:
    """Open an operation of the past, which the rows that follow name."""
    actor = trial.actor
    operation = insert(Operation).values(
        study_id=actor.study_id,
        actor_id=actor.principal_id,
        actor_name=actor.display_name,
        role=actor.role.value,
        organisation=actor.organisation,
        command="ask",
        reason="ask",
        request_id=actor.request_id,
        recorded_at=when,
    )
    named = func.set_config("app.operation_id", cast(Operation.id, Text), True)
    await trial.session.execute(operation.returning(Operation.id, named))


async def answer(api: Api, trial: Trial) -> None:
    """Answer, close, cancel and reopen what the rules ask, of every rule but the first question.

    Of one that was answered the cause goes away with the next change.
    """
    asked = [each for each in await queries(api, limit="200") if each["origin"] == "rule"]
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for each in asked:
        by_rule.setdefault(each["rule_key"].split(":")[0], []).append(each)
    for place, found in enumerate(by_rule.values()):
        for question, steps in zip(found[1:], _steps(place), strict=False):
            standing = question
            for role, action in steps:
                standing = await taken(api(role), standing, action)
            is_answered = standing["status"] == "answered"
            if standing["record_type"] == "adverse_event" and is_answered:
                event = AdverseEvent(id=UUID(standing["record_id"]))
                trial.changes.append((event, {"causality": "possible"}))


def _steps(place: int) -> list[list[tuple[Role, str]]]:
    """Name what is done about the questions of one rule, each in its turn."""
    answered = (Role.PRINCIPAL_INVESTIGATOR, "answer")
    ways = [
        [answered],
        [answered, (Role.DATA_MANAGER, "close")],
        [(Role.DATA_MANAGER, "cancel")],
        [answered, (Role.DATA_MANAGER, "reopen")],
    ]
    return [ways[place % 4], ways[(place + 1) % 4]]
