"""P17: a signed or locked casebook is changed by no door, and unlocked by two people with a reason.

Not by any operation of the API, not by laboratory systems, whose late results wait in the inbox,
not by SQL in the role that the API works in.
"""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import API_ROLE
from app.domain.vocabulary import Role
from app.mllp.intake import Intake, Peer
from app.models import CLOSED_WITH_CASEBOOK, OF_CASEBOOK, Base, Record, Subject
from app.services.audit import begin_operation
from app.services.senders import sender_of_code
from tests.conftest import KEYRING, STUDY
from tests.factories.casebooks import CLOSED, bring_to, read, sign, unlock
from tests.factories.doors import DOORS, knock
from tests.factories.labs import neutrophils
from tests.factories.messages import laboratory, resolve, waiting
from tests.factories.rows import database_of, writing
from tests.factories.senders import SENDER, create_sender
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import generic_cbc
from tests.promises.closed_case import REQUESTS, open_case
from tests.promises.trail_watch import WRITING

# The doors of laboratory systems: what they bring too late is kept, see below.
OF_LABORATORIES = {
    "receive_hl7v2", "create_observation", "put_observation", "create_diagnostic_report",
    "process_bundle", "process_message",
}  # fmt: skip
# Writing operations that change no record of a subject's casebook.
OF_NO_CASEBOOK = {
    # subjects and product that no casebook holds yet
    "create_subject", "create_product_lot", "change_product_lot", "create_product_bag",
    # the study, its people, its laboratory systems
    "create_study", "create_protocol_version", "activate_protocol_version", "create_site",
    "create_grant", "confirm_grant", "revoke_grant", "disable_person", "create_sender",
    "change_sender", "create_sender_profile", "create_sender_key", "revoke_sender_key",
    "create_machine_client", "change_machine_client", "issue_machine_token", "unlock_signing",
    # decisions about the ladder
    "propose_decision", "give_verdict", "withdraw_decision", "propose_expansion",
    # what people conclude when the evidence moved, casebooks closed since among it
    "review_evidence",
    # what is told and learned about events after the lock as before it, and what is expected
    "record_safety_report", "retract_safety_report", "create_follow_up", "retract_follow_up",
    "create_reference_safety_information",
    # by what laboratories judge: the results stay as they are, what follows from them moves
    "create_reference_range", "retract_reference_range",
    # who the subject is, which is kept apart from the trial's records
    "create_identifier", "retract_identifier", "put_identity", "create_disclosure",
    # what is said about records, casebooks among them
    "create_signature", "lock_casebook", "create_data_cut", "request_redaction",
    "report_deviation", "change_deviation", "write_deviation_note",
    "create_query", "change_query", "create_source_verification",
    # takes a value away by two persons, from closed casebooks too, and their signatures hold (P16)
    "execute_redaction",
    # questions and rehearsals
    "compute_operating_characteristics", "grade_ctcae_value", "validate_hl7v2",
}  # fmt: skip


def state_named(answer) -> str:
    """Give the state that a refusal names."""
    assert answer.status_code == 423, answer.text
    problem = answer.json()
    assert problem["code"] == "casebook_locked"
    assert problem["detail"].endswith(".")
    return problem["errors"][0]["code"]


def test_every_writing_operation_is_held_against_a_closed_casebook(app):
    """An operation that is in no list fails here, so that nobody forgets the casebook."""
    writing = {
        operation["operationId"]
        for operations in app.openapi()["paths"].values()
        for method, operation in operations.items()
        if method.upper() in WRITING
    }
    assert writing == {*REQUESTS, *OF_LABORATORIES, *OF_NO_CASEBOOK}


def test_every_refusal_of_a_closed_casebook_is_documented(app):
    """Each of these operations names 423 among its answers."""
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            if operation["operationId"] in REQUESTS:
                assert "423" in operation["responses"], operation["operationId"]


