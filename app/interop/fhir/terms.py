"""Names that both directions share: coding systems, identifiers and extensions of the façade."""

from __future__ import annotations

from app.domain.code_systems import ANALYTE_KEYS

FHIR_VERSION = "4.0.1"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
# Senders name the unit system in several ways; all of them mean UCUM.
UCUM_NAMES = frozenset({UCUM, "UCUM", "urn:oid:2.16.840.1.113883.6.8"})
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
REGISTRY = "https://clinicaltrials.gov"

ANALYTE = ANALYTE_KEYS
CTCAE_TERM = "urn:msc-icaht:ctcae-term"
RESULT = "urn:msc-icaht:laboratory-result"
INFUSION = "urn:msc-icaht:infusion"
INBOX_ITEM = "urn:msc-icaht:inbox-item"
CTCAE_GRADE_EXTENSION = "urn:msc-icaht:extension:ctcae-grade"
ORIGINAL_EXTENSION = "urn:msc-icaht:extension:as-sent"

_SUBJECT_NUMBER = "urn:msc-icaht:subject-number:"


def subject_number_system(study_key: str) -> str:
    """Name the identifier system of a study's subject numbers."""
    return _SUBJECT_NUMBER + study_key


def authority_of(system: str) -> str:
    """Return who gave an identifier; for one of our subject numbers that is the study's key."""
    return system.removeprefix(_SUBJECT_NUMBER)
