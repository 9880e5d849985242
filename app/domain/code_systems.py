"""The names under which messages refer to a public coding system."""

from __future__ import annotations

LOINC = frozenset(
    {"LN", "http://loinc.org", "2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.1"}
)
SNOMED_CT = frozenset(
    {"SCT", "http://snomed.info/sct", "2.16.840.1.113883.6.96", "urn:oid:2.16.840.1.113883.6.96"}
)
# Our own: its codes are the keys of the catalogue.
ANALYTE_KEYS = "urn:msc-icaht:analyte"