@pytest.mark.parametrize("state", CLOSED)
async def test_no_operation_changes_a_closed_casebook(api, clock, state):
    """Each request that writes a record is answered 423, and the records stay as they are."""
    case = await open_case(api, clock)
    for subject_id in case.subjects:
        await bring_to(api, subject_id, state)
    before = [await read(api, subject_id) for subject_id in case.subjects]
    answer = await knock(await laboratory(api), "hl7v2")
    assert answer.status_code == 200, answer.text
    named = {name: state_named(await request(case)) for name, request in REQUESTS.items()}
    stored = "locked" if state == "locked" else "frozen"
    assert named == dict.fromkeys(REQUESTS, stored) | {"upload_csv": "casebook_locked"}
    after = [await read(api, subject_id) for subject_id in case.subjects]
    assert [each["digest"] for each in after] == [each["digest"] for each in before]
    assert {each["state"] for each in after} == {state}


async def test_control_the_same_requests_pass_while_it_is_open(api, clock):
    """It is the casebook that refuses: opened again by two, each request is answered 2xx."""
    case = await open_case(api, clock)
    for subject_id in case.subjects:
        await bring_to(api, subject_id, "locked")
    await knock(await laboratory(api), "hl7v2")
    for subject_id in case.subjects:
        await unlock(api, subject_id)
    for name, request in REQUESTS.items():
        answer = await request(case)
        assert answer.is_success, (name, answer.text)


# What an inserted copy of a row needs, so that no other rule refuses it first.
COPIES = {
    "attestation": {},
    "dlt_adjudication": {},
    "adverse_event": {},
    "assessment": {},
    "concomitant_medication": {},
    "transfusion": {},
    "disposition": {"event": "pregnancy"},
    "enrolment": {"subject_id": "candidate", "slot": 6},
    "infusion": {"number": 9},
    "lab_result": {"specimen": "X-1", "result_version": 9},
    "product_bag": {"bag_number": "X-1"},
    "bag_movement": {},
}
COPY = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table},
    to_jsonb(old) - 'operation_id' || jsonb_build_object(
        'id', gen_random_uuid(), 'operation_id', current_operation()) || CAST(:changes AS jsonb)
)).* FROM {table} old {narrowed} ORDER BY id LIMIT 1
"""
UPDATE = "UPDATE {table} SET id = id {narrowed}"
OF_AN_INFUSION = "WHERE infusion_id IS NOT NULL"
OF_BAGS = {"product_bag", "bag_movement"}


def statements(case) -> dict[str, tuple[str, dict]]:
    """Write an INSERT for each table, and an UPDATE for each whose rows may change."""
    made = {}
    for model in CLOSED_WITH_CASEBOOK:
        table = model.__tablename__
        narrowed = OF_AN_INFUSION if table in OF_BAGS else ""
        if model is not Subject:
            changes = dict(COPIES[table])
            if "subject_id" in changes:
                changes["subject_id"] = case.candidate["id"]
            query = COPY.format(table=table, narrowed=narrowed)
            made[f"INSERT {table}"] = (query, {"changes": json.dumps(changes)})
        if issubclass(model, Record):
            made[f"UPDATE {table}"] = (UPDATE.format(table=table, narrowed=narrowed), {})
    return made


async def outcomes(api, case) -> dict[str, str | None]:
    """Run every statement as the API's role; give the SQLSTATE of each, None where it passed."""
    found: dict[str, str | None] = {}
    async with writing(api, reason="By hand.") as (session, _):
        await session.execute(text(f"SET LOCAL ROLE {API_ROLE}"))
        for name, (query, given) in statements(case).items():
            attempt = await session.begin_nested()
            try:
                done = await session.execute(text(query), given)
                assert done.rowcount > 0, name
                found[name] = None
            except DBAPIError as error:
                found[name] = error.orig.sqlstate
            await attempt.rollback()
        await session.rollback()
    return found


async def test_no_sql_of_the_apis_role_changes_a_closed_casebook(api, clock):
    """On each table with records of the subject an INSERT and an UPDATE fail with 55000.

    Control: before the casebooks are closed the same statements pass.
    """
    case = await open_case(api, clock)
    assert set((await outcomes(api, case)).values()) == {None}
    for subject_id in case.subjects:
        await bring_to(api, subject_id, "frozen")
    assert set((await outcomes(api, case)).values()) == {"55000"}


