"""Every read of records and conclusions can be asked of the past, and gives it typed."""

import pytest
from sqlalchemy import Text, cast, func, literal, select, text, true

from app.main import openapi_document
from app.models import Base, Record
from app.services.history import as_of
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import dose_limiting_event
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, enrolled_subject

FHIR = "R4 has no such parameter; the same records are read with as_of below /studies"
DOCUMENT = "a document that comes with the software"
PROOF = "a proof is of all that is sealed"
# Reads that take no `as_of`, and why.
EXCEPT = {
    **dict.fromkeys(("livez", "readyz", "metrics"), "the process and its database, now"),
    **dict.fromkeys(
        ("read_capabilities", "read_protocol_schema", "search_ctcae_terms", "get_verifier"),
        DOCUMENT,
    ),
    **dict.fromkeys(
        ("read_receipt", "list_checkpoints", "export_audit", "verify_trail"),
        PROOF,
    ),
    **dict.fromkeys(
        (
            "search_observations",
            "read_observation",
            "search_patients",
            "read_patient",
            "search_research_subjects",
            "read_research_subject",
            "search_adverse_events",
            "read_adverse_event_resource",
            "search_research_studies",
            "read_research_study",
        ),
        FHIR,
    ),
    "list_studies": "which studies one may enter is a matter of now; a study never changes",
    "read_data_cut": "the cut names its moment",
    "read_submission": "what became of a message; each of its results is read with as_of",
    "read_signable_document": "what would be signed is shown as it is now",
}
RECORDS = sorted(
    (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Record)),
    key=lambda model: model.__tablename__,
)


def test_every_read_takes_the_moment():
    """An operation that reads records or conclusions has `as_of`, or is excepted for a reason."""
    without = {
        operation["operationId"]
        for operations in openapi_document()["paths"].values()
        for method, operation in operations.items()
        if method == "get"
        and "as_of" not in {each["name"] for each in operation.get("parameters", ())}
    }
    assert without == set(EXCEPT)


def types_of(kept):
    """Select the type of each column, of a table or a query, though it have no row."""
    nothing = select(literal(1)).subquery()
    columns = (cast(func.pg_typeof(column), Text) for column in kept.c)
    return select(*columns).select_from(nothing.outerjoin(kept, true())).limit(1)


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__tablename__)
async def test_the_past_has_the_types_of_the_present(session, model):
    """A column of a past row is of the very type that the table's column has."""
    row = (await session.execute(text("SELECT study_id, clock_timestamp() FROM study"))).one()
    past = select(as_of(model, *row)).subquery()
    now = tuple((await session.execute(types_of(model.__table__))).one())
    assert tuple((await session.execute(types_of(past))).one()) == now


async def test_the_past_is_the_present_where_nothing_changed(api, session, clock):
    """Row by row and value by value, what the trail gives back is what the table holds."""
    subject = await enrolled_subject(api)
    await create_bags(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    await dose_limiting_event(api, subject, FIRST_INFUSION)
    study_id, moment = (
        await session.execute(text("SELECT study_id, clock_timestamp() FROM study"))
    ).one()
    compared = 0
    for model in RECORDS:
        columns = [column.key for column in model.__table__.c]
        entity = as_of(model, study_id, moment)
        past = await session.execute(
            select(*(getattr(entity, name) for name in columns)).order_by(entity.id)
        )
        present = await session.execute(select(*model.__table__.c).order_by(model.id))
        kept = [tuple(row) for row in present]
        assert [tuple(row) for row in past] == kept, model.__tablename__
        compared += len(kept)
    assert compared > 5
