"""P26: who a patient is reaches no log, error, metric, address, trail, export or open column."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.logging import configure_logging, log
from app.domain.vocabulary import Role
from app.models import SubjectIdentifier
from app.services import identifiers, inbound_placing
from tests.factories.doors import CSV_TYPE, ER7
from tests.factories.messages import laboratory, waiting
from tests.factories.mllp import connected, listening
from tests.factories.senders import BASE
from tests.factories.subjects import created, register
from tests.interop.fhir.samples import neutrophils, patient
from tests.interop.hl7v2.samples import PLT, message, msh, obr, obx, segment
from tests.promises.sinks import Answers, forms_of, holds, server_log, tables_with
from tests.routers.fhir_doors import post, put

# What says who somebody is; no two share a part that anything else here holds.
MRN, FAMILY, GIVEN, CHINESE = "ZQM7318842", "Zqouyang", "Vxnightjar", "欧阳雀鸲"
BORN, PHONE, PAPER, MISPUT = "19800304", "13977712345", "ZQP310104X", "ZQX5520917"
IDENTITY = (MRN, FAMILY, GIVEN, CHINESE, PHONE, PAPER, MISPUT)
# As people write it in JSON; as laboratories write it, it could be part of a number.
BIRTH_DATE = "1980-03-04"
FREE = "Zqfreetext-remark"
# The names of fields and parameters are told to whoever sent them, so that typos are found.
NAME = "field-name"
WRITING = {"post", "put", "patch", "delete"}
BROKEN = (
    '{{"a": "{}"',
    '["{}"]',
    '"{}"',
    '{{"a": "{}", "a": 2}}',
    '{{"reason": {{"b": "{}\x00"}}}}',
)


@pytest.fixture
def logs(monkeypatch):
    """Log as the service does, as chatty as it can; give what has been written."""
    handlers, level, written = logging.root.handlers[:], logging.root.level, io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("DEBUG", "test")
    logging.root.setLevel(logging.DEBUG)
    yield written.getvalue
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def answers():
    """The answers that nobody may learn anything from."""
    return Answers()


def told(*results: str, control_id: str = "M-1", accession: str = "A-1", **header: Any) -> bytes:
    """Build a message that tells all about a patient."""
    who = {
        1: "1", 2: PAPER, 3: f"{MRN}^^^HOSPITAL^MR~{MISPUT}^^^HOSPITAL^PI",
        5: f"{FAMILY}^{GIVEN}~{CHINESE}", 7: BORN, 8: "F", 11: f"{FAMILY} road^^City",
        13: PHONE, 19: PAPER,
    }  # fmt: skip
    kin = segment("NK1", {1: "1", 2: f"{FAMILY}^Kin", 5: PHONE})
    top = msh(control_id=control_id, fields=header.get("fields"))
    return message(top, segment("PID", who), kin, obr(accession), *results)


def misplaced() -> list[bytes]:
    """Build messages in which a patient's number stands where none belongs."""
    return [
        told(obx(PLT, "98"), control_id="M-2"),
        told(obx(PLT, "98"), control_id=MRN),
        told(obx(PLT, "98"), control_id=f"X{MRN}-1"),
        told(obx(PLT, "98"), control_id="M-3", accession=MISPUT),
        told(obx(PLT, "98"), control_id="M-4", accession=f"A{MISPUT}"),
        told(obx(f"{MRN}^Local^L", "98"), control_id="M-5"),
        told(obx(PLT, "98", MISPUT), control_id="M-6"),
        told(obx(PLT, MRN, fields={7: MRN, 8: MRN, 11: MRN}), control_id="M-7"),
        told(obx(PLT, "98", fields={14: MISPUT}), control_id="M-8"),
        told(obx(PLT, "98"), control_id=f"T-{FAMILY}", fields={11: "T"}),
        told(obx(PLT, "98"), control_id=f"U-{MRN}", fields={9: "ADT^A01"}),
        told(obx(PLT, "98"), control_id=f"W-{PHONE}", fields={18: "UNKNOWN"}),
        FAMILY.encode(),
        b"MSH|^~\\&|" + MRN.encode(),
        told(obx(PLT, "98"))[:-40],
    ]


