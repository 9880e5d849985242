"""Submissions to the FHIR façade as documentation shows them; patients and numbers are invented."""

from __future__ import annotations

from typing import Any

from app.interop.fhir.terms import LOINC, TERMINOLOGY, UCUM

Resource = dict[str, Any]
# The id under which an example is put.
CLIENT_ID = "2606010002-777-3"
_COUNT = "10*9/L"


def _count(value: float) -> Resource:
    return {"value": value, "unit": _COUNT, "system": UCUM, "code": _COUNT}


def _observation(loinc: str, shown: str, accession: str, value: float, low: float) -> Resource:
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:oid:2.999.1", "value": f"{accession}-{loinc}"}],
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": loinc, "display": shown}]},
        "subject": {"reference": "Patient/S-001"},
        "specimen": {"identifier": {"value": accession}},
        "effectiveDateTime": "2026-06-01T07:30:00+08:00",
        "issued": "2026-06-01T08:45:00+08:00",
        "valueQuantity": _count(value),
        "referenceRange": [{"low": _count(low)}],
    }


def _entries(*resources: Resource) -> list[Resource]:
    return [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
        for each in resources
    ]


_NEUTROPHILS = ("751-8", "Neutrophils")
_PLATELETS = ("777-3", "Platelets")

OBSERVATION = {"neutrophils": _observation(*_NEUTROPHILS, "2606010003", 1.2, 1.8)}
PUT_OBSERVATION = {
    "platelets": {"id": CLIENT_ID} | _observation(*_PLATELETS, "2606010002", 98, 125)
}
REPORT = {
    "blood count": {
        "resourceType": "DiagnosticReport",
        "contained": [
            {"id": "anc"} | _observation(*_NEUTROPHILS, "2606010004", 0.9, 1.8),
            {"id": "plt"} | _observation(*_PLATELETS, "2606010004", 45, 125),
        ],
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "58410-2", "display": "CBC panel"}]},
        "subject": {"reference": "Patient/S-001"},
        "effectiveDateTime": "2026-06-01T07:30:00+08:00",
        "result": [{"reference": "#anc"}, {"reference": "#plt"}],
    }
}
MESSAGE = {
    "message": {
        "resourceType": "Bundle",
        "type": "message",
        "identifier": {"system": "urn:oid:2.999.1", "value": "MSG-0007"},
        "timestamp": "2026-06-01T08:46:00+08:00",
        "entry": [
            {
                "resource": {
                    "resourceType": "MessageHeader",
                    "id": "m7",
                    "eventCoding": {"system": f"{TERMINOLOGY}/v2-0003", "code": "R01"},
                    "source": {"endpoint": "urn:oid:2.999.1"},
                }
            },
            {"resource": _observation(*_PLATELETS, "2606010007", 41, 125)},
        ],
    }
}
BUNDLES = {
    "batch": {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": _entries(
            _observation(*_NEUTROPHILS, "2606010005", 1.1, 1.8),
            _observation(*_PLATELETS, "2606010005", 102, 125),
        ),
    },
    "transaction": {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": _entries(_observation(*_NEUTROPHILS, "2606010006", 1.4, 1.8)),
    },
} | MESSAGE
