"""A service with records of every kind, to send generated requests to."""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import httpx
import requests
from schemathesis import Case
from sqlalchemy import select

from app.core.database import Database
from app.domain.vocabulary import Role
from app.models import Base
from tests.conftest import STUDY, Api, TestClock
from tests.contract.aimed_requests import AIMED, Aim, Known, bodies, examples_of
from tests.factories.dosing import create_bags, prescribe
from tests.factories.ladder import decide, propose, read_ladder, treat
from tests.factories.messages import local, of, send, undecodable
from tests.factories.people import grant, newcomer
from tests.factories.senders import create_key, create_sender
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrolled_subject,
    screened_subject,
)
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid

# Every operation is allowed to one of these, and all but the open ones are refused to another.
ROLES = [
    Role.PRINCIPAL_INVESTIGATOR,
    Role.STUDY_COORDINATOR,
    Role.CELL_LABORATORY,
    Role.SAFETY_COMMITTEE,
    Role.DATA_MANAGER,
    Role.MONITOR,
    Role.ADMINISTRATOR,
    Role.LABORATORY_SYSTEM,
]

LONGEST_KEY = 200


class FuzzedService:
    """Sends requests to an application that really commits, and knows what is stored there."""

    def __init__(
        self, api: Api, database: Database, document: Mapping[str, Any], loop: AbstractEventLoop
    ) -> None:
        self.api, self.database, self.document, self.loop = api, database, document, loop
        self.known = Known()
        self.staff: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.refused: set[tuple[str, Role]] = set()

    def ask(self, case: Case) -> Iterator[httpx.Response]:
        """Send a case about real records, in a role that is not known to be refused."""
        label = case.operation.label
        self.asked[label] += 1
        if isinstance(case.body, dict) and "digest" in case.body:
            self.known.digest = self.loop.run_until_complete(read_ladder(self.api))["digest"]
        choose = Random(f"{self.asked[label]} {case!r}")
        Aim(self.known, self.document, choose).take(case)
        for role in choose.sample(ROLES, len(ROLES)):
            if (label, role) not in self.refused:
                answer = self.loop.run_until_complete(self.send(self.api(role), case, choose))
                yield answer
                if answer.status_code != 403:
                    break
                # A machine may be refused for the sender that it names.
                if role is not Role.LABORATORY_SYSTEM:
                    self.refused.add((label, role))

    async def send(self, client: httpx.AsyncClient, case: Case, choose: Random) -> httpx.Response:
        """Send a case; most changes name the version that is stored."""
        wire = requests.Request(**case.as_transport_kwargs("http://test")).prepare()
        headers = httpx.Headers(dict(wire.headers))
        if 0 < len(headers.get("idempotency-key", "")) <= LONGEST_KEY and choose.random() < AIMED:
            # The same key for something else would only be refused.
            del headers["idempotency-key"]
        takes = {each.name.lower() for each in case.operation.headers}
        if "if-match" in takes and choose.random() < AIMED:
            read = await client.get(wire.url.replace("/resolution", ""))
            headers["If-Match"] = read.headers.get("etag", '"v1"')
        request = client.build_request(wire.method, wire.url, headers=headers, content=wire.body)
        return await client.send(request)

    async def learn(self) -> None:
        """Read the ids of all records, by table, what they refer to, and the protocol."""
        async with self.database.engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                if "id" in table.c:
                    named = [column for column in table.c if column.name.endswith("_id")]
                    found = await connection.execute(select(table.c.id, *named).order_by("id"))
                    rows = {str(row.id): row._asdict() for row in found}
                    self.known.references |= {
                        id_: {name: str(value) for name, value in row.items() if value}
                        for id_, row in rows.items()
                    }
                    self.known.ids[table.name] = [id_ for id_ in rows if id_ not in self.staff]
        self.known.ids["person"] = self.known.ids["principal"]
        # The sender that the machine speaks for stays open and as it is.
        self.known.ids["sender"] = self.known.ids["sender"][1:]
        kinds = ("subject", "adverse_event", "lab_result")
        some = [id_ for kind in kinds for id_ in self.known.ids[kind][:4]]
        self.known.ids["resource"] = [*some, STUDY]
        self.known.definition = (await self.api().get("/protocol")).json()["definition"]

    async def spare_the_staff(self) -> None:
        """Leave people and grants stored so far as they are: requests go in their name."""
        async with self.database.engine.connect() as connection:
            for table in (Base.metadata.tables["principal"], Base.metadata.tables["role_grant"]):
                self.staff |= {str(id_) for id_ in await connection.scalars(select(table.c.id))}

    async def send_examples(self) -> None:
        """Send the examples of every POST about real records, in the first role that may.

        What is about a record that only another example makes is sent after that one.
        """
        paths = {
            path: item["post"] for path, item in self.document["paths"].items() if "post" in item
        }
        while paths:
            addressed = {path: self.address(path, post) for path, post in paths.items()}
            assert any(addressed.values()), f"Nothing to send these about: {list(paths)}"
            for path, address in addressed.items():
                if address:
                    await self.send_examples_of(address, paths.pop(path))

    async def send_examples_of(self, address: str, post: Mapping[str, Any]) -> None:
        """Send the examples of one POST."""
        aim = Aim(self.known, self.document, Random(0))
        for kind, body in bodies(post).items():
            for example in examples_of(self.document, body):
                sent = example if isinstance(example, str) else aim.value("", example)
                await self.send_example("http://test" + address, kind, sent)
                await self.learn()

    async def send_example(self, url: str, kind: str, example: Any) -> None:
        """Send an example, in the first role that may."""
        content = example if isinstance(example, str) else json.dumps(example)
        for role in ROLES:
            answer = await self.api(role).post(url, content=content, headers={"Content-Type": kind})
            if answer.status_code != 403:
                break

    def address(self, path: str, operation: Mapping[str, Any]) -> str | None:
        """Return a path with the first known id or documented example for each parameter."""
        for each in operation.get("parameters", ()):
            if each["in"] == "path":
                known = each["schema"].get("examples") or self.known.ids_for(each["name"])
                if not known:
                    return None
                path = path.replace(f"{{{each['name']}}}", str(known[0]))
        return path


