"""Work that is asked for at the same time is done together, and each gets its own answer."""

import asyncio

import pytest

from app.core.gathering import Gathering


async def test_who_comes_alone_is_served_at_once():
    """There is no waiting for company."""
    batches = []

    async def work(items):
        batches.append(list(items))
        return [item * 2 for item in items]

    gathering = Gathering(work, 10)
    assert [await gathering.do(1), await gathering.do(2)] == [2, 4]
    assert batches == [[1], [2]]


async def test_who_comes_meanwhile_is_served_together_and_no_more_than_allowed():
    """While one piece of work is under way the next gathers, in the order of coming."""
    batches, gate = [], asyncio.Event()

    async def work(items):
        batches.append(list(items))
        await gate.wait()
        return [item * 2 for item in items]

    gathering = Gathering(work, 3)
    waiting = [asyncio.create_task(gathering.do(number)) for number in range(6)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6, 8, 10]
    assert [number for batch in batches for number in batch] == list(range(6))
    assert max(map(len, batches)) == 3


async def test_a_failure_reaches_all_who_waited_for_it_and_nobody_else():
    """The next one is served as if nothing had happened."""

    async def work(items):
        if "bad" in items:
            raise OSError("gone")
        return items

    gathering = Gathering(work, 10)
    failed = await asyncio.gather(
        gathering.do("bad"), gathering.do("beside"), return_exceptions=True
    )
    assert [type(each) for each in failed] == [OSError, OSError]
    assert await gathering.do("good") == "good"


async def test_who_gives_up_does_not_keep_the_others_from_their_answer():
    """A cancelled caller's item is done, and its answer goes nowhere."""
    gate = asyncio.Event()

    async def work(items):
        await gate.wait()
        return items

    gathering = Gathering(work, 10)
    leaving, staying = (asyncio.create_task(gathering.do(name)) for name in ("one", "other"))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await staying == "other"
    with pytest.raises(asyncio.CancelledError):
        await leaving
