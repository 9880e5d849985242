"""The doors that laboratory systems send through over HTTP, each with a body that is filed."""

from __future__ import annotations

from typing import Any

import httpx

from app.core.serialization import to_json
from app.routers import fhir_examples
from tests.factories.senders import BASE
from tests.interop.hl7v2.samples import generic_cbc

ER7, CSV_TYPE, FHIR_JSON = "application/hl7-v2", "text/csv", "application/fhir+json"
CSV = b"subject,analyte,value,unit,collected_at\nS-001,PLT,98,10*9/L,2026-05-20 08:15\n"
_OWN = f"/fhir/Observation/{fhir_examples.CLIENT_ID}"


def _fhir(examples: dict[str, Any]) -> bytes:
    return to_json(next(iter(examples.values()))).encode()


# Method, path, media type and body.
DOORS = {
    "hl7v2": ("POST", "/lis/hl7v2", ER7, generic_cbc()),
    "validation": ("POST", "/lis/hl7v2/validation", ER7, generic_cbc()),
    "csv": ("POST", "/lis/csv", CSV_TYPE, CSV),
    "observation": ("POST", "/fhir/Observation", FHIR_JSON, _fhir(fhir_examples.OBSERVATION)),
    "put": ("PUT", _OWN, FHIR_JSON, _fhir(fhir_examples.PUT_OBSERVATION)),
    "report": ("POST", "/fhir/DiagnosticReport", FHIR_JSON, _fhir(fhir_examples.REPORT)),
    "bundle": ("POST", "/fhir", FHIR_JSON, _fhir(fhir_examples.BUNDLES)),
    "message": ("POST", "/fhir/$process-message", FHIR_JSON, _fhir(fhir_examples.MESSAGE)),
}


async def knock(client: httpx.AsyncClient, door: str, **changes: Any) -> httpx.Response:
    """Send what a door takes, with changes: content, kind, headers or params."""
    method, path, kind, body = DOORS[door]
    headers = {"Content-Type": changes.get("kind", kind)} | changes.get("headers", {})
    return await client.request(
        method,
        f"{BASE}{path}",
        content=changes.get("content", body),
        headers=headers,
        params=changes.get("params"),
    )