async def push_messages(lab) -> None:
    """Send every message over HTTP, twice, and to the rehearsal; what fails has to fail quietly."""
    for raw in misplaced():
        headers = {"Content-Type": ER7, "Idempotency-Key": f"{MRN}-{hash(raw)}"}
        for path in ("/lis/hl7v2", "/lis/hl7v2", "/lis/hl7v2/validation"):
            await lab.post(f"{BASE}{path}", content=raw, headers=headers)
    who = patient(number=MRN, name=[{"family": FAMILY, "given": [GIVEN]}], birthDate=BIRTH_DATE)
    of_patient = {"subject": {"reference": "#p1"}, "contained": [who]}
    for body in (
        neutrophils(**of_patient),
        neutrophils(**of_patient, identifier=[{"system": "urn:lab", "value": MRN}]),
        neutrophils(subject={"reference": f"Patient/{MRN}", "display": FAMILY}),
        neutrophils(**of_patient, specimen={"identifier": {"value": MRN}}),
        neutrophils(**of_patient, status=MRN),
        neutrophils(**of_patient, **{NAME: FAMILY}),
        {"resourceType": FAMILY, "id": MRN},
    ):
        await post(lab, "/Observation", body)
        await post(lab, f"/{GIVEN}?identifier={MRN}", body)
        await put(lab, f"/Observation/{MRN}", neutrophils(**of_patient, id=MRN))
    lines = f"subject,analyte,value,unit,collected_at\n{MRN},PLT,9,10*9/L,2026-05-20 08:15\n"
    for csv in (lines, lines.replace("analyte", FAMILY), lines + f'"{GIVEN}', f"{MRN}\n{FAMILY}"):
        await lab.post(f"{BASE}/lis/csv", content=csv, headers={"Content-Type": CSV_TYPE})


async def push_people(client, subject_id: str) -> None:
    """Record an identity and identifiers, rightly and wrongly."""
    path = f"/subjects/{subject_id}"
    person = {
        "family_name": FAMILY,
        "given_name": GIVEN,
        "birth_date": BIRTH_DATE,
        "initials": "OY",
    }
    numbers = [
        {"kind": "patient", "value": MRN, "authority": "H"},
        {"kind": "specimen", "value": MISPUT},
    ]
    assert (await client.put(f"{path}/identity", json=person)).status_code == 201
    for body in numbers:
        created(await client.post(f"{path}/identifiers", json=body))
    for wrong in (
        {"initials": CHINESE},
        {"family_name": [FAMILY]},
        {"birth_date": PAPER},
        {NAME: MRN},
    ):
        assert (await client.put(f"{path}/identity", json=person | wrong)).status_code == 422
    version = '"v1"'
    for name, value in (("weight_kg", MRN), ("reason", ""), (NAME, FAMILY), ("sex", GIVEN)):
        body = {"weight_kg": 60, "reason": "Test.", name: value}
        answer = await client.patch(path, json=body, headers={"If-Match": version})
        assert answer.status_code == 422


async def push_everywhere(client, unwatched, document: dict[str, Any]) -> None:
    """Put identity into every path, query, header and body of every operation."""
    for path, operations in document["paths"].items():
        # A search of FHIR has to tell which one it was.
        watched = client if "/fhir" not in path else unwatched
        for method, operation in operations.items():
            address = path.replace("{study}", "NCT07212335")
            for parameter in operation.get("parameters", ()):
                address = address.replace("{" + parameter["name"] + "}", MRN)
            headers = {"If-Match": f'"{MRN}"', "User-Agent": FAMILY, "Cookie": f"a={MRN}"}
            headers |= {"Idempotency-Key": MRN, "X-Request-ID": MRN, "Accept-Language": GIVEN}
            queries = [{NAME: MRN}] + [
                {each["name"]: MRN}
                for each in operation.get("parameters", ())
                if each["in"] == "query"
            ]
            for query in queries:
                await watched.request(
                    method, f"http://test{address}", params=query, headers=headers
                )
            for body in BROKEN if method in WRITING else ():
                words = (FAMILY,) * body.count("{}")
                content = body.format(*words)
                kind = headers | {"Content-Type": "application/json"}
                await watched.request(
                    method, f"http://test{address}", content=content, headers=kind
                )
    await client.get(f"http://test/{MRN}?{NAME}={GIVEN}")
    await client.get("/subjects", headers={"Authorization": f"Bearer {MRN}.{FAMILY}.{GIVEN}"})


async def check(session, answers, written: str, client) -> None:
    """Search every sink for every word."""
    others = {
        "log": written,
        "server log": await server_log(session),
        "metrics": (await client.get("http://test/metrics")).text,
        "document": (await client.get("http://test/openapi.json")).text,
    }
    found = [
        (name, word)
        for word in (*IDENTITY, BIRTH_DATE)
        for name in others
        if holds(others[name], word)
    ]
    found += [(each, word) for word in IDENTITY for each in await tables_with(session, word)]
    found += [(each, word) for word in IDENTITY for each in answers.with_word(word)]
    assert found == [], "\n".join(f"{each} {word}" for each, word in found[:40])


