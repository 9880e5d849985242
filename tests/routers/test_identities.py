"""Who a subject is, over HTTP: kept encrypted and apart, shown to few, each time on the record."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import API_ROLE
from app.core.keyring import SECRET_BYTES, Keyring
from app.domain.vocabulary import Role
from tests.factories.messages import INBOX, laboratory, local, of, send, waiting
from tests.factories.rows import writing
from tests.factories.senders import change, tables_holding
from tests.factories.subjects import created, register

FAMILY, GIVEN, BORN = "Ouyang-Canary", "Zz-Nightjar", "1980-03-04"
PERSON = {"family_name": FAMILY, "given_name": GIVEN, "birth_date": BORN, "initials": "OYZ"}
READERS = {Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR}
LABEL_READERS = READERS | {Role.CELL_LABORATORY}
OUTSIDERS = {Role.MONITOR, Role.AUDITOR}
WHO, SECRET = "/subjects/{}/identity", "SELECT sealed FROM vault.secret"


@pytest.fixture
async def subject(api, session):
    """A subject who was born in the year that the person's birth date states."""
    subject_id = await register(api)
    year = "SELECT birth_year FROM subject"
    assert await session.scalar(text(year)) == int(BORN[:4])
    return subject_id


async def put(api, subject_id, role=Role.STUDY_COORDINATOR, version=None, **changes):
    """Record who a subject is, by default as a coordinator."""
    headers = {"If-Match": f'"v{version}"'} if version else {}
    body = PERSON | changes
    return await api(role).put(WHO.format(subject_id), json=body, headers=headers)


async def accesses(session):
    """List who saw what, in order: (role, command, what, secrets, purpose)."""
    query = (
        "SELECT role, command, what, secrets, purpose FROM vault_access JOIN operation"
        " ON operation.id = operation_id ORDER BY vault_access.id"
    )
    return [tuple(row) for row in await session.execute(text(query))]


async def test_an_identity_is_recorded_and_read(api, subject, session):
    """The answer to recording holds nothing of it; reading gives it, and leaves two accesses."""
    made = await put(api, subject)
    assert (made.status_code, made.headers["etag"]) == (201, '"v1"')
    assert set(made.json()) == {"subject_id", "version", "recorded_at"}
    read = await api().get(WHO.format(subject))
    assert read.status_code == 200, read.text
    assert read.headers["etag"] == '"v1"'
    assert {name: read.json()[name] for name in PERSON} == PERSON
    assert read.json()["subject_number"] == "S-001"
    assert await accesses(session) == [
        ("principal_investigator", "read_identity", "person", 1, "read_identity"),
        ("principal_investigator", "read_identity", "initials", 1, "read_identity"),
    ]


async def test_a_change_names_its_version_and_its_reason(api, subject, session, clock):
    """Who the subject was said to be before is still read, at that moment."""
    assert (await put(api, subject)).status_code == 201
    moment = text("SELECT clock_timestamp()")
    before = await session.scalar(moment)
    assert (await put(api, subject)).status_code == 428
    assert (await put(api, subject, version=1)).json()["code"] == "reason_required"
    why = {"reason": "The passport says so.", "family_name": "Other"}
    assert (await put(api, subject, version=2, **why)).status_code == 412
    changed = await put(api, subject, version=1, **why)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    clock.now = await session.scalar(moment)
    path = WHO.format(subject)
    assert (await api().get(path)).json()["family_name"] == "Other"
    past = await api().get(path, params={"as_of": before.isoformat()})
    assert (past.json()["family_name"], past.json()["version"]) == (FAMILY, 1)
    early = {"as_of": "2026-01-01T00:00:00Z"}
    assert (await api().get(path, params=early)).status_code == 404


