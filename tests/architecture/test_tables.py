"""The shape of the tables: one study's rows never point into another, nothing escapes the trail."""

import pytest
from sqlalchemy import Enum, text
from sqlalchemy.orm import configure_mappers

from app.models import CLOSED_WITH_CASEBOOK, SEAL, Base, Fact, Record, Subject

# Not rows of a study: the study itself, the answers kept for repeated requests, spent assertions of
# machines, and the seal, which is one log over all studies.
GLOBAL = {
    "study",
    "idempotency_record",
    "client_assertion",
    *(model.__tablename__ for model in SEAL),
}
TABLES = [table for table in Base.metadata.sorted_tables if table.name not in GLOBAL]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_belongs_to_a_study(table):
    """The key is (study_id, id), and every foreign key carries the study along."""
    assert [column.name for column in table.primary_key.columns] == ["study_id", "id"]
    for key in table.foreign_key_constraints:
        assert "study_id" in key.column_keys, key.name
        target = key.referred_table.name
        assert len(key.column_keys) > 1 or target == "study", key.name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_words_are_text_with_a_check(table):
    """Enumerations are VARCHAR and CHECK, which a migration can widen without rewriting."""
    for column in table.columns:
        if isinstance(column.type, Enum):
            assert not column.type.native_enum
            assert column.type.create_constraint


def test_no_relation_is_loaded_behind_ones_back():
    """Mapped classes have columns only: whoever needs another row asks for it."""
    configure_mappers()
    relations = [
        f"{mapper.class_.__name__}.{relation.key}"
        for mapper in Base.registry.mappers
        for relation in mapper.relationships
        if relation.lazy != "raise"
    ]
    assert relations == []


async def test_every_table_has_its_triggers(session):
    """Changing tables write the trail and count versions, the others refuse to change."""
    rows = await session.execute(
        text(
            "SELECT relname::text, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND tgenabled = 'A'"
        )
    )
    found: dict[str, set[str]] = {}
    for table, trigger in rows:
        found.setdefault(table, set()).add(trigger.removeprefix(f"{table}_"))
    kept = {"refuse", "check_inserts"}
    changing = kept | {"count_version", "write_inserts", "write_updates", "check_updates"}
    expected = {
        model.__tablename__: changing if issubclass(model, Record) else kept
        for model in (mapper.class_ for mapper in Base.registry.mappers)
        if issubclass(model, (Record, Fact))
    }
    expected |= {
        "secret": {"refuse"},
        "study": {"refuse"},
        "operation": kept,
        "change": {"refuse"},
    }
    expected |= {model.__tablename__: {"refuse"} for model in SEAL}
    expected["casebook"] = expected["casebook"] | {"check_step"}
    expected["redaction_request"] = expected["redaction_request"] | {"set_site"}
    for model in CLOSED_WITH_CASEBOOK:
        walls = {"lock_updates"} if model is Subject else {"lock_inserts", "lock_updates"}
        expected[model.__tablename__] = expected[model.__tablename__] | walls
    assert found == expected
