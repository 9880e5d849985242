"""P09: every write has who, in which role, when, what (old and new), why, and which request."""

import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.protocols import read_definition
from app.routers import fhir_examples
from tests.conftest import STUDY
from tests.factories.casebooks import bring_to, unlock
from tests.factories.dosing import LOT, create_bags, create_lot, give_infusion, infuse
from tests.factories.labs import neutrophils
from tests.factories.ladder import decide, propose, read_ladder, treat, verdict
from tests.factories.machines import ask, assertion
from tests.factories.messages import INBOX, local, waiting
from tests.factories.people import join_at_console, newcomer
from tests.factories.rows import at, move_to
from tests.factories.senders import BASE, FIXTURE, SENDER, SENDERS
from tests.factories.signing import lock_signing, sign
from tests.factories.subjects import (
    FIRST_INFUSION,
    eligible_subject,
    enrol,
    enrolled_subject,
    screened_subject,
)
from tests.factories.tokens import public
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid
from tests.promises.trail_watch import DRY_RUNS, QUESTIONS, WRITING, TrailWatch
from tests.routers.fhir_doors import send as fhir_send
from tests.routers.test_adverse_events import EVENT

ER7 = {"Content-Type": "application/hl7-v2"}


@pytest.fixture
def watch(api, app) -> TrailWatch:
    """Clients that check every write."""
    return TrailWatch(api, app)


