"""A service with records of every kind, to send generated requests to."""

from __future__ import annotations

import re
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import httpx
import requests
from schemathesis import Case
from sqlalchemy import text

from app.core.database import Database
from app.domain.vocabulary import Role
from app.models import Base
from tests.conftest import Api, TestClock
from tests.contract.aimed_requests import AIMED, Aim, Known, body_schema, examples_of
from tests.factories.dosing import create_bags, prescribe
from tests.factories.ladder import decide, propose, read_ladder, treat
from tests.factories.subjects import (
    FIRST_INFUSION,
    eligible_subject,
    enrolled_subject,
    screened_subject,
)

# Every operation is allowed to one of these, and all but the open ones are refused to another.
ROLES = [
    Role.PRINCIPAL_INVESTIGATOR,
    Role.STUDY_COORDINATOR,
    Role.CELL_LABORATORY,
    Role.SAFETY_COMMITTEE,
    Role.DATA_MANAGER,
    Role.ADMINISTRATOR,
]


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
                self.refused.add((label, role))

    async def send(self, client: httpx.AsyncClient, case: Case, choose: Random) -> httpx.Response:
        """Send a case; most changes name the version that is stored."""
        wire = requests.Request(**case.as_transport_kwargs("http://test")).prepare()
        headers = dict(wire.headers)
        if case.method == "PATCH" and choose.random() < AIMED:
            read = await client.get(wire.url)
            headers["If-Match"] = read.headers.get("etag", '"v1"')
        request = client.build_request(wire.method, wire.url, headers=headers, content=wire.body)
        return await client.send(request)

    async def learn(self) -> None:
        """Read the ids of all records, by table, and the protocol."""
        async with self.database.engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                if "id" in table.c:
                    found = await connection.scalars(text(f"SELECT id FROM {table} ORDER BY id"))
                    self.known.ids[table.name] = [str(id_) for id_ in found]
        self.known.definition = (await self.api().get("/protocol")).json()["definition"]

    async def send_examples(self) -> None:
        """Send the examples of every POST about real records, in the first role that may."""
        aim = Aim(self.known, self.document, Random(0))
        for path, operations in self.document["paths"].items():
            operation = operations.get("post", {})
            for example in examples_of(self.document, body_schema(operation)):
                url = "http://test" + self.address(path, operation)
                for role in ROLES:
                    answer = await self.api(role).post(url, json=aim.value("", example))
                    if answer.status_code != 403:
                        break
                await self.learn()

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
    clock.advance(days=8)
    await service.learn()
    await service.send_examples()