async def test_identity_reaches_no_sink(api, app, session, clock, logs, answers):
    """Through success and failure of every door, no word of who the patient is is left anywhere."""
    subject_id = await register(api)
    lab = await laboratory(api)
    coordinator, auditor = api(Role.STUDY_COORDINATOR), answers.watch(api(Role.AUDITOR))
    await push_people(answers.watch(coordinator), subject_id)
    await push_messages(lab)
    async with listening(app.state.database, clock) as address, connected(address) as line:
        for raw in misplaced()[:2]:
            await line.send(raw)
    await push_everywhere(answers.watch(api()), api(), app.openapi())
    for path in ("operations", "changes"):
        assert (await auditor.get(f"/audit/{path}?limit=200")).status_code == 200
    for item in await waiting(api):
        await answers.watch(api(Role.DATA_MANAGER)).get(f"{BASE}/lis/inbox/{item['id']}")
    await answers.watch(api(Role.DATA_MANAGER)).get(f"{BASE}/lis/inbox?limit=200")
    assert (await auditor.get("/audit/export")).status_code == 200
    assert len(answers) > 300
    assert await waiting(api)
    await check(session, answers, logs(), api())


async def test_what_breaks_is_told_without_its_values(api, session, logs, answers, monkeypatch):
    """An error of our own, with a patient's words in it, is logged and answered by its kind."""
    subject_id = await register(api)
    lab = answers.watch(await laboratory(api))

    async def breaks(*_: object, **__: object) -> None:
        raise ValueError(f"{FAMILY} {MRN}")

    monkeypatch.setattr(identifiers, "keep_secret", breaks)
    client = answers.watch(api(Role.STUDY_COORDINATOR))
    body = {"kind": "patient", "value": MRN}
    failed = await client.post(f"/subjects/{subject_id}/identifiers", json=body)
    assert failed.status_code == 500
    monkeypatch.setattr(inbound_placing, "match_subjects", breaks)
    raw = told(obx(PLT, "98"))
    assert (
        await lab.post(f"{BASE}/lis/hl7v2", content=raw, headers={"Content-Type": ER7})
    ).is_success
    written = logs()
    assert "unexpected_error" in written
    assert "message_not_processed" in written
    await check(session, answers, written, api())


async def test_free_text_stays_with_its_record(api, app, session, logs, answers):
    """What people write is kept where they wrote it, and is in no log, error or metric."""
    client = answers.watch(api())
    subject_id = await register(api)
    body = {"weight_kg": 61, "reason": FREE}
    path = f"/subjects/{subject_id}"
    assert (await client.patch(path, json=body, headers={"If-Match": '"v9"'})).status_code == 412
    long = body | {"reason": FREE * 400}
    assert (await client.patch(path, json=long, headers={"If-Match": '"v1"'})).status_code == 422
    assert await tables_with(session, FREE) == []
    changed = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert changed.status_code == 200
    assert await tables_with(session, FREE) == ["public.operation"]
    assert list(answers.with_word(FREE)) == []
    for content in (
        logs(),
        await server_log(session),
        (await client.get("http://test/metrics")).text,
    ):
        assert not holds(content, FREE)


async def test_each_search_finds_what_is_there(api, session, logs, answers):
    """The control: a careless logger, handler, column, encoding and cast are each caught."""
    log.info("admitted", name=FAMILY)
    logging.getLogger("library").warning(GIVEN)
    written = logs()
    assert holds(written, FAMILY)
    assert holds(written, GIVEN)
    await register(api)
    client = answers.watch(api())
    subject = (await client.get("/subjects")).json()["items"][0]
    assert list(answers.with_word(subject["number"]))
    for form in forms_of(GIVEN) | {GIVEN.upper()}:
        async with session.begin_nested() as attempt:
            keep = (
                "INSERT INTO idempotency_record (scope, key, fingerprint) VALUES (:said, 'k', 'f')"
            )
            await session.execute(text(keep), {"said": f"..{form}.."})
            assert await tables_with(session, GIVEN) == ["public.idempotency_record"], form
            await attempt.rollback()
    with pytest.raises(DBAPIError):
        async with session.begin_nested():
            await session.execute(
                text("SELECT CAST(CAST(:said AS text) AS uuid)"), {"said": "zqcast"}
            )
    assert holds(await server_log(session), "zqcast")


def test_no_model_keeps_identity_in_the_open():
    """An identifier's row has a keyed hash and no ciphertext; names and dates have no column."""
    columns = set(SubjectIdentifier.__table__.c.keys())
    assert columns.isdisjoint({"value", "sealed", "name"})
    assert json.dumps(sorted(columns))