def test_every_table_of_a_subject_is_in_the_casebook_or_said_not_to_be():
    """A new table with a subject fails here until somebody decides if the casebook holds it."""
    not_held = {
        "casebook",  # says itself how far it is closed
        "inbox_item",  # takes what comes too late
        "signature",  # is put on closed casebooks
        "reported_deviation", "deviation_note",  # say of closed casebooks what went wrong
        "query", "query_message",  # ask and answer about closed casebooks as about open ones
        "source_verification",  # is said of the records, before the lock and after it
        "evidence_review",  # says what evidence means that moved, often after the lock
        "person", "secret", "subject_identifier", "vault_access",  # identity is kept apart
    }  # fmt: skip
    held = {model.__tablename__ for model in OF_CASEBOOK}
    with_subject = {
        table.name for table in Base.metadata.sorted_tables if "subject_id" in table.columns
    }
    assert with_subject - held == not_held


async def refused(api, *queries: str) -> tuple[str | None, str | None]:
    """Run SQL as the API's role; give SQLSTATE and constraint of the refusal."""
    async with writing(api, reason="By hand.") as (session, _):
        await session.execute(text(f"SET LOCAL ROLE {API_ROLE}"))
        try:
            for query in queries:
                await session.execute(text(query))
        except DBAPIError as error:
            cause = error.orig.__cause__
            return cause.sqlstate, cause.constraint_name
        finally:
            await session.rollback()
    return None, None


ASK = """
INSERT INTO unlock_request
    (study_id, id, casebook_id, casebook_version, requested_by, requested_role, reason)
SELECT casebook.study_id, '01930000-0000-7000-8000-000000000001', casebook.id, casebook.version,
       operation.actor_id, 'principal_investigator', 'Alone.'
FROM casebook JOIN operation ON operation.id = current_operation()
"""
ANSWER = """
INSERT INTO unlock_verdict
    (study_id, id, request_id, requested_by, requested_role, given_by, given_role, approved, reason)
SELECT study_id, gen_random_uuid(), id, requested_by, requested_role, {given_by}, '{given_role}',
       true, 'Alone.'
FROM unlock_request
"""
OTHER = "(SELECT id FROM principal WHERE id <> requested_by ORDER BY id LIMIT 1)"
UNLOCK = "UPDATE casebook SET state = 'open'"


