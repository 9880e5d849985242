"""Two people at the same inbox: one of them resolves an item, and nothing is filed twice."""

import asyncio
from collections import Counter

import httpx
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.messages import laboratory, local, resolve, send, waiting
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import message, msh, obr, pid


async def count(database, query: str) -> int:
    """Count by a query."""
    async with database.session() as session:
        return (await session.execute(text(query))).scalar_one()


def unmapped(number: int) -> bytes:
    """Build a message of one result whose code is not mapped."""
    return message(msh(control_id=f"M-{number}"), pid(), obr(f"A-{number}"), local())


async def fill(api, messages: int) -> tuple[httpx.AsyncClient, list[dict]]:
    """Send messages that wait; return the sender's client and what waits."""
    await register(api)
    lab = await laboratory(api)
    for number in range(messages):
        await send(lab, unmapped(number))
    return lab, await waiting(api)


async def test_one_of_two_people_resolves_an_item(committing_api, committing_database):
    """The other is told that it is resolved; there is one result and one profile version more."""
    _, (item,) = await fill(committing_api, 1)
    step = {"action": "map_code", "analyte": "ANC"}
    answers = await asyncio.gather(
        *(
            resolve(committing_api, item, role=role, **step)
            for role in (Role.DATA_MANAGER, Role.STUDY_COORDINATOR, Role.PRINCIPAL_INVESTIGATOR)
        )
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 1, 409: 2}, [answer.text for answer in answers]
    assert await count(committing_database, "SELECT count(*) FROM lab_result") == 1
    assert await count(committing_database, "SELECT count(*) FROM sender_profile") == 2


async def test_people_at_different_items_of_one_sender_take_turns(
    committing_api, committing_database
):
    """Whoever comes second finds its item released by the first; nothing is filed twice."""
    _, items = await fill(committing_api, 6)
    step = {"action": "map_code", "analyte": "ANC"}
    answers = await asyncio.gather(*(resolve(committing_api, item, **step) for item in items))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 1, 409: 5}, [answer.text for answer in answers]
    assert await count(committing_database, "SELECT count(*) FROM lab_result") == 6
    filed = "SELECT count(*) FROM inbox_item WHERE status = 'filed'"
    assert await count(committing_database, filed) == 6


async def test_messages_come_in_while_items_are_resolved(committing_api, committing_database):
    """What arrives meanwhile is read by the old or the new profile; in the end all is filed."""
    lab, (item, *_) = await fill(committing_api, 3)
    answer, *_ = await asyncio.gather(
        resolve(committing_api, item, action="map_code", analyte="ANC"),
        *(send(lab, unmapped(number)) for number in range(3, 9)),
    )
    assert answer.status_code == 200, answer.text
    for left in (await waiting(committing_api))[:1]:
        assert (await resolve(committing_api, left, action="retry")).status_code == 200
    assert await waiting(committing_api) == []
    assert await count(committing_database, "SELECT count(*) FROM lab_result") == 9
