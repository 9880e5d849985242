"""Every stored decision follows again from what is stored with it, and from the records."""

from datetime import date, timedelta

from pydantic import TypeAdapter
from sqlalchemy import select

from app.core.serialization import digest, from_json, to_json
from app.domain.committee import LadderState
from app.domain.escalation import recommend
from app.domain.ladder import LadderFacts
from app.models import EscalationDecision, ProtocolVersion
from app.schemas.protocols import parse_definition
from app.services.ladder import read_ladder
from tests.factories.events import adverse_event
from tests.factories.ladder import amend, decide, propose, treat
from tests.factories.rows import writing

_FACTS, _STATE = TypeAdapter(LadderFacts), TypeAdapter(LadderState)
_STEP = ("action", "level", "target_level", "permitted")
_PARTS = ("levels", "expansions", "pooled_outcomes", "triggers")


async def run_a_trial(api, clock) -> dict:
    """Go up, hold and resume, meet toxicity on B, refill A, declare it and expand; note moments."""
    moments = {}

    async def step(action, **body):
        moments[(await decide(api, action, **body))["id"]] = clock.now

    first = await treat(api, clock, date(2026, 6, 3), 3)
    await step("escalate")
    event = await adverse_event(api, first[0], date(2026, 7, 20), term="Anaphylaxis", grade=4)
    await step("hold")
    await step("resume", reviewed=[f"{event}:1"])
    await treat(api, clock, date(2026, 8, 3), 3, dlts=2)
    await step("stop_level")
    await step("refill_lower")
    await amend(api, "escalation", max_in_total=25)
    await treat(api, clock, date(2026, 10, 5), 3, dlts=1)
    await step("declare_mtd")
    await step("open_expansion", dose_level="A")
    return moments


async def test_a_decision_follows_from_what_is_stored_with_it(api, clock, session):
    """The pure rule gives the stored recommendation, and the digest is that of the evidence."""
    await run_a_trial(api, clock)
    rows = (await session.scalars(select(EscalationDecision))).all()
    assert len(rows) == 7
    for row in rows:
        version = await session.scalar(
            select(ProtocolVersion).where(ProtocolVersion.id == row.protocol_version_id)
        )
        parts = {name: row.evidence[name] for name in _PARTS}
        facts = _FACTS.validate_python(parts | {"today": row.recommendation["today"]})
        state = _STATE.validate_python(row.evidence["state"])
        rules = parse_definition(version.definition).escalation
        again = from_json(to_json(recommend(facts, state, rules)))
        assert again == row.recommendation
        step = {name: row.recommendation[name] for name in _STEP}
        assert digest({"evidence": row.evidence, "step": step}) == row.digest
        assert version.digest == row.evidence["protocol"]["digest"]


async def test_a_decision_follows_from_the_records_as_they_were(api, clock, session):
    """Drawn again from the history, the ladder of each decision's moment has its digest."""
    moments = await run_a_trial(api, clock)
    rows = (await session.scalars(select(EscalationDecision))).all()
    async with writing(api) as (reader, actor):
        for row in rows:
            just_before = row.recorded_at - timedelta(microseconds=1)
            ladder = await read_ladder(reader, actor, moments[str(row.id)], just_before)
            assert ladder.digest == row.digest, row.action
            assert from_json(to_json(ladder.recommendation)) == row.recommendation


async def test_the_replay_notices_a_changed_recommendation(api, clock, session):
    """The control: with one more DLT the rule gives something else."""
    await treat(api, clock, date(2026, 6, 3), 3)
    await propose(api, "escalate")
    row = await session.scalar(select(EscalationDecision))
    levels = [dict(level) for level in row.evidence["levels"]]
    levels[0]["dlts"] = 1
    parts = {name: row.evidence[name] for name in _PARTS} | {"levels": levels}
    facts = _FACTS.validate_python(parts | {"today": row.recommendation["today"]})
    state = _STATE.validate_python(row.evidence["state"])
    version = await session.scalar(select(ProtocolVersion))
    rules = parse_definition(version.definition).escalation
    assert from_json(to_json(recommend(facts, state, rules))) != row.recommendation
