"""Requests about records that exist: real ids and documented examples instead of random text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from schemathesis import Case

AIMED, NEAR = 0.9, 0.7  # shares of requests about a real record, and with a nearly good body
# What a slip of the pen puts into a protocol.
ODD = (None, True, "", "x", 0, -1, 1, 2.5, 10_000, -10_000, 10**9, [])
Schema = Mapping[str, Any]


@dataclass
class Known:
    """What is stored: ids by table, what each refers to, the protocol, the ladder's digest."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    def ids_for(self, name: str) -> list[str]:
        """List the ids that a parameter such as `lot_id` or a field such as `bag_ids` can hold."""
        noun = name.removesuffix("s").removesuffix("_id")
        tables = [table for table in self.ids if noun in (table, *table.split("_"))]
        return [id_ for table in tables for id_ in self.ids[table]]


def bodies(operation: Mapping[str, Any]) -> dict[str, Schema]:
    """Return what an operation takes by media type; empty if it takes no body."""
    content: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    return content


def examples_of(document: Mapping[str, Any], body: Schema) -> list[Any]:
    """List the examples of a body of one media type: its own, or those of its schema."""
    named = [example["value"] for example in body.get("examples", {}).values()]
    own = [body["example"]] if "example" in body else named
    return own or _schema_examples(document, body.get("schema", {}))


def _schema_examples(document: Mapping[str, Any], schema: Schema) -> list[Any]:
    """List the examples of a schema, or of those that it refers to."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    own = list(schema.get("examples", ()))
    return own or [
        example
        for option in schema.get("anyOf", ())
        for example in _schema_examples(document, option)
    ]


def is_id(value: object) -> bool:
    """Tell whether a value is the text of a UUID."""
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


@dataclass
class Aim:
    """Turns generated requests to what is stored; what does not fit the schema mostly stays."""

    known: Known
    document: Mapping[str, Any]
    choose: Random

    def take(self, case: Case) -> None:
        """Aim the path, the query and the body of a case."""
        parts = (
            (case.path_parameters, case.operation.path_parameters),
            (case.query, case.operation.query),
        )
        for values, described in parts:
            schemas = {each.name: each.definition["schema"] for each in described}
            for name in values:
                if self.choose.random() < AIMED:
                    values[name] = self.parameter(name, values[name], schemas.get(name, {}))
        for id_ in list(case.path_parameters.values()):
            # Mostly a record is asked for below the one that it belongs to.
            belongs_to = self.known.references.get(str(id_), {})
            case.path_parameters |= {
                name: belongs_to[name] for name in case.path_parameters if name in belongs_to
            }
        if isinstance(case.body, dict):
            taken = bodies(case.operation.definition.raw)
            case.body = self.body(case.body, examples_of(self.document, taken[case.media_type]))

    def parameter(self, name: str, value: Any, schema: Schema) -> Any:
        """Return a value for a parameter under which something may be found."""
        if name == "resource_id" and "examples" not in schema:
            return self.choose.choice(self.known.ids_for(name))
        if schema.get("format") == "uuid" or "examples" not in schema:
            return self.value(name, value)
        if schema["type"] == "integer":
            return self.choose.randint(1, 4)
        return self.choose.choice(schema["examples"])

    def body(self, body: dict[str, Any], examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a body about real records, mostly an example with some fields as generated."""
        if self.choose.random() < NEAR:
            example = self.choose.choice(examples)
            left_out, random = self.some(example), self.some(body)
            body = {name: example[name] for name in example if name not in left_out} | {
                name: body[name] for name in random
            }
        if "resourceType" in body:
            return self.with_slip(body)
        aimed = {name: self.value(name, value) for name, value in body.items()}
        protocol = {"definition": self.with_slip(self.known.definition)}
        return aimed | (protocol if "definition" in body else {})

    def value(self, name: str, value: Any) -> Any:
        """Return a value with real ids, the ladder's digest, and numbers of a usual length."""
        if isinstance(value, dict):
            return {key: self.value(key, part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(name, part) for part in value]
        if isinstance(value, float) and self.choose.random() < AIMED:
            return round(math.fmod(value, 1000), self.choose.choice([0, 1, 3]))
        if name == "digest":
            return self.known.digest
        return self.choose.choice(self.known.ids_for(name) or [value]) if is_id(value) else value

    def with_slip(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document, such as the protocol in force, with one value changed."""
        changed = deepcopy(document)
        place: Any = changed
        while True:
            key = self.choose.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not (isinstance(place[key], (dict, list)) and place[key]):
                break
            place = place[key]
        place[key] = self.choose.choice([place[key], *ODD])
        return changed

    def some(self, fields: Mapping[str, Any]) -> list[str]:
        """Choose up to two fields, often none."""
        number = self.choose.choice([0, 0, 1, 2])
        return self.choose.sample(sorted(fields), min(number, len(fields)))
