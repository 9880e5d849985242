"""Grades that were lowered before revision 0014 were corrections, and are kept as such."""

import pytest
from sqlalchemy.exc import DBAPIError

from app.core.migration import migrate
from tests.factories.subjects import created, register
from tests.migrations.test_round_trip import downgrade
from tests.routers.test_adverse_events import change

BEFORE = "0013"
EVENT = {"term": "Hypertension", "grade": 4, "onset_at": "2026-05-31T23:00:00+08:00"}


async def test_a_grade_that_was_lowered_before_stays_corrected(committing_api, committing_database):
    """Up again the higher grade counts no more; an event that got better keeps the revision."""
    client = committing_api()
    body = EVENT | {"subject_id": await register(committing_api)}
    event = created(await client.post("/adverse-events", json=body))
    path = f"/adverse-events/{event['id']}"
    lower = (await change(client, event, grade=2, corrects_grade=True)).json()
    await downgrade(committing_database, BEFORE)
    await migrate(committing_database.engine)
    found = (await client.get(f"{path}/grades")).json()
    assert (found["worst_grade"], [item["mistaken"] for item in found["items"]]) == (
        2, [True, False],
    )  # fmt: skip
    better = await change(client, lower, grade=1)
    assert better.json()["worst_grade"] == 2
    with pytest.raises(DBAPIError, match="records are kept"):
        await downgrade(committing_database, BEFORE)
    assert (await client.get(path)).json()["worst_grade"] == 2
