"""Any sequence of steps of a trial team keeps the promises of the trial.

`MSC_CONDUCT_EXAMPLES` is the number of trials; 100 or more are drawn anew in each run, and one
that fails is shortened.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.core.database import API_ROLE, Database
from app.domain.evaluability import evaluability
from app.domain.vocabulary import BagStatus
from app.services import bag_allocation, enrolments, escalation, ladder
from app.services.bag_allocation import allocate
from tests.conftest import (
    TestClock,
    TransactionDatabase,
    administrator,
    build_app,
    clients,
    on,
)
from tests.factories.conduct import Team
from tests.scenarios.conduct_machine import Conduct

EXAMPLES = int(os.environ.get("MSC_CONDUCT_EXAMPLES", "10"))
STEPS = 10
IS_LONG = EXAMPLES >= 100
RUN = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not IS_LONG,
    database=None,
    report_multiple_bugs=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if IS_LONG else [Phase.generate],
)

# Enough to come upon any of the faults; the first failure ends it.
CONTROL = settings(RUN, max_examples=60, derandomize=True, phases=[Phase.generate])


class Stage:
    """A database of its own, on which each trial is rolled back when it is over."""

    def __init__(self, loop, database, issuer) -> None:
        self.loop, self.database, self.issuer = loop, database, issuer

    def raise_curtain(self) -> Team:
        """Begin a trial."""
        self.connection = self.loop.run_until_complete(self.database.engine.connect())
        self.transaction = self.loop.run_until_complete(self.connection.begin())
        self.clock = TestClock()
        app = build_app(TransactionDatabase(self.connection, API_ROLE), self.issuer, self.clock)
        api = clients(app, self.issuer, self.clock)
        return Team(api, self.clock, TransactionDatabase(self.connection), self.loop)

    def drop_curtain(self) -> None:
        """Forget the trial."""
        self.loop.run_until_complete(self.transaction.rollback())
        self.loop.run_until_complete(self.connection.close())


@pytest.fixture(scope="module")
def stage(server_url, template, issuer) -> Iterator[Stage]:
    """Run on a loop of its own: the steps of a machine are not asynchronous."""
    loop = asyncio.new_event_loop()

    async def execute(statement: str) -> None:
        async with administrator(server_url) as connection:
            await connection.execute(text(statement))

    loop.run_until_complete(execute(f"CREATE DATABASE msc_conduct TEMPLATE {template}"))
    database = Database(on(server_url, "msc_conduct"), role=None)
    yield Stage(loop, database, issuer)
    loop.run_until_complete(database.close())
    loop.run_until_complete(execute("DROP DATABASE msc_conduct WITH (FORCE)"))
    loop.close()


def test_any_conduct_keeps_the_promises(stage):
    """Whatever the team does in whatever order, nothing of the trial's promises breaks."""
    Conduct.stage = stage
    run_state_machine_as_test(Conduct, settings=RUN)


def forgetful(*known):
    """Judge a subject, and forget its dose-limiting toxicity."""
    return replace(evaluability(*known), has_dlt=False)


def generous(*_):
    """Find no reason against any place."""
    return iter(())


async def careless(session, bags, allocation):
    """Take any bag, also one that somebody else has."""
    bags = list(bags)
    for bag in bags:
        bag.status = BagStatus.AVAILABLE
    await allocate(session, bags, allocation)


async def present(session, actor, at, past=None):
    """Draw the ladder of now, whatever moment was asked for."""
    return await ladder.read_ladder(session, actor, at)


@pytest.mark.parametrize(
    ("module", "name", "fault", "noticed"),
    [
        (ladder, "evaluability", forgetful, "counts of level"),
        (enrolments, "_place_refusals", generous, "beyond"),
        (escalation, "read_ladder", present, "another answer"),
        (bag_allocation, "allocate", careless, "taken bag|infused twice"),
    ],
)
def test_a_fault_is_noticed(stage, monkeypatch, module, name, fault, noticed):
    """The control: with a rule of the service broken the same trials break the same promise."""
    monkeypatch.setattr(module, name, fault)
    Conduct.stage = stage
    with pytest.raises(AssertionError, match=noticed):
        run_state_machine_as_test(Conduct, settings=CONTROL)
