"""A subject with every kind of record, and one request for each operation that writes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from app.domain.vocabulary import BagStatus, Role
from app.models import ProductBag
from app.services.history import lock
from tests.conftest import Api, TestClock
from tests.factories.dosing import create_bags, give_infusion
from tests.factories.labs import neutrophils
from tests.factories.messages import resolve, waiting
from tests.factories.rows import at, move_to, writing
from tests.factories.senders import BASE
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrol,
    screened_subject,
)
from tests.routers.test_adverse_events import EVENT

COORDINATOR, PI = Role.STUDY_COORDINATOR, Role.PRINCIPAL_INVESTIGATOR
CSV_HEADER = "subject,analyte,value,unit,collected_at,accession"


@dataclass(frozen=True)
class Case:
    """The clients, the subjects whose casebooks are closed, and the ids of their records.

    `treated` got an infusion, `placed` has a place only, `candidate` is eligible, `leaver` left.
    """

    api: Api
    treated: dict[str, Any]
    placed: dict[str, Any]
    candidate: dict[str, Any]
    leaver: dict[str, Any]
    records: Mapping[str, str]

    @property
    def subjects(self) -> list[str]:
        """Give the ids of the subjects."""
        return [each["id"] for each in (self.treated, self.placed, self.candidate, self.leaver)]

    def of(self, collection: str) -> str:
        """Give the path of the treated subject's record in a collection."""
        return f"/{collection}/{self.records[collection]}"


def _care(subject_id: str) -> dict[str, dict[str, Any]]:
    when = at(FIRST_INFUSION, 11).isoformat()
    bodies = {
        "transfusions": {"product": "platelets", "given_at": when},
        "concomitant-medications": {
            "name": "filgrastim", "medication_class": "g_csf", "started_at": when,
        },
        "assessments": {"kind": "ecog", "performed_at": when, "content": {"score": 1}},
        "adverse-events": EVENT | {"onset_at": when},
        "labs": neutrophils(subject_id),
    }  # fmt: skip
    return {name: body | {"subject_id": subject_id} for name, body in bodies.items()}


async def open_case(api: Api, clock: TestClock) -> Case:
    """Record something of every kind; the first subject is S-001."""
    move_to(clock, FIRST_INFUSION)
    treated = await eligible_subject(api)
    created(await enrol(api, treated))
    await give_infusion(api, treated["id"], at(FIRST_INFUSION))
    records = {
        name: created(await api(COORDINATOR).post(f"/{name}", json=body))["id"]
        for name, body in _care(treated["id"]).items()
    }
    body = {"is_dlt": False, "adverse_event_version": 1, "rationale": "Not of the cells."}
    path = f"/adverse-events/{records['adverse-events']}/dlt-adjudications"
    created(await api().post(path, json=body))
    records["product-bags"] = await _spare_bag(api, treated["id"])
    await create_bags(api)
    placed = await eligible_subject(api)
    created(await enrol(api, placed))
    candidate = await eligible_subject(api)
    leaver = await screened_subject(api)
    exit_ = {"event": "screen_failed", "event_date": "2026-06-03", "reason": "Not met."}
    path = f"/subjects/{leaver['id']}/disposition"
    records[path[1:]] = created(await api().post(path, json=exit_))["id"]
    clock.advance(hours=8)
    return Case(api, treated, placed, candidate, leaver, records)


async def _spare_bag(api: Api, subject_id: str) -> str:
    """Write that a bag was set aside for an infusion, and not needed."""
    infusion = (await api().get(f"/subjects/{subject_id}/infusions/1")).json()
    (bag_id,) = await create_bags(api, 1)
    async with writing(api, reason="Set aside.") as (session, actor):
        row = await lock(session, ProductBag, actor.study_id, UUID(bag_id), None)
        row.status, row.infusion_id = BagStatus.ALLOCATED, UUID(infusion["id"])
    return bag_id


async def _check(case: Case) -> httpx.Response:
    client, path = case.api(), case.of("product-bags")
    bag = (await client.get(path)).json()
    lot = (await client.get(f"/product-lots/{bag['lot_id']}")).json()
    code = f"{lot['lot_number']}/{bag['bag_number']}"
    body = {"infusion_id": bag["infusion_id"], "method": "scan", "scanned_code": code}
    return await client.post(f"{path}/checks", json=body)