async def test_nobody_unlocks_alone_not_even_by_sql(api):
    """The same person, the same role, an answer in somebody's name: the database refuses each."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    two_persons = ("23514", "ck_unlock_verdict_two_persons")
    step = ("55000", "casebook_step")
    same = ANSWER.format(given_by="requested_by", given_role="data_manager")
    assert await refused(api, ASK, same) == two_persons
    same_role = ANSWER.format(given_by=OTHER, given_role="principal_investigator")
    assert await refused(api, ASK, same_role) == two_persons
    assert await refused(api, UNLOCK) == step
    forged = ANSWER.format(given_by=OTHER, given_role="data_manager")
    assert await refused(api, ASK, forged, UNLOCK) == step
    assert await refused(api, "UPDATE casebook SET state = 'frozen'") == step
    assert (await read(api, subject_id))["state"] == "locked"


async def test_what_is_not_signed_is_not_locked_not_even_by_sql(api):
    """A frozen casebook is locked once the principal investigator signed exactly what it holds."""
    subject_id = await register(api)
    lock = "UPDATE casebook SET state = 'locked'"
    await bring_to(api, subject_id, "frozen")
    assert await refused(api, lock) == ("55000", "casebook_step")
    assert (await sign(api, subject_id, Role.DATA_MANAGER)).status_code in (201, 403)
    assert await refused(api, lock) == ("55000", "casebook_step")
    assert (await sign(api, subject_id)).status_code == 201
    assert await refused(api, lock) == (None, None)


async def test_a_transaction_that_sees_the_past_writes_no_records(serving_database, committing_api):
    """One of a higher isolation could not see that the casebook was closed meanwhile."""
    subject_id = await register(committing_api)
    async with writing(committing_api, reason="By hand.") as (session, actor):
        await session.rollback()
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await session.execute(text("SELECT enter_by_study(:study)"), {"study": STUDY})
        await begin_operation(session, actor, "change_subject", "By hand.")
        with pytest.raises(DBAPIError, match="read committed"):
            await session.execute(text("UPDATE subject SET weight_kg = 61"))
        await session.rollback()
    assert (await read(committing_api, subject_id))["state"] == "open"


async def test_control_without_its_trigger_the_wall_is_gone_and_the_service_says_so(
    committing_api, committing_database
):
    """With one trigger disabled the same SQL passes; readiness names the trigger."""
    subject_id = await register(committing_api)
    await bring_to(committing_api, subject_id, "locked")
    weigh = "UPDATE subject SET weight_kg = 61"
    assert await refused(committing_api, weigh) == ("55000", "casebook_locked")
    client = committing_api(None)
    assert (await client.get("http://test/readyz")).status_code == 200
    async with committing_database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE subject DISABLE TRIGGER subject_lock_updates"))
    assert await refused(committing_api, weigh) == (None, None)
    answer = await client.get("http://test/readyz")
    assert answer.status_code == 503
    assert any("subject_lock_updates" in reason for reason in answer.json()["reasons"])


async def by_mllp(api, clock) -> None:
    """Send a message over MLLP, behind the socket."""

    async def identify(session, request_id, now):
        return await sender_of_code(session, STUDY, SENDER["code"], request_id, now)

    intake = Intake(database_of(api), KEYRING, clock, at_once=1)
    reply = await intake.receive(Peer(identify, None), generic_cbc())
    assert reply is not None


async def by_json(api, subject_id: str, batch: bool) -> None:
    """Send a result as JSON, alone or with another."""
    one = neutrophils(subject_id, accession="A-1")
    two = neutrophils(subject_id, accession="A-2")
    client = api(Role.LABORATORY_SYSTEM)
    answer = await client.post("/labs", json={"results": [one, two]} if batch else one)
    assert answer.status_code == (200 if batch else 202), answer.text
    if batch:
        assert (answer.json()["inbox"], answer.json()["created"]) == (2, 0)
    else:
        assert answer.json()["outcome"] == "inbox"
        assert answer.json()["code"] == "casebook_locked"


async def arrive(api, clock, door: str, subject_id: str) -> None:
    """Let a registered laboratory system send through a door."""
    if door in ("json", "json batch"):
        await by_json(api, subject_id, door == "json batch")
    elif door == "mllp":
        await by_mllp(api, clock)
    else:
        answer = await knock(api(Role.LABORATORY_SYSTEM), door)
        assert answer.is_success, answer.text


LATE_DOORS = (*(door for door in DOORS if door != "validation"), "mllp", "json", "json batch")


@pytest.mark.parametrize("door", LATE_DOORS)
async def test_late_results_wait_and_are_released_after_the_unlock(api, clock, session, door):
    """Through each door: nothing is filed or lost; released by hand once the casebook is open."""
    subject_id = await register(api)
    await create_sender(api)
    await bring_to(api, subject_id, "locked")
    digest = (await read(api, subject_id))["digest"]
    clock.advance(minutes=1)
    await arrive(api, clock, door, subject_id)
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == 0
    items = await waiting(api, reason="casebook_locked")
    assert items
    assert {each["subject_id"] for each in items} == {subject_id}
    found = await read(api, subject_id)
    assert [each["id"] for each in found["waiting"]] == [each["id"] for each in items]
    assert (found["state"], found["digest"]) == ("locked", digest)
    assert state_named(await resolve(api, items[0], action="retry")) == "locked"
    await unlock(api, subject_id)
    answer = await resolve(api, items[0], action="retry")
    assert answer.status_code == 200, answer.text
    assert await waiting(api) == []
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == len(items)
    assert (await read(api, subject_id))["signature"]["void"] is True
