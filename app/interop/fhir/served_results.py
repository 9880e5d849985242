"""A laboratory result as an R4 Observation: our value in UCUM, the sender's words beside it."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from app.domain.analytes import ANALYTES, AnalyteCategory
from app.domain.vocabulary import Finding, LabStatus
from app.interop.fhir.primitives import (
    Resource,
    concept,
    extension,
    instant,
    moment,
    present,
    quantity,
)
from app.interop.fhir.terms import ANALYTE, LOINC, ORIGINAL_EXTENSION, RESULT, TERMINOLOGY
from app.models import LabResult

_ANALYTES = {analyte.key: analyte for analyte in ANALYTES}
STATUSES = {
    LabStatus.PRELIMINARY: "preliminary",
    LabStatus.FINAL: "final",
    LabStatus.CORRECTED: "corrected",
    LabStatus.AMENDED: "amended",
    LabStatus.CANCELLED: "cancelled",
    LabStatus.ENTERED_IN_ERROR: "entered-in-error",
}
_CATEGORIES = {AnalyteCategory.VITAL_SIGN: "vital-signs", AnalyteCategory.ECG: "procedure"}
_FINDINGS = {
    Finding.NEGATIVE: concept(f"{TERMINOLOGY}/v3-ObservationInterpretation", "NEG", "Negative"),
    Finding.POSITIVE: concept(f"{TERMINOLOGY}/v3-ObservationInterpretation", "POS", "Positive"),
    Finding.INDETERMINATE: concept(
        f"{TERMINOLOGY}/v3-ObservationInterpretation", "IND", "Indeterminate"
    ),
}
_ABSENT = {LabStatus.CANCELLED: "not-performed", LabStatus.ENTERED_IN_ERROR: "error"}
_ACCESSION = concept(f"{TERMINOLOGY}/v2-0203", "ACSN", "Accession ID")


def observation(row: LabResult, zone: tzinfo, subject: Any) -> Resource:
    """Return one version of a result, with a reference to its subject or without.

    The id is that of the result; its versions count from 1.
    """
    identifiers: list[Resource] = [{"system": RESULT, "value": str(row.result_id)}]
    if row.accession:
        identifiers.append({"type": _ACCESSION, "value": row.accession})
    return {
        "resourceType": "Observation",
        "id": str(row.result_id),
        "meta": {"versionId": str(row.result_version), "lastUpdated": instant(row.recorded_at)},
        **present(extension=_as_sent(row)),
        "identifier": identifiers,
        "status": STATUSES[row.status],
        "category": [concept(f"{TERMINOLOGY}/observation-category", _category(row.analyte))],
        "code": code_of(row.analyte),
        **present(subject=subject),
        "effectiveDateTime": moment(row.collected_at, row.collected_precision, zone),
        **present(issued=instant(row.reported_at)),
        "performer": [{"display": row.source}],
        **_content(row),
        **present(
            specimen={"identifier": {"value": row.accession}} if row.accession else None,
            referenceRange=_reference_range(row),
        ),
    }


def code_of(key: str) -> Resource:
    """Return an analyte as LOINC, where it has a code, and by our own key."""
    analyte = _ANALYTES[key]
    own = {"system": ANALYTE, "code": key, "display": analyte.name}
    loinc = [{"system": LOINC, "code": analyte.loinc}] if analyte.loinc else []
    return {"coding": [*loinc, own], "text": analyte.name}


def analytes_coded(code: str, system: str | None) -> set[str]:
    """Find the analytes that a code means, under a system or under any; no code means all of it."""
    if system and not code:
        return {a.key for a in ANALYTES if system == ANALYTE or (system == LOINC and a.loinc)}
    return {
        analyte.key
        for analyte in ANALYTES
        if (system in (None, LOINC) and code in (analyte.loinc, *analyte.loinc_also))
        or (system in (None, ANALYTE) and code.upper() == analyte.key)
    }


def _category(key: str) -> str:
    return _CATEGORIES.get(_ANALYTES[key].category, "laboratory")


def _content(row: LabResult) -> Resource:
    """Return the value: a number, with the finding as its interpretation, or the finding alone."""
    finding = _FINDINGS[row.finding] if row.finding else None
    if row.value is not None:
        value = quantity(row.value, row.unit, row.comparator)
        return {"valueQuantity": value, **present(interpretation=[finding] if finding else None)}
    if finding:
        return {"valueCodeableConcept": finding}
    return {
        "dataAbsentReason": concept(
            f"{TERMINOLOGY}/data-absent-reason", _ABSENT.get(row.status, "unknown")
        )
    }


def _reference_range(row: LabResult) -> list[Resource]:
    limits = present(
        low=quantity(row.lln, row.unit),
        high=quantity(row.uln, row.unit),
        text=row.original_range,
    )
    return [limits] if limits else []


def _as_sent(row: LabResult) -> list[Resource]:
    """Return the sender's own words, letter for letter."""
    return extension(
        ORIGINAL_EXTENSION,
        {
            "value": row.original_value,
            "unit": row.original_unit,
            "low": row.original_lln,
            "high": row.original_uln,
            "code": row.original_code,
            "flags": row.original_flags,
            "status": row.original_status,
            "collected": row.original_collected,
        },
    )
