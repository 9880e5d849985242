"""P10: without an actor nothing is written, and without a reason nothing is changed."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.models import Base, Record, StudyRecord
from tests.factories.rows import writing
from tests.factories.subjects import eligible_subject

OF_STUDIES = sorted(
    (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, StudyRecord)),
    key=lambda model: model.__tablename__,
)
RECORDS = [model for model in OF_STUDIES if issubclass(model, Record)]
ENTER_ALL = "SELECT enter((SELECT array_agg(study_id) FROM study))"
# Of some tables the API itself may write nothing at all: their own functions do.
NO_ACTOR = {"28000", "42501"}
AS_API = "SET LOCAL ROLE msc_icaht_api"
NO_OPERATION = "SELECT set_config('app.operation_id', '', true)"
# A change of nothing is a change: the trail shows it, so it needs a reason as well.
TOUCH = "UPDATE {} SET version = version"


async def refused(session, statement: str) -> str:
    """Run a statement as the API's role inside a savepoint; return its SQLSTATE."""
    with pytest.raises(DBAPIError) as failure:
        async with session.begin_nested():
            await session.execute(text(statement))
    state: str = failure.value.orig.sqlstate
    return state


def insert_of_nothing(model) -> str:
    """Write an insert that says nothing but the study: the actor is looked for first."""
    table = model.__table__.fullname
    return f"INSERT INTO {table} (study_id, id) SELECT study_id, gen_random_uuid() FROM study"


@pytest.mark.parametrize("model", OF_STUDIES, ids=lambda model: model.__tablename__)
async def test_no_row_is_written_without_an_operation(session, model):
    """The default of operation_id refuses the row, whatever else it lacks."""
    for statement in (ENTER_ALL, NO_OPERATION, AS_API):
        await session.execute(text(statement))
    assert await refused(session, insert_of_nothing(model)) in NO_ACTOR


async def test_no_row_is_changed_without_a_reason(api, session):
    """An operation without a reason, or with a blank one, changes nothing: 23514."""
    await eligible_subject(api)
    for reason in ("NULL", "''", "'  '"):
        await session.execute(text(blank_operation(reason)))
        await session.execute(text(ENTER_ALL))
        await session.execute(text(AS_API))
        assert await refused(session, TOUCH.format("subject")) == "23514"
        await session.execute(text("RESET ROLE"))


def blank_operation(reason: str) -> str:
    """Open an operation without a reason, as no service does."""
    return f"""
        WITH begun AS (
            INSERT INTO operation (study_id, id, actor_name, role, organisation, command, reason,
                                   request_id)
            SELECT study_id, gen_random_uuid(), 'Test', 'none', 'Test', 'test', {reason}, 'test'
            FROM study RETURNING id
        ) SELECT set_config('app.operation_id', id::text, true) FROM begun
    """


async def test_control_with_an_operation_and_a_reason_it_is_changed(api, session):
    """The control: the same statement passes for an operation that says why."""
    await eligible_subject(api)
    async with writing(api, reason="Checked.") as (writer, _):
        changed = await writer.execute(text(TOUCH.format("subject")))
        assert changed.rowcount == 1


async def test_control_without_the_triggers_a_change_needs_no_reason(api, session):
    """The control: what refuses is the trigger, so without it the change passes."""
    await eligible_subject(api)
    await session.execute(text("ALTER TABLE subject DISABLE TRIGGER subject_write_updates"))
    await session.execute(text(blank_operation("NULL")))
    changed = await session.execute(text(TOUCH.format("subject")))
    assert changed.rowcount == 1
