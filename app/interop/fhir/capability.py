"""The CapabilityStatement: what the façade offers, for clients that ask before they act."""

from __future__ import annotations

from typing import Any

from app.interop.fhir.primitives import Resource, present
from app.interop.fhir.searching import (
    EVENT_PARAMETERS,
    OBSERVATION_PARAMETERS,
    PATIENT_PARAMETERS,
    STUDY_PARAMETERS,
    SUBJECT_PARAMETERS,
)
from app.interop.fhir.terms import FHIR_VERSION

# When what is offered changed last.
_PUBLISHED = "2026-11-23"
_TYPES = {
    "_id": "token",
    "_lastUpdated": "date",
    "identifier": "token",
    "subject": "reference",
    "patient": "reference",
    "individual": "reference",
    "study": "reference",
    "code": "token",
    "event": "token",
    "status": "token",
    "gender": "token",
    "date": "date",
}
_SECURITY = (
    "People read with an access token of their identity provider (Bearer). Laboratory systems send"
    " with an access token or an API key (Bearer, or the password of Basic)."
)

_OBSERVATION = (
    "A sender puts under ids of its own; the service gives each result an id, which Location names"
    " and under which it is read. An id or identifier of the sender's own is not searched for."
    " Search is by GET. A put under a known id that names another patient, analyte or specimen is"
    " refused until the earlier result is entered-in-error."
)


def capability_statement(base: str, version: str) -> Resource:
    """Return the CapabilityStatement of the façade at an address."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _PUBLISHED,
        "kind": "instance",
        "software": {"name": "MSC-ICAHT", "version": version},
        "implementation": {"description": "Trial NCT07212335 and its studies", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": _SECURITY},
                "resource": _resources(),
                "interaction": [{"code": "batch"}, {"code": "transaction"}],
                "operation": [
                    {
                        "name": "process-message",
                        "definition": (
                            "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"
                        ),
                    }
                ],
            }
        ],
    }


def _resources() -> list[dict[str, Any]]:
    return [
        _resource("Observation", OBSERVATION_PARAMETERS, "create", "update")
        | {"conditionalCreate": True, "updateCreate": True, "documentation": _OBSERVATION},
        {
            "type": "DiagnosticReport",
            "interaction": [{"code": "create"}],
            "documentation": "Its results are stored as Observations, not the report itself.",
        },
        _resource("Patient", PATIENT_PARAMETERS),
        _resource("ResearchStudy", STUDY_PARAMETERS),
        _resource("ResearchSubject", SUBJECT_PARAMETERS),
        _resource("AdverseEvent", EVENT_PARAMETERS),
    ]


def _resource(name: str, parameters: frozenset[str], *writing: str) -> dict[str, Any]:
    shown = {"_id", "_lastUpdated", "study", *parameters}
    return present(
        type=name,
        interaction=[{"code": code} for code in ("read", "search-type", *writing)],
        versioning="versioned",
        searchParam=[{"name": each, "type": _TYPES[each]} for each in sorted(shown)],
    )
