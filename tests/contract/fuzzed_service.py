"""A service with records of every kind, to send generated requests to."""

from __future__ import annotations

import json
import re
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
                    self.known.ids[table.name] = list(rows)
                    self.known.references |= {
                        id_: {name: str(value) for name, value in row.items() if value}
                        for id_, row in rows.items()
                    }
        # The sender that the machine speaks for stays open and as it is.
        self.known.ids["sender"] = self.known.ids["sender"][1:]
        kinds = ("subject", "adverse_event", "lab_result")
        some = [id_ for kind in kinds for id_ in self.known.ids[kind][:4]]
        self.known.ids["resource"] = [*some, STUDY]
        self.known.definition = (await self.api().get("/protocol")).json()["definition"]

    async def send_examples(self) -> None:
        """Send the examples of every POST about real records, in the first role that may."""
        aim = Aim(self.known, self.document, Random(0))
        for path, operations in self.document["paths"].items():
            operation = operations.get("post", {})
            for kind, body in bodies(operation).items():
                for example in examples_of(self.document, body):
                    sent = example if isinstance(example, str) else aim.value("", example)
                    await self.send_example(
                        "http://test" + self.address(path, operation), kind, sent
                    )
                    await self.learn()

    async def send_example(self, url: str, kind: str, example: Any) -> None:
        """Send an example, in the first role that may."""
        content = example if isinstance(example, str) else json.dumps(example)
        for role in ROLES:
            answer = await self.api(role).post(url, content=content, headers={"Content-Type": kind})
            if answer.status_code != 403:
                break

    def address(self, path: str, operation: Mapping[str, Any]) -> str:
        """Return a path with the first known id or documented example for each parameter."""
        examples = {
            each["name"]: each["schema"].get("examples") for each in operation["parameters"]
        }
        return re.sub(
            r"\{(\w+)\}", lambda m: str((examples[m[1]] or self.known.ids_for(m[1]))[0]), path
        )


async def populate(service: FuzzedService, clock: TestClock) -> None:
    """Run the trial up to an expanded cohort, and send the examples of the document."""
    api = service.api
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
    exit_ = {"event": "screen_failed", "event_date": today.isoformat(), "reason": "Too old."}
    created(await api().post(f"/subjects/{leaver['id']}/disposition", json=exit_))
    await fill_inbox(api)
    clock.advance(days=8)
    await service.learn()
    await service.send_examples()


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
