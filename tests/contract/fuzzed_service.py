"""A service with records of every kind, and requests about them rather than about nothing."""

from __future__ import annotations

import re
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import httpx
import requests
from schemathesis import Case
from sqlalchemy import text

from app.core.database import Database
from app.domain.vocabulary import Role
from app.models import Base
from tests.conftest import Api, TestClock
from tests.dosing_factories import create_bags, prescribe
from tests.ladder_steps import decide, propose, treat
from tests.trial_subjects import (
    FIRST_INFUSION,
    eligible_subject,
    enrolled_subject,
    screened_subject,
)

# Every operation is allowed to one of these, and to none of them every operation is.
ROLES = [
    Role.PRINCIPAL_INVESTIGATOR,
    Role.STUDY_COORDINATOR,
    Role.CELL_LABORATORY,
    Role.SAFETY_COMMITTEE,
    Role.DATA_MANAGER,
    Role.ADMINISTRATOR,
]
AIMED, NEAR = 0.9, 0.7  # shares of requests about a real record, and with a nearly good body


def body_schema(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an operation's JSON body, empty if it takes none."""
    content = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return schema


def examples_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any]:
    """List the examples of a schema, or of those that it refers to."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    own = list(schema.get("examples", ()))
    return own or [
        example for option in schema.get("anyOf", ()) for example in examples_of(document, option)
    ]


def is_id(value: object) -> bool:
    """Tell whether a value is the text of a UUID."""
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


@dataclass(repr=False)
class FuzzedService:
    """Sends requests to an application, and knows the ids of what is stored there."""

    api: Api
    database: Database
    document: Mapping[str, Any]
    loop: AbstractEventLoop
    ids: dict[str, list[str]] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def _repr_pretty_(self, *_: object) -> None:
        """Keep the contents out of what Hypothesis reports."""

    async def learn_ids(self) -> None:
        """Read the ids of all records, by table."""
        async with self.database.engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                if "id" in table.c:
                    rows = await connection.scalars(text(f"SELECT id FROM {table.name} ORDER BY id"))
                    self.ids[table.name] = [str(id_) for id_ in rows]

    def known(self, name: str) -> list[str]:
        """List the ids that a parameter such as `lot_id` or `bag_ids` can hold."""
        noun = name.removesuffix("s").removesuffix("_id")
        tables = [table for table in self.ids if noun in (table, *table.split("_"))]
        return [id_ for table in tables for id_ in self.ids[table]]

    def ask(self, case: Case) -> Iterator[httpx.Response]:
        """Send a case, aimed at real records, in one role after the other until one may."""
        label = case.operation.label
        self.asked[label] += 1
        choose = Random(f"{self.asked[label]} {case!r}")
        Aim(self, choose).take(case)
        for role in choose.sample(ROLES, len(ROLES)):
            answer = self.loop.run_until_complete(self.send(self.api(role), case, choose))
            yield answer
            if answer.status_code != 403:
                break

    async def send(self, client: httpx.AsyncClient, case: Case, choose: Random) -> httpx.Response:
        """Send a case; most changes name the version that is stored."""
        wire = requests.Request(**case.as_transport_kwargs("http://test")).prepare()
        headers = dict(wire.headers)
        if case.method == "PATCH" and choose.random() < AIMED:
            read = await client.get(wire.url)
            headers["If-Match"] = read.headers.get("etag", '"v1"')
        request = client.build_request(wire.method, wire.url, headers=headers, content=wire.body)
        return await client.send(request)


@dataclass
class Aim:
    """Puts real ids and documented examples in the place of well-formed random values."""

    service: FuzzedService
    choose: Random

    def take(self, case: Case) -> None:
        """Aim the path, the query and the body of a case."""
        schemas = {each.name: each.definition["schema"] for each in case.operation.path_parameters}
        for name, value in case.path_parameters.items():
            if self.choose.random() < AIMED:
                case.path_parameters[name] = self.parameter(name, value, schemas[name])
        for name, value in case.query.items():
            if is_id(value) and self.service.known(name):
                case.query[name] = self.choose.choice(self.service.known(name))
        if isinstance(case.body, dict):
            examples = examples_of(
                self.service.document, body_schema(case.operation.definition.raw)
            )
            if self.choose.random() < NEAR:
                case.body = self.blend(self.choose.choice(examples), case.body)
            self.body(case.body)

    def parameter(self, name: str, value: Any, schema: Mapping[str, Any]) -> Any:
        """Return a value for a path parameter under which something may be found."""
        if is_id(value):
            return self.choose.choice(self.service.known(name))
        fits = isinstance(value, int if schema["type"] == "integer" else str)
        return self.choose.choice(schema["examples"]) if fits and "examples" in schema else value

    def blend(self, example: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Return an example with up to two of its fields as they were generated."""
        names = sorted(body)
        taken = self.choose.sample(names, min(self.choose.randint(0, 2), len(names)))
        blended = deepcopy(dict(example))
        if "definition" in blended:
            blended["definition"] = self.definition()
        return blended | {name: body[name] for name in taken if name != "definition"}

    def definition(self) -> dict[str, Any]:
        """Return the shipped protocol with one value changed."""
        definition = deepcopy(self.service.definition)
        place: Any = definition
        while True:
            key = self.choose.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not (isinstance(place[key], (dict, list)) and place[key]):
                break
            place = place[key]
        place[key] = self.choose.choice([place[key], None, True, "", "x", 0, -1, 1, 2.5, 10**9, []])
        return definition

    def body(self, body: dict[str, Any]) -> None:
        """Put real ids into the fields of a body that hold ids."""
        for name, value in body.items():
            pool = self.service.known(name) if name.endswith(("_id", "_ids")) else []
            if pool and is_id(value):
                body[name] = self.choose.choice(pool)
            elif pool and isinstance(value, list) and value and all(map(is_id, value)):
                body[name] = self.choose.sample(pool, min(len(value), len(pool)))
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict):
                    self.body(part)


async def populate(service: FuzzedService, clock: TestClock) -> None:
    """Run the trial up to an expanded cohort, and send the examples of the document."""
    api = service.api
    await treat(api, clock, FIRST_INFUSION, 3, dlts=1)
    await decide(api, "expand_to_six")
    today = clock.now.date()
    await screened_subject(api, today)
    await eligible_subject(api, today)
    subject = await enrolled_subject(api, today)
    await create_bags(api, 4)
    await prescribe(api, subject["id"], planned_date=today.isoformat())
    await propose(api, "hold")
    service.definition = (await api().get("/protocol")).json()["definition"]
    await service.learn_ids()
    print({k:len(v) for k,v in service.ids.items()})
    for path, operations in service.document["paths"].items():
        for example in examples_of(service.document, body_schema(operations.get("post", {}))):
            await send_example(service, path, operations["post"], deepcopy(example))
            await service.learn_ids()


async def send_example(
    service: FuzzedService, path: str, operation: Mapping[str, Any], body: dict[str, Any]
) -> None:
    """Send one example about real records, in the first role that may."""
    aim = Aim(service, Random(path))
    aim.body(body)
    schemas = {each["name"]: each["schema"] for each in operation.get("parameters", ())}
    where = re.sub(
        r"\{(\w+)\}",
        lambda found: str(
            service.known(found[1])[0]
            if found[1].endswith("_id")
            else schemas[found[1]]["examples"][0]
        ),
        path,
    )
    for role in ROLES:
        answer = await service.api(role).post(f"http://test{where}", json=body)
        if answer.status_code != 403:
            break
    print(path, role.value, answer.status_code, answer.text[:300] if answer.status_code > 299 else "")
