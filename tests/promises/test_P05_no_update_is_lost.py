"""P05: no update is lost: a change names the version it was made on, and one of two is made.

Every operation that demands If-Match is tried in the course of P09; 200 interleavings of people who
read and write one record are held against a counter. The seed is printed.
"""

import os
from asyncio import gather
from random import Random

import httpx
import pytest

from app.domain.vocabulary import Role
from app.services import sender_registry
from tests.conftest import build_app, clients
from tests.factories.senders import SENDERS, change, create_sender
from tests.promises.courses import again, versioned_commands, watched
from tests.promises.test_P09_every_write_is_audited import course

# `make chaos` plays more.
ROUNDS = 200 * max(1, int(os.environ.get("MSC_PROMISE_ROUNDS", "1")) // 40)
IS_LONG = True
PARAMETERS = {"rounds": ROUNDS}
# A version that nobody has made, and the present one as a weak tag, which never matches.
STALE = ('"v999999"', 'W/"v1"', '"1"', "*")


@pytest.fixture
def app(committing_database, issuer, clock):
    """An application that really commits."""
    return build_app(committing_database, issuer, clock)


@pytest.fixture
def people(app, issuer, clock):
    """Its clients."""
    return clients(app, issuer, clock)


class Rival:
    """Sends what names a version without one, with others, and twice at once."""

    def __init__(self, app) -> None:
        self.app = app
        self.versioned = versioned_commands(app)
        self.seen: set[str] = set()

    async def look(self, command: str, request: httpx.Request) -> httpx.Response | None:
        """Answer an operation's first good change with that of the one who won."""
        if command not in self.versioned - self.seen or "if-match" not in request.headers:
            return None
        await request.aread()
        assert (await self.send(again(request, if_match=None))).status_code == 428, command
        for tag in STALE:
            assert (await self.send(again(request, if_match=tag))).status_code == 412, command
        answers = await gather(*(self.send(again(request)) for _ in range(2)))
        statuses = sorted(int(answer.status_code) for answer in answers)
        # What is settled once for all is a conflict for who comes second.
        late = 409 if request.method == "POST" else 412
        assert statuses == [200, late], f"{command}: {[each.text for each in answers]}"
        self.seen.add(command)
        return next(answer for answer in answers if answer.is_success)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the application."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            return await client.send(request)


async def test_every_change_names_its_version_and_wins_alone(app, people, clock):
    """Without If-Match 428, with another version 412, and of two at once one is made."""
    rival = Rival(app)
    await course(watched(people, app, rival.look), people, clock)
    missing = rival.versioned - rival.seen
    assert not missing, f"add a good change by {missing} to the course of P09"


async def count_up(api, chance: Random, rounds: int) -> tuple[int, int, int]:
    """Let two people read and add one in many orders; return successes, counter and version.

    The counter is the rate that a laboratory system is allowed. What a person does next may happen
    at the same time as what the other one does.
    """
    sender = await create_sender(api, rate_per_minute=1)
    client = api(Role.DATA_MANAGER)
    path, made = f"{SENDERS}/{sender['id']}", 0

    async def step(seen: dict) -> int:
        """Read at a person's first step, add one to what was read at the second."""
        if not seen:
            seen |= (await client.get(path)).json()
            return 0
        rate = seen["rate_per_minute"] + 1
        answer = await change(client, path, seen["version"], rate_per_minute=rate)
        assert answer.status_code in (200, 412), answer.text
        return int(answer.status_code == 200)

    for _ in range(rounds):
        one, other = {}, {}
        steps = [one, one, other, other]
        chance.shuffle(steps)
        while steps:
            together = steps[: chance.choice([1, 2])]
            if together[0] is together[-1]:
                together = together[:1]
            steps = steps[len(together) :]
            made += sum(await gather(*map(step, together)))
    kept = (await client.get(path)).json()
    return made, kept["rate_per_minute"] - 1, kept["version"] - 1


async def test_a_counter_counts_every_success(people, seed):
    """In 200 interleavings of two people, what was acknowledged is what is there."""
    made, counted, versions = await count_up(people, Random(seed), ROUNDS)
    assert made == counted == versions
    assert ROUNDS <= made < 2 * ROUNDS


async def test_control_without_the_check_additions_are_lost(people, monkeypatch, seed):
    """Control: a service that does not compare the version overwrites and still says 200."""

    async def trusting(session, model, study_id, record_id, _version):
        return await locked(session, model, study_id, record_id, None)

    locked = sender_registry.lock
    monkeypatch.setattr(sender_registry, "lock", trusting)
    made, counted, _ = await count_up(people, Random(seed), 20)
    assert counted < made
