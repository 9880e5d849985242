"""P21: guessing ids opens nothing: what is of another study or site answers as what is not there.

Twice: over the API, byte for byte; and below it, where the database shows nothing foreign to a
query that forgot every filter.
"""

import json
from copy import deepcopy
from datetime import date

import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.main import create_app
from app.models import Principal, RoleGrant
from app.services.console_grants import grant_roles
from app.services.studies import Person
from tests.conftest import NOW, STUDY
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import dose_limiting_event
from tests.factories.messages import laboratory, local, of, send
from tests.factories.people import set_up_site, speaking_for
from tests.factories.rows import owners_session, writing
from tests.factories.senders import second_study
from tests.factories.subjects import created, enrolled_subject

ABSENT = "00000000-0000-7000-8000-000000000000"
DOCUMENT = create_app(Settings(), None, None, None).openapi()
# Where an id of a path is found; None has no row of a single site or study to be guessed.
TABLES = {
    "subject_id": "subject",
    "lab_id": "lab_result",
    "event_id": "adverse_event",
    "transfusion_id": "transfusion",
    "medication_id": "concomitant_medication",
    "assessment_id": "assessment",
    "disposition_id": "disposition",
    "deviation_id": "reported_deviation",
    "identifier_id": "vault.subject_identifier",
    "query_id": "query",
    "sender_id": "sender",
    "key_id": "sender_key",
    "item_id": "inbox_item",
    "message_id": "inbound_message",
    "grant_id": "role_grant",
    "person_id": "principal",
    "lot_id": "product_lot",
    "bag_id": "product_bag",
    "infusion_id": "infusion",
    "range_id": "reference_range",
}
# What every site of a study shares.
SHARED = {"lot_id", "bag_id", "range_id", "decision_id", "cut_id", "request_id", "operation_id"}
RESOURCES = {
    "Observation": "lab_result",
    "Patient": "subject",
    "ResearchSubject": "subject",
    "AdverseEvent": "adverse_event",
}
FIXED = {"number": "1", "criterion": "I6", "record_type": "infusion"}
# Recorded from their examples.
POSTED = ("/transfusions", "/concomitant-medications", "/assessments", "/deviations")


def operations():
    """List the operations that take an id, in the path or in their example: method, path, body."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            body = example(operation)
            if "_id}" in path or "_id" in json.dumps(body):
                yield method.upper(), path, body


def example(operation):
    """Return the example of an operation's JSON body, None where it has none."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    examples = DOCUMENT["components"]["schemas"].get(name, {}).get("examples")
    return deepcopy(examples[0]) if examples else None


OPERATIONS = list(operations())


def filled(path, body, ids):
    """Put ids into a path and into a body."""
    for part in [each[1:-1] for each in path.split("/") if each.startswith("{")]:
        value = FIXED.get(part) or ids.get(part, ABSENT)
        if part == "resource_id":
            value = ids.get(RESOURCES.get(path.split("/")[-2], ""), ABSENT)
        if part == "record_id":
            value = ids.get("infusion", ABSENT)
        path = path.replace(f"{{{part}}}", str(value))
    return path, replaced(body, ids)


def replaced(value, ids):
    """Replace every id in a body by the one to be guessed."""
    if isinstance(value, dict):
        return {
            name: ids.get(name, ABSENT) if name in TABLES else replaced(each, ids)
            for name, each in value.items()
        }
    return [replaced(each, ids) for each in value] if isinstance(value, list) else value


async def ask(client, operation, study, ids):
    """Send a request; return the status and all that the answer says, but for its own name."""
    method, path, body = operation
    path, body = filled(path.replace("{study}", study), body, ids)
    headers = {"If-Match": '"v1"'}
    answer = await client.request(method, f"http://test{path}", json=body, headers=headers)
    said = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
    if isinstance(said, dict):
        said.pop("instance", None)
    return answer.status_code, said


