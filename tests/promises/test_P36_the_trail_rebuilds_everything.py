"""P36: the audit trail alone rebuilds every record, and the same records give the same decisions.

The trail is read as an auditor reads it, over HTTP. What it says is put into an empty schema, which
then has to equal the tables, and from which every decision follows again.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import from_json, to_json
from app.domain.vocabulary import Role
from app.models import Base, Change, EscalationDecision, Operation, Record, Study
from app.services.audit_trail import RECORD_TYPES
from app.services.ladder import read_ladder
from tests.conftest import STUDY
from tests.factories.rows import at, writing
from tests.promises.test_P09_every_write_is_audited import course

Rows = dict[str, list[dict[str, Any]]]
CHANGING = {model.__tablename__ for model in Record.__subclasses__()}
TABLES = [*RECORD_TYPES, Operation.__tablename__, Change.__tablename__]
HOME = {each.name: each.schema or "public" for each in Base.metadata.sorted_tables}
# Which transaction wrote a row and the number of its entry are the database's own bookkeeping.
BOOKKEEPING = {Operation.__tablename__: "transaction", Change.__tablename__: "id"}


async def pages(api, path: str) -> list[dict[str, Any]]:
    """Read a list of the trail to its end."""
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 200}
    while True:
        page = from_json((await api(Role.AUDITOR).get(path, params=query)).content)
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


async def told(api) -> Rows:
    """Say what the trail says: each row as it was left, the operations, and the changes.

    Each change has to begin where the one before it ended.
    """
    entries = await pages(api, "/audit/changes")
    study_id = next(each["record_id"] for each in entries if each["record_type"] == "study")
    last: dict[tuple[str, str], Any] = {}
    rows: Rows = {table: [] for table in TABLES}
    # A row has its changes in order; those of one row may be of operations that overlapped.
    entries.sort(key=lambda each: (each["recorded_at"], (each["new"] or {}).get("version", 0)))
    for number, entry in enumerate(entries):
        key = entry["record_type"], entry["record_id"]
        assert entry["old"] == last.get(key), f"{key} does not begin where it ended"
        last[key] = entry["new"]
        if key[0] in CHANGING:
            kept = ("operation_id", "record_id", "action", "old", "new", "recorded_at")
            change = {"study_id": study_id, "id": number, "table_name": key[0]}
            rows["change"].append(change | {name: entry[name] for name in kept})
    for (table, _), image in last.items():
        rows[table].append(image)
    for operation in await pages(api, "/audit/operations"):
        rows["operation"].append({"study_id": study_id, "transaction": 0} | operation)
    return rows


async def rebuild(session: AsyncSession, rows: Rows) -> None:
    """Put rows into a new schema of tables without triggers and constraints."""
    await session.execute(text("DROP SCHEMA IF EXISTS replayed CASCADE"))
    await session.execute(text("CREATE SCHEMA replayed"))
    for table in TABLES:
        await session.execute(text(f"CREATE TABLE replayed.{table} (LIKE {HOME[table]}.{table})"))
        await session.execute(
            text(
                f"INSERT INTO replayed.{table} SELECT * FROM"
                f" jsonb_populate_recordset(NULL::replayed.{table}, CAST(:rows AS jsonb))"
            ),
            {"rows": to_json(rows[table])},
        )


async def digests(session: AsyncSession, schema: str | None = None) -> dict[str, tuple[int, str]]:
    """Count the rows of the study in every table, with a digest of all their values.

    Of a schema, or where the tables are at home.
    """
    found = {}
    for table in TABLES:
        shown = f"(to_jsonb(t) - '{BOOKKEEPING.get(table, '')}')::text"
        # A decimal in an image is told as on the wire, where it has no zeros at its end.
        shown = rf"regexp_replace({shown}, '(\.\d*?)0+(?=[,}}\]])', '\1', 'g')"
        shown = rf"regexp_replace({shown}, '\.(?=[,}}\]])', '', 'g')"
        query = (
            f"SELECT count(*), coalesce(md5(string_agg({shown}, '' ORDER BY {shown})), '')"
            f" FROM {schema or HOME[table]}.{table} t JOIN public.study s USING (study_id)"
            " WHERE s.key = :key"
        )
        found[table] = tuple((await session.execute(text(query), {"key": STUDY})).one())
    return found


async def decided(api, session: AsyncSession) -> Counter[str]:
    """Draw the ladder of each decision's moment from the rebuilt records; count what is as it was.

    A decision's own words are the evidence: its digest, and what it was recommended.
    """
    async with writing(api) as (_, actor):
        pass
    rows = (await session.scalars(select(EscalationDecision))).all()
    await session.execute(text("SET LOCAL search_path = replayed, public"))
    found: Counter[str] = Counter()
    for row in rows:
        noon = at(date.fromisoformat(row.recommendation["today"]), 12)
        just_before = row.recorded_at - timedelta(microseconds=1)
        ladder = await read_ladder(session, actor, noon, just_before)
        same = from_json(to_json(ladder.recommendation)) == row.recommendation
        found["same" if same and ladder.digest == row.digest else "other"] += 1
    await session.execute(text("SET LOCAL search_path = public"))
    return found


@pytest.fixture
async def trail(api, clock) -> Rows:
    """What the trail says after the course through the trial."""
    await course(api, api, clock)
    return await told(api)


async def test_the_trail_rebuilds_every_table_and_decision(api, session, trail):
    """All tables are as they are, and every decision follows again from what was rebuilt."""
    await rebuild(session, trail)
    before = await digests(session)
    assert await digests(session, "replayed") == before
    assert before[Study.__tablename__][0] == 1
    assert all(before[table][0] for table in ("subject", "lab_result", "escalation_decision"))
    decisions = await decided(api, session)
    assert decisions.keys() == {"same"}
    assert decisions["same"] >= 5


@pytest.mark.parametrize("table", ["dlt_adjudication", "change", "infusion"])
async def test_control_a_trail_that_forgot_is_noticed(api, session, trail, table):
    """Control: without one table's entries the rebuilt records, or the decisions, are others."""
    await rebuild(session, trail | {table: []})
    assert (await digests(session, "replayed"))[table] != (await digests(session))[table]
    if table != "infusion":  # the past is drawn from the changes
        assert (await decided(api, session))["other"]
