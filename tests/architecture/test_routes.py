"""The shape of the API: nothing is open by accident, everything says what it is."""

import json
import re
from pathlib import Path

from app.core.config import Settings
from app.main import create_app

ROOT = Path(__file__).resolve().parents[2]
# The token endpoint takes its credentials in the body.
OPEN = {"/livez", "/readyz", "/api/v1/fhir/metadata", "/api/v1/lis/token"}
# Reached before any study is known, so no grant of a study can be asked for.
ANY_CALLER = {
    ("/metrics", "get"),
    ("/api/v1/studies", "get"),
    ("/api/v1/studies", "post"),
    ("/api/v1/audit/checkpoints", "get"),
    ("/api/v1/audit/verification", "get"),
    ("/api/v1/audit/verifier", "get"),
}
# Here the study follows from who is calling: a machine's from its credentials, a person's from the
# roles.
STUDY_OF_THE_CALLER = ("/api/v1/lis/", "/api/v1/fhir")

APP = create_app(Settings(), None, None, None)
DOCUMENT = APP.openapi()
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_only_health_and_capabilities_are_open():
    """Every operation but these needs credentials in its header."""
    unguarded = {path for path, _, operation in OPERATIONS if not operation.get("security")}
    assert unguarded == OPEN


def test_every_operation_of_a_study_asks_for_a_right():
    """An operation below a study answers 403 when the role matrix does not allow it."""
    for path, method, operation in OPERATIONS:
        if path not in OPEN and (path, method) not in ANY_CALLER:
            assert path.startswith(("/api/v1/studies/{study}", *STUDY_OF_THE_CALLER)), path
            assert "403" in operation["responses"], (path, method)


def test_every_operation_says_what_it_is():
    """Each has a summary, a description and an id of its own."""
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    for path, method, operation in OPERATIONS:
        assert operation.get("summary"), (path, method)
        assert operation.get("description"), (path, method)


def test_every_change_asks_for_the_version_that_was_read():
    """Each PATCH and DELETE documents If-Match and the answers 412 and 428."""
    for path, method, operation in OPERATIONS:
        if method in ("patch", "delete"):
            assert {"412", "428"} <= set(operation["responses"]), (path, method)


def test_no_address_has_two_descriptions():
    """Two paths that differ in the names of their parameters only would be one address."""
    addresses = [re.sub(r"{\w+}", "{}", path) for path in DOCUMENT["paths"]]
    assert len(addresses) == len(set(addresses))


def test_every_machine_can_be_slowed_down():
    """What takes a key answers 429 with Retry-After, and 401 with the ways to authenticate."""
    for path, method, operation in OPERATIONS:
        if {"HTTPBasic": []} in operation.get("security", ()):
            assert "Retry-After" in operation["responses"]["429"]["headers"], (path, method)
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"], (path, method)


def test_the_facade_answers_fhir_only():
    """Whatever is answered below /fhir is a resource: a refusal is an OperationOutcome."""
    for path, method, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            if path.startswith("/api/v1/fhir") and status != "304":
                (content,) = answer["content"].items()
                assert content[0] == "application/fhir+json", (path, method, status)
                if int(status) >= 400:
                    outcome = {"$ref": "#/components/schemas/FhirOperationOutcome"}
                    assert content[1]["schema"] == outcome, (path, method, status)


def test_the_committed_document_is_current():
    """openapi/openapi.json is what the application serves; `make openapi` writes it."""
    committed = json.loads((ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(DOCUMENT)), "run: make openapi"