@pytest.mark.parametrize("role", Role)
async def test_who_may_see_and_who_may_record(api, subject, role):
    """Only who treats the subject sees it; the cell laboratory reads initials; others nothing."""
    assert (await put(api, subject)).status_code == 201
    seen = await api(role).get(WHO.format(subject))
    assert (seen.status_code, FAMILY in seen.text) == (
        (200, True) if role in READERS else (403, False)
    )
    label = await api(role).get(f"/subjects/{subject}/initials")
    assert label.status_code == (200 if role in LABEL_READERS else 403)
    if role in LABEL_READERS:
        shown = {"subject_id": subject, "subject_number": "S-001", "initials": "OYZ"}
        assert label.json() == shown
    stated = {"reason": "Inspection.", "version": 1}
    written = await put(api, subject, role, **stated)
    assert written.status_code == (200 if role is Role.STUDY_COORDINATOR else 403)


@pytest.mark.parametrize("role", Role)
async def test_the_glass_is_broken_for_a_reason_only(api, subject, session, role):
    """Monitor and auditor are shown all when they say why; the access keeps their words."""
    assert (await put(api, subject)).status_code == 201
    number = {"kind": "patient", "value": "MRN-77"}
    created(await api(Role.STUDY_COORDINATOR).post(f"/subjects/{subject}/identifiers", json=number))
    path = f"{WHO.format(subject)}/disclosures"
    assert (await api(role).post(path, json={})).status_code == (422 if role in OUTSIDERS else 403)
    why = {"reason": "The authority asks for the source."}
    headers = {"Idempotency-Key": "K"}
    shown = await api(role).post(path, json=why, headers=headers)
    if role not in OUTSIDERS:
        assert (shown.status_code, FAMILY in shown.text) == (403, False)
        assert await accesses(session) == []
        return
    assert shown.status_code == 201, shown.text
    assert shown.json()["identity"]["given_name"] == GIVEN
    assert [each["value"] for each in shown.json()["identifiers"]] == ["MRN-77"]
    assert {row[:2] + row[4:] for row in await accesses(session)} == {
        (role.value, "create_disclosure", why["reason"])
    }
    again = await api(role).post(path, json=why, headers=headers)
    assert (again.status_code, FAMILY in again.text) == (201, False)
    assert len(await accesses(session)) == 3


async def test_accesses_are_in_the_trail(api, subject):
    """The auditor reads who saw whose identity, why and when; nobody's name is in it."""
    await put(api, subject)
    await api(Role.SUB_INVESTIGATOR).get(WHO.format(subject))
    trail = await api(Role.AUDITOR).get("/audit/changes", params={"record_type": "vault_access"})
    (first, _) = trail.json()["items"]
    assert (first["role"], first["command"]) == ("sub_investigator", "read_identity")
    assert (first["new"]["subject_id"], first["new"]["what"]) == (subject, "person")
    assert FAMILY not in trail.text


async def test_a_message_that_names_a_patient_is_an_access(api, subject, session):
    """Who may know is shown the patient of an inbox item, and it is kept; others leave nothing."""
    await send(await laboratory(api), of("MRN-9", local()))
    (item,) = await waiting(api)
    assert (await api(Role.DATA_MANAGER).get(f"{INBOX}/{item['id']}")).json()["patients"] is None
    assert await accesses(session) == []
    seen = await api(Role.STUDY_COORDINATOR).get(f"{INBOX}/{item['id']}")
    assert seen.json()["patients"][0]["value"] == "MRN-9"
    assert [row[1:3] for row in await accesses(session)] == [("read_inbox_item", "message")]


async def test_an_identity_stands_nowhere_in_the_clear(api, subject, session, capsys):
    """After recording, changing, refusing and reading, no table and no log holds it."""
    await put(api, subject)
    await put(api, subject, version=1, given_name="Zz-Petrel", reason="Misread.")
    answers = [
        await put(api, subject, version=2, birth_date="1981-03-04", reason="Misread."),
        await put(api, subject, version=2, initials=GIVEN),
        await put(api, subject, family_name=[FAMILY]),
        await put(api, "0" * 8),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 404]
    await api().get(WHO.format(subject))
    trail = await api(Role.AUDITOR).get("/audit/changes?limit=200")
    for secret in (FAMILY, GIVEN, "Zz-Petrel", BORN):
        assert await tables_holding(session, secret) == []
        assert not any(secret in answer.text for answer in (*answers, trail))
        assert secret not in "".join(capsys.readouterr())


