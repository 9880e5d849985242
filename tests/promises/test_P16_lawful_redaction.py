"""P16: a lawful redaction removes the value from everywhere and keeps the proof, and who did it."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.ids import new_id
from app.core.seal_key import KEY_FILE, local_seal_key
from app.core.witnesses import Witness
from app.domain.redaction import REDACTED, targets
from app.domain.seal_note import parse_checkpoint, parse_note
from app.domain.vocabulary import Role
from app.services.idempotency import RequestKey
from app.services.sealing import Sealing
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from tests.conftest import KEYRING
from tests.factories import casebooks
from tests.factories.seal import seal_and_leave
from tests.factories.signing import checked, sign
from tests.factories.subjects import created, register
from tests.promises.test_P13_verification_needs_no_trust import VERIFY, run

CANARY = 'Zz-canary "Wáng" \\ <of> the ward'
LATER = "Zz-canary second narrative"
EVENT = {"term": "Hypertension", "grade": 3, "onset_at": "2026-05-14T10:00:00+08:00"}


@pytest.fixture
async def told(committing_api, committing_database, committing_url, tmp_path):
    """An event whose narrative names somebody: recorded, changed, signed, locked, sealed."""
    api = committing_api
    subject = await register(api)
    coordinator = api(Role.STUDY_COORDINATOR)
    event = created(
        await coordinator.post(
            "/adverse-events",
            json={"subject_id": subject, "narrative": CANARY} | EVENT,
            headers={"Idempotency-Key": "event-1"},
        )
    )
    changed = await coordinator.patch(
        f"/adverse-events/{event['id']}",
        json={"narrative": LATER, "reason": CANARY},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200, changed.text
    await sign(api(), "adverse_event", event["id"])
    await seal_and_leave(committing_database, committing_url, tmp_path)
    return SimpleNamespace(
        api=api,
        database=committing_database,
        url=committing_url,
        folder=tmp_path,
        subject=subject,
        event=event["id"],
    )


async def request(told, role=Role.PRINCIPAL_INVESTIGATOR, **changes):
    """Ask for the narrative to go."""
    body = {
        "record_type": "adverse_event",
        "record_id": told.event,
        "field": "narrative",
        "reason": "It names a relative.",
    }
    return await told.api(role).post("/redactions", json=body | changes)


async def execute(told, request_id: str, role=Role.DATA_MANAGER):
    """Carry a request out."""
    path = f"/redactions/{request_id}/execution"
    return await told.api(role).post(path, json={"reason": "Checked against the request."})


async def redact(told, **changes) -> dict:
    """Ask for a redaction and carry it out."""
    asked = created(await request(told, **changes))
    return created(await execute(told, asked["id"]))


async def dump(database, keyring) -> str:
    """Write every row of every table as text, as a dump would, and what kept answers hold."""
    async with database.session() as session:
        tables = await session.execute(
            text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        )
        rows = [
            row
            for (table,) in tables.all()
            for row in await session.scalars(text(f"SELECT t::text FROM {table} t"))
        ]
        kept = await session.execute(
            text("SELECT scope, key, fingerprint, body FROM idempotency_record")
        )
        rows += [RequestKey(*row[:3], keyring).open(row.body).decode() for row in kept]
    return "\n".join(rows)


def hints(dumped: str) -> int:
    """Count what is left of the values, in clear or as bytes in hexadecimal."""
    return dumped.count("Zz-canary") + dumped.count(b"Zz-canary".hex())


async def verified(told):
    """Verify the trail with what the witness has."""
    witness = Witness(told.folder / "witness-0")
    notes = [KeptNote("the witness", note) for note in witness.notes()]
    async with told.database.session() as session:
        return await verify(session, Evidence(notes, witness.verifiers()))


def failures(report) -> list[str]:
    """List what a report found."""
    return [sentence for check in report.checks for sentence in check.findings]


async def test_the_value_is_gone_from_everywhere_and_the_log_stays(told):
    """Row, images, reason, signed document and kept answer lose it; nothing else changes."""
    before = (await told.api().get(f"/adverse-events/{told.event}")).json()
    assert hints(await dump(told.database, KEYRING)) >= 7
    assert failures(await verified(told)) == []
    done = await redact(told)
    assert hints(await dump(told.database, KEYRING)) == 0
    after = (await told.api().get(f"/adverse-events/{told.event}")).json()
    assert after == before | {"narrative": REDACTED}
    assert done["rows"] == 4  # two images, the reason of the change, the signature
    repeated = await told.api(Role.STUDY_COORDINATOR).post(
        "/adverse-events",
        json={"subject_id": told.subject, "narrative": CANARY} | EVENT,
        headers={"Idempotency-Key": "event-1"},
    )
    assert repeated.status_code == 201
    assert repeated.json()["narrative"] == REDACTED
    past = await told.api().get(f"/adverse-events/{told.event}/history")
    assert "Zz-canary" not in past.text


async def test_verification_reports_it_and_no_failure(told):
    """By whom, why and when: by the service at once, and by the export when that is sealed."""
    await redact(told)
    assert "only a sealed one counts" in " ".join(failures(await verified(told)))
    await seal_and_leave(told.database, told.url, told.folder)
    report = await verified(told)
    assert failures(report) == []
    (notice,) = report.redactions
    assert (notice.record_id, notice.field) == (told.event, "narrative")
    assert notice.reason == "It names a relative."
    assert notice.redacted_by != notice.requested_by
    export = await told.api(Role.AUDITOR).get("/audit/export")
    assert "Zz-canary" not in export.text
    (told.folder / "export").write_bytes(export.content)
    witness = told.folder / "witness-0"
    done = run(
        VERIFY, told.folder / "export", "--key", witness / "keys",
        "--checkpoint", witness / "checkpoints",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"Redacted: narrative of adverse_event {told.event}, by {notice.redacted_by}" in (
        done.stdout
    )
    assert "It names a relative." in done.stdout


async def test_a_signature_shows_redacted_rather_than_tampered(told):
    """What was signed lost the same words, so it stands; the signature says that it lost them."""
    client = told.api()
    (signature,) = (await client.get("/signatures")).json()["items"]
    assert (await checked(client, signature["id"]))["redacted"] is False
    await redact(told)
    found = await checked(client, signature["id"])
    assert (found["valid"], found["void"], found["redacted"]) == (True, False, True)
    assert found["document"]["content"]["narrative"] == REDACTED
    assert "Zz-canary" not in json.dumps(found)


async def test_a_locked_casebook_is_redacted_and_stays_locked(told):
    """Locked records cannot be changed, but a value that must not be there can go."""
    await casebooks.bring_to(told.api, told.subject, "locked")
    await seal_and_leave(told.database, told.url, told.folder)
    await redact(told)
    assert hints(await dump(told.database, KEYRING)) == 0
    await seal_and_leave(told.database, told.url, told.folder)
    assert failures(await verified(told)) == []
    found = await casebooks.read(told.api, told.subject)
    assert found["state"] == "locked"
    assert found["digest"] == found["frozen_digest"] == found["signature"]["digest"]
    assert found["signature"]["void"] is False


async def test_what_a_redaction_leaves_stays_under_the_seal(told):
    """The control: what is edited under the cover of a redaction is found, and so is a blank."""
    edits = {
        "covered": "UPDATE change SET new = new || '{\"grade\": 1}' WHERE table_name ="
        " 'adverse_event'",
        "blank": 'UPDATE change SET new = new || \'{"number": "[redacted]"}\' WHERE table_name ='
        " 'subject'",
    }
    await redact(told)
    await seal_and_leave(told.database, told.url, told.folder)
    expected = {"covered": "no redaction explains it", "blank": "is not what was sealed"}
    for name, edit in edits.items():
        async with told.database.session() as session:
            await session.execute(text("ALTER TABLE change DISABLE TRIGGER ALL"))
            await session.execute(text(edit))
            report = await verify(session, Evidence())
        assert expected[name] in " ".join(failures(report)), name


async def test_a_redaction_takes_two_persons_and_free_text(told):
    """Roles, the second person, the list of fields and the acts themselves, by API."""
    assert (await request(told, Role.DATA_MANAGER)).status_code == 403
    refused = await request(told, field="grade")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_redactable")
    assert (await request(told, record_type="subject", field="number")).status_code == 422
    assert (await request(told, record_id=str(new_id()))).status_code == 404
    asked = created(await request(told))
    assert (await request(told)).json()["code"] == "redaction_requested"
    assert (await execute(told, asked["id"], Role.PRINCIPAL_INVESTIGATOR)).status_code == 403
    assert (await execute(told, str(new_id()))).status_code == 404
    assert (await execute(told, asked["id"])).status_code == 201
    assert (await execute(told, asked["id"])).json()["code"] == "redacted_already"
    assert (await request(told)).json()["code"] == "redacted_already"
    trail = (await told.api(Role.AUDITOR).get("/audit/operations", params={"limit": 200})).json()
    for command in ("request_redaction", "execute_redaction"):
        (act,) = [each for each in trail["items"] if each["command"] == command]
        refused = await request(told, record_type="operation", record_id=act["id"], field="reason")
        assert refused.json()["code"] == "never_redacted"
    listed = (await told.api(Role.AUDITOR).get("/redactions")).json()["items"]
    assert [each["id"] for each in listed] == [asked["id"]]
    assert listed[0]["executed_by"]


async def test_a_reason_alone_is_redacted_too(told):
    """The reason of an operation is its own target; the record keeps its values."""
    trail = (await told.api(Role.AUDITOR).get("/audit/operations", params={"limit": 200})).json()
    (act,) = [each for each in trail["items"] if each["reason"] == CANARY]
    await redact(told, record_type="operation", record_id=act["id"], field="reason")
    again = (await told.api(Role.AUDITOR).get("/audit/operations", params={"limit": 200})).json()
    assert next(each for each in again["items"] if each["id"] == act["id"])["reason"] == REDACTED
    await seal_and_leave(told.database, told.url, told.folder)
    assert failures(await verified(told)) == []
    assert (await told.api().get(f"/adverse-events/{told.event}")).json()["narrative"] == LATER


async def test_the_database_itself_asks_for_two_persons(told):
    """As the API's role: no direct way around the function, and none through it alone."""
    asked = created(await request(told))
    attempts = [
        "UPDATE change SET new = '{}'",
        "UPDATE seal_commitment SET salt = NULL",
        "UPDATE adverse_event SET narrative = 'x'",
        "INSERT INTO redaction SELECT * FROM redaction",
        f"SELECT forget_salts('{new_id()}', '[]')",
        f"SELECT redact('{new_id()}', '{asked['id']}')",
    ]
    for attempt in attempts:
        async with told.database.session() as session:
            await session.execute(text("SET LOCAL ROLE msc_icaht_api"))
            await session.execute(text("SELECT enter(array_agg(study_id)) FROM principal"))
            await session.execute(text("SELECT enter_by_study('NCT07212335')"))
            with pytest.raises(DBAPIError) as refusal:
                await session.execute(text(attempt))
        assert refusal.value.orig.sqlstate in {"42501", "28000", "P0002"}, attempt
    alone = (
        "INSERT INTO operation (study_id, id, actor_id, actor_name, role, organisation, command,"
        " reason, request_id) SELECT study_id, :id, requested_by, 'x', 'data_manager', 'x', 'x',"
        " 'x', 'x' FROM redaction_request"
        " RETURNING set_config('app.operation_id', CAST(id AS text), true)"
    )
    async with told.database.session() as session:
        await session.execute(text("SET LOCAL ROLE msc_icaht_api"))
        await session.execute(text("SELECT enter_by_study('NCT07212335')"))
        await session.execute(text(alone), {"id": new_id()})
        with pytest.raises(DBAPIError) as refusal:
            await session.execute(text(f"SELECT redact('{new_id()}', '{asked['id']}')"))
    assert refusal.value.orig.sqlstate == "23514"


