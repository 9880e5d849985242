"""The OpenAPI document shows what to send: examples that fit, and a word on every parameter."""

import jsonschema
import pytest

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.main import openapi_document
from tests.contract.aimed_requests import bodies, examples_of
from tests.factories.senders import create_sender
from tests.factories.subjects import register

DOCUMENT = openapi_document()
OPERATIONS = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}
BODIES = [
    (name, kind) for name, operation in OPERATIONS.items() for kind in bodies(operation)
]  # fmt: skip
# What laboratory systems send in formats of others, with the place of each example.
SENT = [
    (path, method, kind, place)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if {"HTTPBasic": []} in operation.get("security", ())
    for kind, body in bodies(operation).items()
    for place in range(len(examples_of(DOCUMENT, body)))
]


@pytest.mark.parametrize(("name", "kind"), BODIES)
def test_every_body_has_an_example_that_fits(name, kind):
    """A body is shown with at least one example, and its own schema accepts each of them."""
    body = bodies(OPERATIONS[name])[kind]
    examples = examples_of(DOCUMENT, body)
    assert examples
    whole = {**body["schema"], "components": DOCUMENT["components"]}
    for example in examples:
        jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(
            example
        )


@pytest.mark.parametrize(("path", "method", "kind", "place"), SENT)
async def test_every_example_of_a_laboratory_system_is_filed(api, path, method, kind, place):
    """Sent as it stands, nothing of it waits for a person, and the answer shows no refusal."""
    await register(api)
    await create_sender(api)
    operation = DOCUMENT["paths"][path][method]
    example = examples_of(DOCUMENT, bodies(operation)[kind])[place]
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
    answer = await api(Role.LABORATORY_SYSTEM).request(
        method,
        f"http://test{path}",
        content=example if isinstance(example, str) else to_json(example),
        headers={"Content-Type": kind},
    )
    assert answer.is_success, answer.text
    assert answer.headers["content-type"].partition(";")[0] in kinds_of_answer(operation)
    assert "inbox as" not in answer.text
    assert "urn:msc-icaht:inbox-item" not in answer.text
    rows = (await api().get("/labs")).json()["items"]
    asks_only = operation["operationId"].startswith("validate_")
    assert bool(rows) != asks_only


def kinds_of_answer(operation):
    """Name the media types that an operation is documented to answer a success in."""
    successes = [answer for status, answer in operation["responses"].items() if status < "300"]
    return {kind for answer in successes for kind in answer.get("content", {})}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_is_described(name):
    """Path, query and header parameters say what they are for."""
    for parameter in OPERATIONS[name].get("parameters", ()):
        assert parameter.get("description"), parameter["name"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_parameter_can_be_null(name):
    """A parameter is given or left out; only a body has null."""
    for parameter in OPERATIONS[name].get("parameters", ()):
        assert "null" not in str(parameter["schema"]), parameter["name"]