async def test_without_its_key_an_identity_says_nothing(api, app, subject):
    """Where the key is destroyed at the end of retention, the rows stay and name nobody."""
    await put(api, subject)
    app.state.keyring = Keyring(b"x" * SECRET_BYTES)
    read = (await api().get(WHO.format(subject))).json()
    assert [read[name] for name in PERSON] == [None] * 4


@pytest.mark.parametrize(
    "statement",
    [
        SECRET,
        "SELECT count(*) FROM vault.secret",
        "UPDATE vault.secret SET sealed = ''",
        "DELETE FROM vault.secret",
        "INSERT INTO vault_access SELECT * FROM vault_access",
        "UPDATE vault_access SET purpose = 'none'",
        "UPDATE vault.subject_identifier SET token = ''",
    ],
)
async def test_the_api_role_has_no_other_way_to_a_secret(api, subject, statement):
    """Reading ciphertext, forging an access and changing what is matched are refused."""
    await put(api, subject)
    async with writing(api) as (session, _):
        await session.execute(text(f"SET LOCAL ROLE {API_ROLE}"))
        attempt = await session.begin_nested()
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text(statement))
        await attempt.rollback()
    assert refused.value.orig.sqlstate in {"42501", "55000"}


async def test_the_api_role_can_become_nobody_else(session):
    """It is a member of no role, so the vault's owner is out of its reach."""
    query = "SELECT rolname FROM pg_roles WHERE pg_has_role(:api, oid, 'MEMBER')"
    assert list(await session.scalars(text(query), {"api": API_ROLE})) == [API_ROLE]


async def test_the_trail_holds_no_ciphertext(api, subject, session):
    """What the API may read of the trail is not the way around: secrets are in one table only."""
    await put(api, subject)
    for sealed in await session.scalars(text(SECRET)):
        assert await tables_holding_bytes(session, sealed) == ["vault.secret"]


async def tables_holding_bytes(session, content):
    """List the tables in which some bytes stand, in hexadecimal as PostgreSQL writes them."""
    return await tables_holding(session, content.hex())


async def test_nothing_is_disclosed_without_an_operation(api, subject, session):
    """The function itself needs the actor: outside an operation it answers nothing."""
    await put(api, subject)
    call = (
        "SELECT * FROM vault.disclose((SELECT study_id FROM study), gen_random_uuid(),"
        " (SELECT id FROM subject), 'person', ARRAY(SELECT identity_id FROM vault.person), 'x')"
    )
    async with writing(api) as (reader, _):
        await reader.execute(text("SELECT set_config('app.operation_id', '', true)"))
        attempt = await reader.begin_nested()
        with pytest.raises(DBAPIError) as refused:
            await reader.execute(text(call))
        await attempt.rollback()
    assert refused.value.orig.sqlstate == "28000"


async def test_retracting_leaves_no_access(api, subject, session):
    """Recording and retracting show nothing, so they are no access."""
    path = f"/subjects/{subject}/identifiers"
    body = {"kind": "patient", "value": "MRN-1"}
    made = created(await api(Role.STUDY_COORDINATOR).post(path, json=body))
    client = api(Role.STUDY_COORDINATOR)
    assert (await change(client, f"{path}/{made['id']}", 1, retracted=True)).status_code == 200
    assert await accesses(session) == []
    await client.get(path)
    listed = ("study_coordinator", "list_identifiers", "identifier", 1, "list_identifiers")
    assert await accesses(session) == [listed]