async def test_the_list_of_the_code_is_the_list_of_the_database(told):
    """Every target of the code is one of the database, and nothing else is."""
    async with told.database.session() as session:
        definition = await session.scalar(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname = 'ck_redaction_request_free_text'"
            )
        )
    assert all(f"'{target}'" in definition for target in targets())
    assert definition.count("'::text") == len(targets()) + 1  # the dot between


async def test_the_same_words_about_another_record_stand(told):
    """Two events say the same; what was signed of the one does not change with the other."""
    api = told.api
    coordinator = api(Role.STUDY_COORDINATOR)
    body = {"subject_id": told.subject, "narrative": LATER} | EVENT
    other = created(await coordinator.post("/adverse-events", json=body))
    await sign(api(), "adverse_event", other["id"])
    signatures = (await api().get("/signatures")).json()["items"]
    (kept,) = [each for each in signatures if each["record_id"] == other["id"]]
    before = await checked(api(), kept["id"])
    done = await redact(told)
    assert kept["id"] not in done["signatures"]
    assert await checked(api(), kept["id"]) == before
    assert (await api().get(f"/adverse-events/{other['id']}")).json()["narrative"] == LATER


# What a forger writes who owns the database: the cover of an edit, as if it were a redaction.
FORGED = """
INSERT INTO redaction (study_id, id, operation_id, request_id, record_type, record_id, field,
    reason, requested_by, executed_by, scrubbed, signatures, recorded_at)
SELECT study_id, gen_random_uuid(), {operation}, {request}, '{kind}', {record}, '{field}', 'x',
    {requested}, {executed}, (SELECT jsonb_agg(jsonb_build_array(
        table_name, kept.record_id, number, digest_of_row(table_name, kept.study_id,
        kept.record_id, number, (SELECT columns -> table_name FROM seal_shape))))
        FROM seal_commitment kept WHERE table_name = 'change'), '[]', {recorded}
FROM study
"""


