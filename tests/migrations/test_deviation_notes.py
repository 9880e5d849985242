"""Reported deviations and notes keep their revision: going back would lose them."""

import pytest
from sqlalchemy.exc import DBAPIError

from app.core.database import Database
from app.core.migration import migrate
from app.domain.vocabulary import Role
from tests.migrations.test_round_trip import catalogue, contents, downgrade

BEFORE = "0015"
REPORT = {"category": "consent", "day": "2026-05-20", "severity": "minor", "description": "Late."}


async def test_a_revision_with_reports_is_not_undone(committing_api, committing_database):
    """The refusal leaves every row where it was."""
    client = committing_api(Role.STUDY_COORDINATOR)
    answer = await client.post("/deviations", json=REPORT)
    assert answer.status_code == 201, answer.text
    before = await contents(committing_database)
    assert before["reported_deviation"][0] == 1
    with pytest.raises(DBAPIError, match="records are kept"):
        await downgrade(committing_database, BEFORE)
    assert await contents(committing_database) == before


async def test_without_reports_it_goes_and_comes_back(committing_database: Database):
    """What a redaction may take away goes with the columns, and comes back with them."""
    before = await catalogue(committing_database)
    assert any("deviation_note.root_cause" in line for line in before)
    await downgrade(committing_database, BEFORE)
    assert not any("deviation_note" in line for line in await catalogue(committing_database))
    await migrate(committing_database.engine)
    assert await catalogue(committing_database) == before