async def change(client, path: str, record: dict, **values) -> dict:
    """Change a record in the version that was read."""
    answer = await client.patch(
        f"{path}/{record['id']}",
        json={"reason": "Source document reviewed."} | values,
        headers={"If-Match": f'"v{record["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(client, path: str, **body) -> dict:
    """Create a record."""
    answer = await client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def set_up(api) -> None:
    """Set up another study, amend this one's protocol, and ask what writes nothing."""
    definition = json.loads(to_json(read_definition(STUDY, 1)))
    other = definition | {"study": definition["study"] | {"key": "NCT00000001"}}
    await post(
        api(Role.ADMINISTRATOR),
        "http://test/api/v1/studies",
        definition=other,
        effective_from="2026-01-01",
    )
    version = await post(
        api(Role.DATA_MANAGER), "/protocol-versions", definition=definition, summary="As it was."
    )
    await post(
        api(),
        f"/protocol-versions/{version['number']}/activation",
        effective_from="2026-01-01",
        reason="Approved.",
    )
    await post(api(), "/ctcae/grade", analyte="ANC", value=0.4, unit="10*9/L")
    path = "/escalation/operating-characteristics"
    await post(api(), path, true_dlt_rates=[0.1, 0.2, 0.3])


async def care(api, subject_id: str) -> None:
    """Record and correct results, transfusions, medication and assessments."""
    own, when = {"subject_id": subject_id}, at(FIRST_INFUSION).isoformat()
    lab = await post(api(Role.LABORATORY_SYSTEM), "/labs", **neutrophils(subject_id))
    batch = [neutrophils(subject_id, value=1.1), neutrophils(subject_id, when)]
    await post(api(), "/labs", results=batch)
    correction = {"value": 1.3, "unit": "10*9/L", "reason": "Counted again."}
    await post(api(), f"/labs/{lab['id']}/corrections", **correction)
    await judge(api)
    records = {
        "/transfusions": {"product": "platelets", "given_at": when},
        "/concomitant-medications": {
            "name": "filgrastim",
            "medication_class": "g_csf",
            "started_at": when,
        },
        "/assessments": {"kind": "ecog", "performed_at": when, "content": {"score": 1}},
    }
    for path, body in records.items():
        await change(api(), path, await post(api(), path, **own, **body), retracted=True)


async def judge(api) -> None:
    """Record by which limits a laboratory judges, and take that back."""
    limits = {"analyte": "ANC", "unit": "10*9/L", "low": 1.8}
    named = limits | {"laboratory": "WARD", "effective_from": "2026-01-01"}
    made = await post(api(Role.DATA_MANAGER), "/reference-ranges", **named)
    path = f"/reference-ranges/{made['id']}/retraction"
    await post(api(Role.STUDY_COORDINATOR), path, reason="Of another laboratory.")


async def let_in(api, clock, subject_id: str) -> None:
    """Register a laboratory system, and by what it names the subject."""
    registrar, coordinator = api(Role.DATA_MANAGER), api(Role.STUDY_COORDINATOR)
    sender = await post(registrar, SENDERS, **SENDER, **FIXTURE, profile="china_oul_r24")
    await change(registrar, SENDERS, sender, rate_per_minute=600)
    one = f"{SENDERS}/{sender['id']}"
    await post(registrar, f"{one}/profiles", profile="generic_oru", reason="New system.")
    key = await post(registrar, f"{one}/keys")
    await change(registrar, f"{one}/keys", key, revoked=True)
    client = await post(registrar, f"{one}/clients", jwks=public("ed"), scopes=["labs:create"])
    answer = await ask(api, assertion(client["id"], clock(), "ed"), Role.LABORATORY_SYSTEM)
    assert answer.status_code == 200, answer.text
    await change(registrar, f"{one}/clients", client, revoked=True)
    path = f"/subjects/{subject_id}/identifiers"
    identifier = await post(coordinator, path, kind="patient", value="MRN-1")
    await change(coordinator, path, identifier, retracted=True)


async def identify(api, subject: dict) -> None:
    """Tell who the subject is, show it for a reason, and cut the data without it."""
    path, born = f"/subjects/{subject['id']}/identity", f"{subject['birth_year']}-03-04"
    person = {"family_name": "A", "given_name": "B", "birth_date": born, "initials": "AB"}
    cut = {"as_of": subject["recorded_at"], "name": "N", "purpose": "P"}
    for answer in (
        await api(Role.STUDY_COORDINATOR).put(path, json=person),
        await api(Role.AUDITOR).post(f"{path}/disclosures", json={"reason": "Inspection."}),
        await api(Role.DATA_MANAGER).post("/data-cuts", json=cut),
    ):
        assert answer.status_code == 201, answer.text
    again = person | {"initials": "AC", "reason": "Misspelt."}
    answer = await api(Role.STUDY_COORDINATOR).put(path, json=again, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text


async def upload(api, number: str) -> None:
    """Upload results as a file, after a dry run and a file that is refused."""
    header = "subject,analyte,value,unit,collected_at"
    row = f"{number},PLT,98,10*9/L,{at(FIRST_INFUSION).isoformat()}"
    files = (
        (f"{header}\n{row}", "?dry_run=true", 200),
        (f"{header}\n{row}\n{number},PLT,98,%,2026", "", 422),
        (f"{header}\n{row}", "", 200),
    )
    for content, query, status in files:
        answer = await api(Role.STUDY_COORDINATOR).post(
            f"{BASE}/lis/csv{query}", content=content, headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == status, answer.text


async def push(api) -> None:
    """Let the laboratory system send in every format, sound and doubtful results, some twice."""
    system = api(Role.LABORATORY_SYSTEM)
    doubtful = message(msh(), pid(), obr(), obx(), local())
    for path in ("/validation", "", ""):
        answer = await system.post(f"{BASE}/lis/hl7v2{path}", content=doubtful, headers=ER7)
        assert answer.status_code == 200, answer.text
    unread = await system.post(f"{BASE}/lis/hl7v2", content=b"", headers=ER7)
    assert unread.status_code == 400
    (item,) = await waiting(api)
    mapping = {"action": "map_code", "analyte": "ANC", "reason": "By the laboratory's list."}
    answer = await api(Role.DATA_MANAGER).post(
        f"{INBOX}/{item['id']}/resolution",
        json=mapping,
        headers={"If-Match": f'"v{item["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    for path, examples in (
        ("/Observation", fhir_examples.OBSERVATION),
        (f"/Observation/{fhir_examples.CLIENT_ID}", fhir_examples.PUT_OBSERVATION),
        ("/DiagnosticReport", fhir_examples.REPORT),
        ("", fhir_examples.BUNDLES),
        ("/$process-message", fhir_examples.MESSAGE),
    ):
        method = "PUT" if path.endswith(fhir_examples.CLIENT_ID) else "POST"
        for example in examples.values():
            answer = await fhir_send(system, method, path, example)
            assert answer.is_success, answer.text
    answer = await fhir_send(system, "POST", "/Observation", {"resourceType": "Patient"})
    assert answer.status_code == 400


async def dose(api, subject_id: str) -> None:
    """Handle lots and bags, prescribe and give an infusion."""
    pharmacy = api(Role.CELL_LABORATORY)
    lot = await create_lot(api, released=False)
    await change(pharmacy, "/product-lots", lot, released=True)
    (bag,) = await create_bags(api, 1)
    await change(pharmacy, "/product-bags", {"id": bag, "version": 1}, status="discarded")
    given = {"cells": 120_000_000, "premedication_dose_mg": 4}
    await give_infusion(api, subject_id, at(FIRST_INFUSION), **given)
    unreleased = await pharmacy.post("/product-lots", json=LOT | {"lot_number": ""})
    assert unreleased.status_code == 422


async def safety(api, subject_id: str) -> None:
    """Record an event, make it worse, and sign it."""
    onset = at(FIRST_INFUSION, 12).isoformat()
    body = EVENT | {"subject_id": subject_id, "onset_at": onset}
    event = await post(api(Role.CELL_LABORATORY), "/adverse-events", **body)
    event = await change(api(), "/adverse-events", event, grade=4)
    answer = {"is_dlt": False, "adverse_event_version": event["version"]}
    path = f"/adverse-events/{event['id']}/dlt-adjudications"
    await post(api(Role.SUB_INVESTIGATOR), path, **answer, rationale="Not of the cells.")
    stale = answer | {"adverse_event_version": 1, "rationale": "Too late."}
    assert (await api().post(path, json=stale)).status_code == 409
    await report(api, event)


async def report(api, event: dict) -> None:
    """List what is expected, record what came to light and what was sent, and take both back."""
    entries = [{"term": event["term"], "max_expected_grade": 2}]
    await post(
        api(Role.DATA_MANAGER),
        "/reference-safety-information",
        effective_on="2026-01-01",
        title="Edition 1",
        entries=entries,
    )
    serious = {"seriousness": ["medically_important"], "aware_at": event["onset_at"]}
    event = await change(api(), "/adverse-events", event, **serious)
    path, why = f"/adverse-events/{event['id']}", {"reason": "Of another event."}
    received = {"received_at": event["aware_at"], "summary": "Seen again."}
    told = await post(api(), f"{path}/follow-ups", **received)
    await post(api(), f"{path}/follow-ups/{told['id']}/retraction", **why)
    (clock, *_) = (await api().get(f"{path}/safety-reports")).json()["clocks"]
    named = {name: clock[name] for name in ("jurisdiction", "kind", "counted_from")}
    sent = await post(api(), f"{path}/safety-reports", **named, sent_at=clock["counted_from"])
    await post(api(), f"{path}/safety-reports/{sent['id']}/retraction", **why)
    corrected = {"grade": 3, "corrects_grade": True, "seriousness": [], "corrects_assessment": True}
    await change(api(), "/adverse-events", event, **corrected)


async def depart(api, subject_id: str) -> None:
    """Report a deviation and weigh it anew, and note on it and on one that is derived."""
    report = {"category": "consent", "day": "2026-05-20", "severity": "minor"}
    body = report | {"subject_id": subject_id, "description": "Initialled a day late."}
    reported = await post(api(Role.STUDY_COORDINATOR), "/deviations", **body)
    await change(api(), "/deviations", reported, severity="major")
    derived = {"subject_id": subject_id, "key": "premedication_dose:1"}
    for target in ({"deviation_id": reported["id"]}, derived):
        body = target | {"text": "Looked into.", "assessment": "important"}
        await post(api(Role.SUB_INVESTIGATOR), "/deviations/notes", **body)


async def inquire(api, subject_id: str) -> None:
    """Ask about a subject, answer, and hold the record against its source."""
    target = {"record_type": "subject", "record_id": subject_id}
    body = target | {"subject_id": subject_id, "field": "weight_kg"}
    asked = await post(api(Role.MONITOR), "/queries", **body, text="On which scale?")
    await change(api(Role.STUDY_COORDINATOR), "/queries", asked, action="answer")
    version = (await api().get(f"/subjects/{subject_id}")).json()["version"]
    await post(api(Role.MONITOR), "/source-verifications", **target, record_version=version)


async def reconsider(api) -> None:
    """Conclude on what moved: the event was changed after it was signed as no DLT; sign again."""
    committee = api(Role.SAFETY_COMMITTEE)
    (item, *_) = (await committee.get("/evidence-moved")).json()["items"]
    named = {name: item[name] for name in ("type", "id", "moved_digest")}
    word = {"conclusion": "to_be_revised", "text": "The event has to be judged again."}
    await post(committee, "/evidence-moved/reviews", **named, **word)
    (event,) = (await api().get("/adverse-events")).json()["items"]
    again = {"is_dlt": False, "adverse_event_version": event["version"], "rationale": "Again no."}
    await post(
        api(Role.SUB_INVESTIGATOR), f"/adverse-events/{event['id']}/dlt-adjudications", **again
    )


async def sign_off(api, unwatched, clock, subject_id: str) -> None:
    """Sign off a subject's eligibility, and unlock somebody whose signing was locked."""
    await sign(api(Role.SUB_INVESTIGATOR), "eligibility", subject_id)
    person = await lock_signing(unwatched, Role.MONITOR, clock())
    body = {"principal_id": person, "reason": "Identity checked on the telephone."}
    await post(api(Role.ADMINISTRATOR), "/security-events/unlocks", **body)


async def take_away(api, unwatched) -> None:
    """Redact the reason of a change: one person asks for it, another carries it out."""
    only = {"command": "change_subject"}
    found = await unwatched(Role.AUDITOR).get("/audit/operations", params=only)
    target = {"record_type": "operation", "record_id": found.json()["items"][0]["id"]}
    body = target | {"field": "reason", "reason": "It names somebody."}
    asked = await post(api(), "/redactions", **body)
    done = {"reason": "The request names the right record."}
    await post(api(Role.DATA_MANAGER), f"/redactions/{asked['id']}/execution", **done)


async def climb(api, unwatched, clock) -> None:
    """Decide the way to an expansion: level A is tolerated, level B is not.

    The subjects between the decisions are treated unwatched: their steps were watched before.
    """
    today = clock().astimezone(ZoneInfo("Asia/Shanghai")).date()
    for _ in range(2):
        await infuse(unwatched, await enrolled_subject(unwatched, today), today)
    move_to(clock, today + timedelta(days=30))
    first = (await propose(api, "escalate")).json()
    await post(api(), f"/escalation/decisions/{first['id']}/withdrawal", reason="Too early.")
    await verdict(api, (await propose(api, "escalate")).json(), "rejected")
    await decide(api, "escalate")
    await treat(unwatched, clock, date(2026, 8, 1), 2, dlts=2)
    await decide(api, "stop_level")
    await decide(api, "refill_lower")
    await treat(unwatched, clock, date(2026, 10, 1), 3)
    await decide(api, "declare_mtd")
    digest = (await read_ladder(api))["digest"]
    await post(api(), "/expansion", dose_level="A", reason="Best balance.", digest=digest)


async def staff(api, unwatched) -> None:
    """Set up a site, let people in, one of them by two administrators, and out again."""
    other, admin = await join_at_console(unwatched, "adam", Role.ADMINISTRATOR), Role.ADMINISTRATOR
    await post(api(admin), "/sites", code="02", name="Second hospital")
    why = {"reason": "Joins the study team."}
    given = await post(other, "/grants", person=newcomer("nina"), role="administrator", **why)
    await post(api(admin), f"/grants/{given['id']}/confirmation", reason="Seen the letter.")
    given = await post(api(admin), "/grants", person=newcomer("mona"), role="monitor", **why)
    await post(api(admin), f"/grants/{given['id']}/revocation", reason="By mistake.")
    person = {"person_id": given["person"]["id"]}
    await post(api(admin), "/grants", **person, role="auditor", site="02", **why)
    await post(api(admin), f"/people/{person['person_id']}/revocation", reason="Left.")


async def course(api, unwatched, clock) -> None:
    """Go through the trial so that each writing operation is used at least once with success.

    P02, P05 and P36 send the same requests: an operation that is added here is added to them.
    """
    await set_up(api)
    move_to(clock, FIRST_INFUSION)
    subject = await eligible_subject(api)
    await change(api(Role.STUDY_COORDINATOR), "/subjects", subject, weight_kg=60.5)
    attested = await api().put(
        f"/subjects/{subject['id']}/eligibility/I6", json={"met": True, "reason": "Seen."}
    )
    assert attested.is_success, attested.text
    assert (await enrol(api, subject)).status_code == 201
    assert (await enrol(api, subject)).status_code == 409
    await sign_off(api, unwatched, clock, subject["id"])
    await let_in(api, clock, subject["id"])
    await identify(api, subject)
    await dose(api, subject["id"])
    clock.advance(hours=12)
    await care(api, subject["id"])
    await upload(api, subject["number"])
    await push(api)
    await safety(api, subject["id"])
    await reconsider(api)
    await depart(api, subject["id"])
    await inquire(api, subject["id"])
    leaver = await screened_subject(api)
    day = date(2026, 6, 3).isoformat()
    exit_ = {"event": "screen_failed", "event_date": day, "reason": "Criterion not met."}
    path = f"/subjects/{leaver['id']}/disposition"
    await change(api(), path, await post(api(), path, **exit_), retracted=True)
    await bring_to(api, leaver["id"], "locked")
    await unlock(api, leaver["id"])
    await take_away(api, unwatched)
    await climb(api, unwatched, clock)
    await staff(api, unwatched)


async def test_every_write_of_every_operation_is_in_the_trail(watch, clock):
    """A course through the trial uses each operation; the trail names exactly the rows it wrote."""
    await course(watch.api, watch.unwatched, clock)
    assert watch.seen == writing_operations(watch)


def writing_operations(watch: TrailWatch) -> set[str]:
    """List the operations of the OpenAPI document that write, and the questions with a body."""
    return {
        operation["operationId"]
        for operations in watch._app.openapi()["paths"].values()
        for method, operation in operations.items()
        if method.upper() in WRITING
    }


async def test_control_a_row_past_the_trail_is_noticed(watch, session):
    """The control: with the trigger off a row has no entry, and the check says so."""
    await session.execute(text("ALTER TABLE product_lot DISABLE TRIGGER product_lot_write_inserts"))
    lot = LOT | {"lot_number": "L-1"}
    with pytest.raises(AssertionError, match="create_product_lot"):
        await watch.api(Role.CELL_LABORATORY).post("/product-lots", json=lot)


def test_questions_are_operations_of_the_document(watch):
    """No name is kept for an operation that is gone."""
    assert writing_operations(watch) >= QUESTIONS | DRY_RUNS


async def test_without_an_operation_nothing_is_stored(api, monkeypatch):
    """If the trail cannot be written, the change is not made and nobody sees a success."""

    async def forget(*_arguments):
        return None

    with monkeypatch.context() as patched:
        patched.setattr("app.routers.dependencies.begin_operation", forget)
        lot = LOT | {"lot_number": "L-1"}
        answer = await api(Role.CELL_LABORATORY).post("/product-lots", json=lot)
        assert answer.status_code == 500
    assert (await api().get("/product-lots")).json()["items"] == []
    operations = (await api(Role.AUDITOR).get("/audit/operations")).json()["items"]
    assert [item["command"] for item in operations] == ["create_study"]
