"""The OpenAPI document shows what to send: examples that fit, and a word on every parameter."""

import jsonschema
import pytest

from app.main import openapi_document
from tests.contract.aimed_requests import body_schema, examples_of

DOCUMENT = openapi_document()
OPERATIONS = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}
WITH_BODY = [name for name, operation in OPERATIONS.items() if "requestBody" in operation]


@pytest.mark.parametrize("name", WITH_BODY)
def test_every_body_has_an_example_that_fits(name):
    """A body is shown with at least one example, and its own schema accepts each of them."""
    schema = body_schema(OPERATIONS[name])
    examples = examples_of(DOCUMENT, schema)
    assert examples
    whole = {**schema, "components": DOCUMENT["components"]}
    for example in examples:
        jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(
            example
        )


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