async def _change(case: Case, path: str, role: Role = PI, **values: Any) -> httpx.Response:
    """Change a record in its present version."""
    client, reason = case.api(role), {"reason": "Source document reviewed."}
    read = await client.get(path)
    if read.status_code == 200:
        tag = read.headers["etag"]
    else:
        listed = (await client.get(path.rpartition("/")[0])).json()["items"]
        tag = f'"v{next(each for each in listed if each["id"] in path)["version"]}"'
    return await client.patch(path, json=reason | values, headers={"If-Match": tag})


async def _create(case: Case, collection: str) -> httpx.Response:
    body = _care(case.treated["id"])[collection]
    if collection == "labs":
        body |= {"collected_at": at(FIRST_INFUSION, 9).isoformat()}
    return await case.api(COORDINATOR).post(f"/{collection}", json=body)


async def _correct(case: Case) -> httpx.Response:
    body = {"value": 1.3, "unit": "10*9/L", "reason": "Counted again."}
    return await case.api(COORDINATOR).post(f"{case.of('labs')}/corrections", json=body)


async def _prescribe(case: Case) -> httpx.Response:
    day = (FIRST_INFUSION + timedelta(days=7)).isoformat()
    body = {"planned_date": day, "weight_kg": 60}
    return await case.api().post(f"/subjects/{case.placed['id']}/infusions", json=body)


async def _attest(case: Case) -> httpx.Response:
    path = f"/subjects/{case.candidate['id']}/eligibility/I6"
    return await case.api().put(path, json={"met": True, "reason": "Seen."})


async def _leave(case: Case) -> httpx.Response:
    body = {"event": "pregnancy", "event_date": "2026-06-03", "reason": "Test."}
    return await case.api().post(f"/subjects/{case.treated['id']}/disposition", json=body)


async def _adjudicate(case: Case) -> httpx.Response:
    event = await case.api().get(case.of("adverse-events"))
    version = event.json()["version"]
    body = {"is_dlt": False, "adverse_event_version": version, "rationale": "Looked again."}
    return await case.api().post(f"{case.of('adverse-events')}/dlt-adjudications", json=body)


async def _upload(case: Case) -> httpx.Response:
    row = f"{case.treated['number']},PLT,98,10*9/L,{at(FIRST_INFUSION, 7).isoformat()},A-9"
    return await case.api(COORDINATOR).post(
        f"{BASE}/lis/csv",
        content=f"{CSV_HEADER}\n{row}\n",
        headers={"Content-Type": "text/csv"},
    )


async def _release(case: Case) -> httpx.Response:
    item, *_ = await waiting(case.api, reason="casebook_locked")
    return await resolve(case.api, item, action="retry")


Request = Callable[[Case], Awaitable[httpx.Response]]

# Each by the id of its operation; a last one may end what others need.
REQUESTS: dict[str, Request] = {
    "record_labs": lambda case: _create(case, "labs"),
    "correct_lab": _correct,
    "upload_csv": _upload,
    "resolve_inbox_item": _release,
    "change_subject": lambda case: _change(case, f"/subjects/{case.treated['id']}", weight_kg=61),
    "check_product_bag": _check,
    "change_product_bag": lambda case: _change(
        case, case.of("product-bags"), Role.CELL_LABORATORY, status="discarded"
    ),
    "attest_criterion": _attest,
    "enrol_subject": lambda case: enrol(case.api, case.candidate),
    "create_adverse_event": lambda case: _create(case, "adverse-events"),
    "change_adverse_event": lambda case: _change(case, case.of("adverse-events"), grade=4),
    "adjudicate_dlt": _adjudicate,
    "create_transfusion": lambda case: _create(case, "transfusions"),
    "change_transfusion": lambda case: _change(case, case.of("transfusions"), units=2),
    "create_concomitant_medication": lambda case: _create(case, "concomitant-medications"),
    "change_concomitant_medication": lambda case: _change(
        case, case.of("concomitant-medications"), indication="Neutropenia."
    ),
    "create_assessment": lambda case: _create(case, "assessments"),
    "change_assessment": lambda case: _change(case, case.of("assessments"), content={"score": 2}),
    "prescribe_infusion": _prescribe,
    "change_infusion": lambda case: _change(
        case, f"/subjects/{case.treated['id']}/infusions/1", COORDINATOR, note="Looked at again."
    ),
    "change_disposition": lambda case: _change(
        case,
        f"/subjects/{case.leaver['id']}/disposition/"
        + case.records[f"subjects/{case.leaver['id']}/disposition"],
        event_date="2026-06-02",
    ),
    "record_disposition": _leave,
}
