"""P09: every write has who, in which role, when, what (old and new), why, and which request."""

import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.protocols import read_definition
from tests.conftest import STUDY
from tests.factories.dosing import LOT, create_bags, create_lot, give_infusion, infuse
from tests.factories.labs import neutrophils
from tests.factories.ladder import decide, propose, read_ladder, treat, verdict
from tests.factories.rows import at, move_to
from tests.factories.subjects import (
    FIRST_INFUSION,
    eligible_subject,
    enrol,
    enrolled_subject,
    screened_subject,
)
from tests.promises.trail_watch import QUESTIONS, WRITING, TrailWatch
from tests.routers.test_adverse_events import EVENT


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


async def dose(api, subject_id: str) -> None:
    """Handle lots and bags, prescribe and give an infusion."""
    pharmacy = api(Role.CELL_LABORATORY)
    lot = await create_lot(api, released=False)
    await change(pharmacy, "/product-lots", lot, released=True)
    (bag,) = await create_bags(api, 1)
    await change(pharmacy, "/product-bags", {"id": bag, "version": 1}, status="discarded")
    await give_infusion(api, subject_id, at(FIRST_INFUSION), cells=120_000_000)
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


async def test_every_write_of_every_operation_is_in_the_trail(watch, clock):
    """A course through the trial uses each operation; the trail names exactly the rows it wrote."""
    api = watch.api
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
    await dose(api, subject["id"])
    clock.advance(hours=12)
    await care(api, subject["id"])
    await safety(api, subject["id"])
    leaver = await screened_subject(api)
    day = date(2026, 6, 3).isoformat()
    exit_ = {"event": "screen_failed", "event_date": day, "reason": "Criterion not met."}
    await post(api(), f"/subjects/{leaver['id']}/disposition", **exit_)
    await climb(api, watch.unwatched, clock)
    assert watch.seen == writing_operations(watch)


def writing_operations(watch: TrailWatch) -> set[str]:
    """List the operations of the OpenAPI document that write, and the questions with a body."""
    return {
        operation["operationId"]
        for operations in watch._app.openapi()["paths"].values()
        for method, operation in operations.items()
        if method.upper() in WRITING
    }


def test_questions_are_operations_of_the_document(watch):
    """No name is kept for an operation that is gone."""
    assert writing_operations(watch) >= QUESTIONS


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
