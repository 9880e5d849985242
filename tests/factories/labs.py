"""Bodies of laboratory results, and what a refusal of one says."""

from __future__ import annotations

from typing import Any

import httpx


def neutrophils(
    subject_id: str, collected_at: str = "2026-05-20T01:00:00Z", **changes: Any
) -> dict[str, Any]:
    """Return a neutrophil count of 1.2 in the canonical unit."""
    return {
        "subject_id": subject_id,
        "analyte": "ANC",
        "value": 1.2,
        "unit": "10*9/L",
        "lln": 1.8,
        "uln": 6.3,
        "collected_at": collected_at,
    } | changes


def hemoglobin(subject_id: str, **changes: Any) -> dict[str, Any]:
    """Return a hemoglobin of one specimen, without limits."""
    return {
        "subject_id": subject_id,
        "analyte": "Hb",
        "value": 102,
        "unit": "g/L",
        "collected_at": "2026-05-20T01:00:00Z",
        "accession": "A-77",
    } | changes


def measured(subject_id: str, analyte: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    """Return any numeric result of 20 May."""
    return {
        "subject_id": subject_id,
        "analyte": analyte,
        "value": value,
        "unit": unit,
        "collected_at": "2026-05-20T01:00:00Z",
    } | more


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return the status, the code and the first pointer of a refusal."""
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"]