async def ids_of(api):
    """Read one id of every table, by table and by parameter."""
    async with owners_session(api) as session:
        ids = {}
        for table in sorted({*TABLES.values(), "infusion"}):
            query = f"SELECT id FROM {table} WHERE study_id = :study ORDER BY id DESC LIMIT 1"
            study = "SELECT study_id FROM study WHERE key = :key"
            study_id = await session.scalar(text(study), {"key": STUDY})
            ids[table] = await session.scalar(text(query), {"study": study_id})
    assert None not in ids.values(), ids
    return {name: str(ids[table]) for name, table in TABLES.items()} | {
        table: str(value) for table, value in ids.items()
    }


@pytest.fixture
async def ids(api, clock):
    """A study with a record of every kind at its first site: the id of one of each."""
    subject = await enrolled_subject(api)
    await create_bags(api)
    clock.advance(days=60)
    day = date(2026, 6, 3)
    await infuse(api, subject, day)
    await dose_limiting_event(api, subject, day)
    coordinator = api(Role.STUDY_COORDINATOR)
    for path in POSTED:
        body = example(DOCUMENT["paths"][f"/api/v1/studies/{{study}}{path}"]["post"])
        created(await coordinator.post(path, json=body | {"subject_id": subject["id"]}))
    limits = example(DOCUMENT["paths"]["/api/v1/studies/{study}/reference-ranges"]["post"])
    created(await coordinator.post("/reference-ranges", json=limits))
    own = f"/subjects/{subject['id']}"
    said = {"kind": "patient", "value": "4711", "reason": "Printed on the label."}
    answer = await coordinator.post(f"{own}/identifiers", json=said)
    if answer.status_code == 422:
        del said["reason"]
        answer = await coordinator.post(f"{own}/identifiers", json=said)
    created(answer)
    asked = {"subject_id": subject["id"], "record_type": "subject", "text": "Seen by whom?"}
    created(await api(Role.MONITOR).post("/queries", json=asked))
    left = {"event": "pregnancy", "event_date": "2026-06-03", "reason": "Told by the subject."}
    created(await coordinator.post(f"{own}/disposition", json=left))
    await send(await laboratory(api), of("nobody", local()))
    return await ids_of(api)


async def everything(api, subject, site_id=None):
    """Let somebody in with every role of the first study, at one site or at all."""
    async with writing(api) as (session, actor):
        person = Principal(
            study_id=actor.study_id,
            issuer=DEVELOPMENT_ISSUER,
            subject=subject,
            display_name=subject,
            organisation="Test",
        )
        session.add(person)
        await session.flush()
        session.add_all(
            RoleGrant(
                study_id=actor.study_id,
                principal_id=person.id,
                site_id=site_id,
                role=role,
                valid_from=NOW,
            )
            for role in Role
        )
        await session.flush()
    return speaking_for(api, subject)


async def elsewhere(api):
    """Let somebody in with every role of another study; return the client and that study."""
    other = await second_study(api)
    person = Person(DEVELOPMENT_ISSUER, "olga", "Olga", "Test", tuple(Role))
    async with owners_session(api) as session:
        assert await grant_roles(session, other, person, "root", NOW)
        await session.commit()
    return speaking_for(api, "olga"), other


async def told_apart(client, study, ids, shared=frozenset()):
    """List the operations whose answers to ids that are there differ from those to absent ones."""
    different = []
    for operation in OPERATIONS:
        known = {name: value for name, value in ids.items() if name not in shared}
        there = await ask(client, operation, study, known)
        absent = await ask(client, operation, study, {})
        if there != absent:
            different.append((*operation[:2], there, absent))
    return different


async def test_ids_of_another_study_are_not_there(api, ids):
    """With every right in one's own study, an id of another answers as an absent one does."""
    client, other = await elsewhere(api)
    assert await told_apart(client, other, ids) == []


async def test_ids_of_another_site_are_not_there(api, ids):
    """With every right at one's own site, an id of another answers as an absent one does."""
    client = await everything(api, "silke", await set_up_site(api, "02"))
    shared = SHARED | {"product_lot", "product_bag", "reference_range"}
    assert await told_apart(client, STUDY, ids, shared) == []


