"""P07: of two decisions at the same time exactly one takes effect, the other hears which."""

import asyncio
import os

import httpx
from sqlalchemy import select, text

from app.models import DecisionVerdict
from app.services import decisions
from tests.factories.ladder import propose, read_ladder, verdict

# `make chaos` plays more.
ROUNDS = int(os.environ.get("MSC_PROMISE_ROUNDS", "20"))
IS_LONG = ROUNDS >= 200
PARAMETERS = {"rounds": ROUNDS}


async def at_once(*requests) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Send requests at the same time; return those that were taken and those that were not."""
    answers = await asyncio.gather(*requests)
    taken = [answer for answer in answers if answer.status_code == 201]
    return taken, [answer for answer in answers if answer.status_code != 201]


async def on_hold(api) -> bool:
    """Make sure that the trial is on hold."""
    state = (await read_ladder(api))["state"]
    if not state["on_hold"]:
        assert (await propose(api, "hold")).status_code == 201
    return True


async def test_one_of_two_proposals_and_one_of_two_verdicts_wins(committing_api):
    """Twenty times over, 200 times in a long run: one 201, one 409 that tells the winner."""
    api = committing_api
    for _ in range(ROUNDS):
        await on_hold(api)
        (proposal,), (late,) = await at_once(propose(api, "resume"), propose(api, "resume"))
        assert (late.status_code, late.json()["code"]) == (409, "proposal_open")
        decision = proposal.json()
        assert f"Round {decision['round']}: resume" in late.json()["errors"][0]["message"]
        (winner,), (loser,) = await at_once(
            verdict(api, decision, "confirmed"), verdict(api, decision, "rejected", second=True)
        )
        assert (loser.status_code, loser.json()["code"]) == (409, "already_decided")
        told = winner.json()["verdict"]
        assert f"by {told['given_by_name']}." in loser.json()["errors"][0]["message"]
        state = (await read_ladder(api))["state"]
        assert state["on_hold"] is (told["verdict"] == "rejected")


async def test_one_of_two_decisions_in_force_at_once_wins(committing_api):
    """Two holds on the same evidence: the second hears that the evidence moved."""
    api = committing_api
    digest = (await read_ladder(api))["digest"]
    (hold,), (late,) = await at_once(
        propose(api, "hold", digest=digest), propose(api, "hold", digest=digest)
    )
    assert late.json()["code"] == "evidence_moved"
    assert late.json()["errors"][-1]["message"].startswith(f"Round {hold.json()['round']}: hold")


async def test_the_constraints_alone_let_one_win(committing_api, monkeypatch):
    """Without the lock the unique round and the one verdict of a decision still hold."""
    api = committing_api
    monkeypatch.setattr(decisions, "lock_study", no_lock)
    await on_hold(api)
    (proposal,), (late,) = await at_once(propose(api, "resume"), propose(api, "resume"))
    assert late.status_code == 409
    decision = proposal.json()
    taken, _ = await at_once(verdict(api, decision), verdict(api, decision, second=True))
    assert len(taken) == 1


async def test_without_lock_and_constraint_both_win(
    committing_api, committing_database, monkeypatch
):
    """The control: before long two verdicts on one proposal are both stored."""
    api = committing_api
    monkeypatch.setattr(decisions, "lock_study", no_lock)
    async with committing_database.engine.begin() as connection:
        await connection.execute(
            text(
                "ALTER TABLE decision_verdict"
                " DROP CONSTRAINT uq_decision_verdict_study_id_decision_id"
            )
        )
    await on_hold(api)
    taken: list[httpx.Response] = []
    stored, rounds = 0, 0
    while len(taken) < 2 and rounds < ROUNDS:
        decision = (await propose(api, "resume")).json()
        taken, _ = await at_once(
            verdict(api, decision, "rejected"), verdict(api, decision, "rejected", second=True)
        )
        stored, rounds = stored + len(taken), rounds + 1
    async with committing_database.session() as session:
        assert len((await session.scalars(select(DecisionVerdict.id))).all()) == stored
    assert stored == rounds + 1


async def no_lock(session, study_id) -> None:
    """Take no lock."""