async def populate(service: FuzzedService, clock: TestClock) -> None:
    """Run the trial up to an expanded cohort, and send the examples of the document."""
    api = service.api
    await service.spare_the_staff()
    await treat(api, clock, FIRST_INFUSION, 3, dlts=1)
    await decide(api, "expand_to_six")
    today = clock.now.date()
    await screened_subject(api, today)
    await eligible_subject(api, today)
    await enrolled_subject(api, today)
    prescribed = await enrolled_subject(api, today)
    await prescribe(api, prescribed["id"], planned_date=today.isoformat())
    await create_bags(api, 4)
    await propose(api, "hold")
    leaver = await screened_subject(api, today)
    await ask_for_redaction(api, prescribed["id"], clock)
    await report_event(api, prescribed["id"], clock)
    exit_ = {"event": "screen_failed", "event_date": today.isoformat(), "reason": "Too old."}
    created(await api().post(f"/subjects/{leaver['id']}/disposition", json=exit_))
    await fill_inbox(api)
    for number in range(3):
        await grant(api, Role.MONITOR, person=newcomer(f"newcomer-{number}"))
    clock.advance(days=8)
    await service.learn()
    await service.send_examples()


async def ask_for_redaction(api: Api, subject_id: str, clock: TestClock) -> None:
    """Ask that a narrative that should not be there goes."""
    event = {
        "subject_id": subject_id,
        "term": "Hypertension",
        "grade": 3,
        "onset_at": clock.now.isoformat(),
        "narrative": "Told by a relative.",
    }
    told = created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=event))
    body = {
        "record_type": "adverse_event",
        "record_id": told["id"],
        "field": "narrative",
        "reason": "It names a relative.",
    }
    created(await api().post("/redactions", json=body))


async def report_event(api: Api, subject_id: str, clock: TestClock) -> None:
    """Record a serious event and that one of its reports was sent."""
    event = {
        "subject_id": subject_id,
        "term": "Hypertension",
        "grade": 4,
        "onset_at": clock.now.isoformat(),
        "aware_at": clock.now.isoformat(),
        "seriousness": ["life_threatening"],
    }
    told = created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=event))
    path = f"/adverse-events/{told['id']}/safety-reports"
    (due, *_) = (await api().get(path)).json()["clocks"]
    sent = {name: due[name] for name in ("jurisdiction", "kind", "counted_from")}
    created(await api().post(path, json=sent | {"sent_at": due["counted_from"]}))


async def fill_inbox(api: Api) -> None:
    """Let one laboratory system send what has to wait, and register another with a key."""
    await create_sender(api)
    other = await create_sender(api, code="LIS-02", subject="another-system")
    await create_key(api, other["id"])
    system = api(Role.LABORATORY_SYSTEM)
    waiting = (local(), local(), obx(unit="G/l"), obx(value="few"), obx(value="-7"))
    for number, result in enumerate(waiting):
        name = f"M-{number}"
        await send(system, message(msh(control_id=name), pid(), obr(name), result))
    await send(system, of("MRN-1", obx(), control_id="M-of-nobody"))
    await send(system, undecodable(obx(), control_id="M-undecodable"))