async def forge(session, **values):
    """Edit images and take their salts away, then cover that with a redaction."""
    tables = "change", "seal_commitment", "redaction", "redaction_request", "operation"
    for table in tables:
        await session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
    edits = (
        "UPDATE change SET new = new || '{\"birth_year\": 1931}' WHERE table_name = 'subject'",
        "UPDATE seal_commitment SET salt = NULL WHERE table_name = 'change'",
    )
    for edit in edits:
        await session.execute(text(edit))
    act = "(SELECT id FROM operation ORDER BY id DESC LIMIT 1)"
    forged = {
        "operation": act, "recorded": f"(SELECT recorded_at FROM operation WHERE id = {act})",
        "request": "gen_random_uuid()", "kind": "subject", "field": "birth_year",
        "record": "(SELECT id FROM subject LIMIT 1)",
        "requested": "gen_random_uuid()", "executed": "gen_random_uuid()",
    }  # fmt: skip
    await session.execute(text(FORGED.format(**forged | values)))


async def test_a_forged_redaction_covers_nothing(told):
    """Neither unsealed, nor sealed without a request, nor with one that is of another record."""
    asked = created(await request(told))
    done = created(await execute(told, asked["id"]))
    async with told.database.session() as session:
        await forge(session)
        assert "no redaction explains it" in " ".join(failures(await verify(session, Evidence())))
    act = "(SELECT operation_id FROM redaction LIMIT 1)"
    genuine = {
        "operation": act, "request": f"'{asked['id']}'", "requested": f"'{asked['requested_by']}'",
        "executed": f"'{done['executed_by']}'", "kind": "adverse_event",
        "record": f"'{told.event}'", "field": "narrative",
    }  # fmt: skip
    for changes in ({}, {"executed": f"'{asked['requested_by']}'"}):
        async with told.database.session() as session:
            await session.execute(text("ALTER TABLE redaction DROP CONSTRAINT"
                                       " uq_redaction_study_id_request_id"))  # fmt: skip
            await session.execute(text("ALTER TABLE redaction DROP CONSTRAINT"
                                       " ck_redaction_two_persons"))  # fmt: skip
            await forge(session, **genuine | changes)
            await seal_in(session, told)
            found = " ".join(failures(await verify(session, Evidence())))
        assert "A row of change" in found, found
        assert "no redaction explains it" in found


async def seal_in(session, told):
    """Seal within a test's own transaction."""
    notes = Witness(told.folder / "witness-0").notes()
    published = parse_checkpoint(parse_note(notes[-1]).text)
    await Sealing(local_seal_key(told.folder / KEY_FILE)).seal(session, published)


async def test_each_blinded_row_is_listed(told):
    """Whoever reads the report sees which rows nobody can open any more, and on whose word."""
    await redact(told)
    await seal_and_leave(told.database, told.url, told.folder)
    (notice,) = (await verified(told)).redactions
    assert len(notice.rows) == 4
    assert sum(row.startswith(f"change {told.event} (") for row in notice.rows) == 2
