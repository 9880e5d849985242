"""Whether every decision about the ladder follows again from its evidence and from the records."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest, from_json, to_json
from app.domain.committee import LadderState
from app.domain.errors import DomainError
from app.domain.escalation import recommend
from app.domain.ladder import LadderFacts
from app.domain.vocabulary import Role
from app.models import EscalationDecision, ProtocolVersion, Study
from app.schemas.protocols import parse_definition
from app.services.access import Actor
from app.services.ladder import read_ladder
from app.services.verification_report import Check

_FACTS, _STATE = TypeAdapter(LadderFacts), TypeAdapter(LadderState)
_STEP = ("action", "level", "target_level", "permitted")
_PARTS = ("levels", "expansions", "pooled_outcomes", "triggers")
_INSTANT = timedelta(microseconds=1)


async def check_decisions(session: AsyncSession, check: Check) -> None:
    """Draw every decision again: by the pure rule, and from the records as they were."""
    for study in (await session.scalars(select(Study).order_by(Study.key))).all():
        query = select(EscalationDecision).where(EscalationDecision.study_id == study.study_id)
        for row in (await session.scalars(query.order_by(EscalationDecision.round))).all():
            check.looked_at += 1
            try:
                await _check(session, study, row, check)
            except (DomainError, ValueError, KeyError, TypeError) as error:
                kind = type(error).__name__
                check.fail(f"Decision {row.round} of {study.key} cannot be drawn again ({kind}).")


async def _check(
    session: AsyncSession, study: Study, row: EscalationDecision, check: Check
) -> None:
    name = f"Decision {row.round} of {study.key}"
    if await _recommended(session, row) != row.recommendation:
        check.fail(f"{name} does not follow from the evidence that is stored with it.")
    step = {part: row.recommendation[part] for part in _STEP}
    if digest({"evidence": row.evidence, "step": step}) != row.digest:
        check.fail(f"{name} names another evidence than the one stored with it.")
    noon = datetime.combine(
        date.fromisoformat(row.recommendation["today"]), time(12), ZoneInfo(study.time_zone)
    ).astimezone(UTC)
    ladder = await read_ladder(session, _reader(study, row), noon, row.recorded_at - _INSTANT)
    if ladder.digest != row.digest:
        check.fail(f"{name} does not follow from the records as they were when it was made.")


async def _recommended(session: AsyncSession, row: EscalationDecision) -> object:
    """Apply the pure rule to the stored evidence."""
    version = await session.get_one(ProtocolVersion, (row.study_id, row.protocol_version_id))
    parts = {name: row.evidence[name] for name in _PARTS}
    facts = _FACTS.validate_python(parts | {"today": row.recommendation["today"]})
    state = _STATE.validate_python(row.evidence["state"])
    rules = parse_definition(version.definition).escalation
    return from_json(to_json(recommend(facts, state, rules)))


def _reader(study: Study, row: EscalationDecision) -> Actor:
    """Return who reads the ladder of then; the verification is nobody in particular."""
    return Actor(
        study_id=study.study_id,
        study_key=study.key,
        time_zone=study.time_zone,
        principal_id=row.proposed_by,
        display_name="",
        organisation="",
        role=Role.AUDITOR,
        request_id="",
    )