async def test_control_the_same_ids_are_there_for_their_own(api, ids):
    """Who has every right in the whole study gets other answers: the ids are good guesses."""
    client = await everything(api, "wanda")
    reads = {path for method, path, _ in OPERATIONS if method == "GET"}
    found = {path for _, path, there, _ in await told_apart(client, STUDY, ids) if there[0] == 200}
    assert len(reads & found) >= 20, sorted(reads - found)


# As a query that forgot every filter would ask, in the role of the service.
COUNT = "SELECT count(*) FROM {}"
OF_STUDIES = """
SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE attname = 'study_id' AND relkind = 'r'
  AND relnamespace IN ('public'::regnamespace, 'vault'::regnamespace)
"""
WALLED = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'own_site'"


async def seen(session, tables, study_ids, site_ids=""):
    """Count what the API's role sees of each table in these studies and sites."""
    for name, value in (("app.study_ids", study_ids), ("app.site_ids", site_ids)):
        await session.execute(
            text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value}
        )
    await session.execute(text("SET LOCAL ROLE msc_icaht_api"))
    found = {table: await session.scalar(text(COUNT.format(table))) for table in tables}
    await session.execute(text("SET LOCAL ROLE postgres"))
    return {table for table, count in found.items() if count}


async def readable(session, query):
    """List the tables of a query that the API's role may read at all."""
    tables = (await session.scalars(text(query))).all()
    may = "SELECT has_table_privilege('msc_icaht_api', :table, 'SELECT')"
    return [each for each in tables if await session.scalar(text(may), {"table": each})]


async def test_the_database_shows_no_foreign_study(api, ids):
    """A query without any filter sees no row of another study, and without a study none at all."""
    _, other = await elsewhere(api)
    async with owners_session(api) as session:
        tables = await readable(session, OF_STUDIES)
        keys = dict((await session.execute(text("SELECT key, study_id::text FROM study"))).all())
        assert await seen(session, tables, "") == set()
        assert await seen(session, tables, "{}") == set()
        own = await seen(session, tables, f"{{{keys[STUDY]}}}")
        assert {"subject", "lab_result", "change", "inbound_message"} <= own
        assert "subject" not in await seen(session, tables, f"{{{keys[other]}}}")
        for table in tables:
            foreign = f"{table} WHERE study_id <> '{keys[other]}'"
            assert await seen(session, [foreign], f"{{{keys[other]}}}") == set(), table


async def test_the_database_shows_no_foreign_site(api, ids):
    """A query without any filter sees nothing of another site."""
    site = await set_up_site(api, "02")
    async with owners_session(api) as session:
        tables = await readable(session, WALLED)
        study = await session.scalar(text("SELECT study_id FROM study"))
        whole = await seen(session, tables, f"{{{study}}}")
        assert {"subject", "enrolment", "dlt_adjudication", "sender", "inbox_item"} <= whole
        shown = await seen(session, tables, f"{{{study}}}", f"{{{site}}}")
        assert shown <= {"change", "bag_movement"}
        about = (
            "change WHERE coalesce(new ->> 'subject_id', new ->> 'sender_id',"
            " new ->> 'message_id') IS NOT NULL OR table_name IN ('subject', 'sender')"
        )
        for_somebody = "bag_movement WHERE infusion_id IS NOT NULL"
        assert await seen(session, [about, for_somebody], f"{{{study}}}", f"{{{site}}}") == set()


@pytest.mark.parametrize(
    "breach",
    ["DROP POLICY own_site ON subject", "ALTER TABLE subject DISABLE ROW LEVEL SECURITY"],
)
async def test_control_without_its_policy_the_rows_appear(api, ids, breach):
    """A wall that is taken down is seen by the same question."""
    site = await set_up_site(api, "02")
    async with owners_session(api) as session:
        study = await session.scalar(text("SELECT study_id FROM study"))
        asked = (session, ["subject"], f"{{{study}}}", f"{{{site}}}")
        assert await seen(*asked) == set()
        await session.execute(text(breach))
        assert await seen(*asked) == {"subject"}
        await session.rollback()
