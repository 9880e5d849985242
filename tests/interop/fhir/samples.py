"""FHIR resources as laboratory systems send them, with invented patients."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from app.core.serialization import to_json

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
MRN = "urn:oid:2.16.156.10011.1"
NUMBERS = "urn:msc-icaht:subject-number:NCT07212335"


def exact(document: Any) -> Any:
    """Return a document as it is read from JSON, with exact decimals."""
    return json.loads(to_json(document), parse_float=Decimal)


def concept(code: str, system: str = LOINC, **more: Any) -> dict[str, Any]:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code} | more]}


def quantity(value: Any, unit: str = "10*9/L", **more: Any) -> dict[str, Any]:
    """Return a Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | more


def neutrophils(**changes: Any) -> dict[str, Any]:
    """Return an Observation of S-001's neutrophils: 1.20 x 10*9/L; None takes an element away."""
    whole = {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:lab", "value": "R-1"}],
        "status": "final",
        "code": concept("751-8"),
        "subject": {"reference": "Patient/S-001"},
        "effectiveDateTime": "2026-05-20T09:00:00+08:00",
        "issued": "2026-05-20T11:00:00+08:00",
        "valueQuantity": quantity(Decimal("1.20")),
        "specimen": {"identifier": {"value": "A-77"}},
        "referenceRange": [{"low": quantity(Decimal("1.8")), "high": quantity(Decimal("6.3"))}],
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def platelets(**changes: Any) -> dict[str, Any]:
    """Return an Observation of S-001's platelets."""
    other = {
        "identifier": [{"system": "urn:lab", "value": "R-2"}],
        "code": concept("777-3"),
        "valueQuantity": quantity(45),
        "referenceRange": None,
    }
    return neutrophils(**(other | changes))


def patient(id_: str = "p1", number: str = "MRN-77", **changes: Any) -> dict[str, Any]:
    """Return a Patient that a hospital knows by a number."""
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"type": concept("MR", "v2-0203"), "system": MRN, "value": number}],
        "name": [{"family": "Invented", "given": ["Name"]}],
    } | changes


def entry(resource: dict[str, Any], method: str = "POST", **changes: Any) -> dict[str, Any]:
    """Return an entry of a batch or transaction."""
    url = resource["resourceType"]
    if method == "PUT":
        url = f"{url}/{resource['id']}"
    return {"resource": resource, "request": {"method": method, "url": url}} | changes


def bundle(*entries: dict[str, Any], type_: str = "batch", **more: Any) -> dict[str, Any]:
    """Return a Bundle."""
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries)} | more


def message(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a message Bundle with its header."""
    header = {
        "resourceType": "MessageHeader",
        "id": "m-1",
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": "urn:lab"},
    }
    entries = ({"resource": resource} for resource in (header, *resources))
    return bundle(*entries, type_="message", timestamp="2026-05-20T12:00:00+08:00", **more)
