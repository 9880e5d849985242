"""Analytes: find one by key, alias or LOINC code, convert its units exactly, judge plausibility."""

from __future__ import annotations

from decimal import Decimal

from app.domain.analyte_catalogue import ANALYTES, Analyte, AnalyteCategory
from app.domain.errors import DomainError, invalid
from app.domain.units import measurable

__all__ = [
    "ANALYTES",
    "Analyte",
    "AnalyteCategory",
    "convert",
    "find_analyte",
    "find_analyte_by_loinc",
    "plausible",
]

_BY_NAME = {
    name.casefold(): analyte for analyte in ANALYTES for name in (analyte.key, *analyte.aliases)
}
_BY_LOINC = {
    code: analyte
    for analyte in ANALYTES
    for code in (analyte.loinc, *analyte.loinc_also)
    if code is not None
}


def find_analyte(key_or_alias: str) -> Analyte | None:
    """Find an analyte by its key or an alias, whatever the case."""
    return _BY_NAME.get(key_or_alias.strip().casefold())


def find_analyte_by_loinc(code: str) -> Analyte | None:
    """Find the analyte that a LOINC code reports."""
    return _BY_LOINC.get(code)


def convert(analyte: Analyte, value: Decimal, unit: str) -> Decimal:
    """Convert a value, or a reference limit, to the canonical unit, exactly and without rounding.

    A comparator of the value stays as it is, because every conversion is increasing. Raises
    DomainError `unknown_unit` or `value_not_measurable`; no message shows the value.
    """
    conversion = analyte.family.find(unit) if analyte.family else None
    if conversion is None:
        raise _unknown_unit(analyte)
    if not measurable(value):
        raise invalid(
            "value_not_measurable", f"The value of {analyte.key} must be a finite, short number."
        )
    return conversion.apply(value)


def _unknown_unit(analyte: Analyte) -> DomainError:
    if analyte.family is None:
        sentence = f"{analyte.key} is reported as a finding, not as a number with a unit."
    else:
        accepted = ", ".join(analyte.family.accepted)
        sentence = f"This unit is missing or unknown for {analyte.key}; use one of: {accepted}."
    return invalid("unknown_unit", sentence)


def plausible(analyte: Analyte, canonical_value: Decimal) -> bool:
    """Tell whether a living person can have this value; a slip of the unit usually fails here."""
    if analyte.plausible_low is None or analyte.plausible_high is None:
        return False
    return analyte.plausible_low <= canonical_value <= analyte.plausible_high
