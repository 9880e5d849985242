"""What a machine's token allows: a scope is a list of operations, and nothing else is allowed.

Beside its scopes a machine needs the grants of its role, as everybody does. There are no wildcards:
an operation that no scope names is for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.core.security import Identity
from app.domain.errors import DomainError, forbidden

LABS_CREATE, LABS_STATUS, METRICS_READ = "labs:create", "labs:status", "metrics:read"
OBSERVATION_CREATE = "system/Observation.c"
REPORT_CREATE = "system/DiagnosticReport.c"
_BUNDLES = frozenset({"process_bundle", "process_message"})
_FAMILIES = ("enrolment", "safety", "efficacy", "laboratory", "operations")
# The pictures on which no subject is shown alone.
_AGGREGATES = ("ladder", "enrolment", "kaplan_meier", "adverse_events")
SCOPES: dict[str, frozenset[str]] = {
    LABS_CREATE: frozenset({"record_labs", "receive_hl7v2", "validate_hl7v2", "upload_csv"}),
    LABS_STATUS: frozenset({"read_submission"}),
    METRICS_READ: frozenset(
        {"metrics", "list_pictures"}
        | {f"read_{family}_metrics" for family in _FAMILIES}
        | {f"read_{name}_{form}" for name in _AGGREGATES for form in ("picture", "specification")}
    ),
    OBSERVATION_CREATE: _BUNDLES | {"create_observation", "put_observation"},
    REPORT_CREATE: _BUNDLES | {"create_diagnostic_report"},
}
_OF_RESOURCES = {"Observation": OBSERVATION_CREATE, "DiagnosticReport": REPORT_CREATE}


def check_operation(identity: Identity | None, operation: str) -> None:
    """Let a machine do what one of its scopes names; raise forbidden `insufficient_scope`.

    A person has no scopes, and neither has a sender that shows an API key: they need the grants.
    """
    if identity is None or identity.scopes is None:
        return
    if not any(operation in SCOPES.get(scope, ()) for scope in identity.scopes):
        raise _insufficient()


def check_entries(identity: Identity | None, resources: Iterable[Any]) -> None:
    """Let a machine send these resources in a bundle; raise forbidden `insufficient_scope`."""
    if identity is None or identity.scopes is None:
        return
    kinds = [each.get("resourceType") for each in resources if isinstance(each, dict)]
    needed = {scope for kind, scope in _OF_RESOURCES.items() if kind in kinds}
    if not needed <= identity.scopes:
        raise _insufficient()


def _insufficient() -> DomainError:
    return forbidden(
        "insufficient_scope",
        "The scopes of this token do not allow this; ask for a token with the scope that does.",
    )
