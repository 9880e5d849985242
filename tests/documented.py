"""Whether an answer is what the OpenAPI document says it is."""

from typing import Any

import httpx
import jsonschema
from fastapi import FastAPI


def misfits(app: FastAPI, operation_id: str, answer: httpx.Response) -> list[str]:
    """List where an answer of 200 departs from its documented schema."""
    document = app.openapi()
    schema = next(
        operation["responses"]["200"]["content"]["application/json"]["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if operation["operationId"] == operation_id
    )
    whole: dict[str, Any] = schema | {"components": document["components"]}
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error in jsonschema.Draft202012Validator(whole).iter_errors(answer.json())
    ]
