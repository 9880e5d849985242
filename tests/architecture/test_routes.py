"""The shape of the API: nothing is open by accident, everything says what it is."""

import json
from pathlib import Path

from app.core.config import Settings
from app.main import create_app

ROOT = Path(__file__).resolve().parents[2]
OPEN = {"/livez", "/readyz"}
# Reached before any study is known, so no grant of a study can be asked for.
ANY_CALLER = {("/metrics", "get"), ("/api/v1/studies", "get"), ("/api/v1/studies", "post")}

APP = create_app(Settings(), None, None)
DOCUMENT = APP.openapi()
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_only_health_is_open():
    """Every operation but livez and readyz needs a token."""
    unguarded = {path for path, _, operation in OPERATIONS if not operation.get("security")}
    assert unguarded == OPEN


def test_every_operation_of_a_study_asks_for_a_right():
    """An operation below a study answers 403 when the role matrix does not allow it."""
    for path, method, operation in OPERATIONS:
        if path not in OPEN and (path, method) not in ANY_CALLER:
            assert path.startswith("/api/v1/studies/{study}"), path
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


def test_the_committed_document_is_current():
    """openapi/openapi.json is what the application serves; `make openapi` writes it."""
    committed = json.loads((ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(DOCUMENT)), "run: make openapi"
