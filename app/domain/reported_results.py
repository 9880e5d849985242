"""A result in its sender's words, turned into the canonical unit or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from app.domain.analytes import Analyte, convert, find_analyte, plausible
from app.domain.errors import DomainError, invalid
from app.domain.quantities import Comparator
from app.domain.units import EXACT
from app.domain.vocabulary import Finding, LabStatus

# What is kept exactly: nine decimals in the database, fifteen digits in every JSON reader.
_MOST_DECIMALS, _MOST_DIGITS = 9, 15
_WITHOUT_CONTENT = frozenset({LabStatus.CANCELLED, LabStatus.ENTERED_IN_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedResult:
    """One result as it was reported; `lln` and `uln` are in the unit of the value."""

    analyte: str
    value: Decimal | None = None
    comparator: Comparator | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    finding: Finding | None = None
    status: LabStatus = LabStatus.FINAL
    collected_at: datetime
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalText:
    """A result's numbers and unit letter for letter as they were sent."""

    value: str | None
    unit: str | None
    lln: str | None
    uln: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEntry:
    """One result to record: whose, from which source and specimen, and what it says.

    Without `original` the numbers themselves are written out; without `source` it follows from who
    records the result.
    """

    subject_id: UUID
    source: str | None
    accession: str | None
    result: ReportedResult
    original: OriginalText | None = None


class RecordingOutcome(StrEnum):
    """What became of one reported result."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    INBOX = "inbox"  # too late for the subject's casebook; a person releases it


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalNumbers:
    """A value and its limits in the canonical unit of the analyte, exact; `unit` is that unit."""

    value: Decimal | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None


def write_out(result: ReportedResult) -> OriginalText:
    """Write the numbers of a result as they were sent, with the comparator before the value."""

    def text(number: Decimal | None) -> str | None:
        return None if number is None else f"{number:f}"

    value = text(result.value)
    return OriginalText(
        value=None if value is None else f"{result.comparator or ''}{value}",
        unit=result.unit,
        lln=text(result.lln),
        uln=text(result.uln),
    )


def known_analyte(name: str) -> Analyte:
    """Find an analyte by key or alias; raise invalid `unknown_analyte`."""
    analyte = find_analyte(name)
    if analyte is None:
        raise invalid(
            "unknown_analyte", "This analyte is not in the catalogue; check its key.", "/analyte"
        )
    return analyte


def canonical_numbers(analyte: Analyte, reported: ReportedResult) -> CanonicalNumbers:
    """Convert a reported result; raise invalid, naming the field, for anything doubtful.

    A result that a living person cannot have is refused, because it is most often a slip of the
    unit: hemoglobin of 10.2 g/L, or a range in another unit than the value.
    """
    _check_parts(analyte, reported)
    if reported.value is None:
        return CanonicalNumbers()
    unit = reported.unit or ""
    value = canonical_value(analyte, reported.value, unit, "value")
    lln, uln = canonical_range(analyte, reported.lln, reported.uln, unit)
    return CanonicalNumbers(value=value, unit=analyte.canonical_unit, lln=lln, uln=uln)


def canonical_value(analyte: Analyte, value: Decimal, unit: str, field: str) -> Decimal:
    """Convert one plausible value of an analyte; raise invalid, naming the field."""
    canonical = _exact(analyte, value, unit, field)
    if not plausible(analyte, canonical):
        raise invalid(
            "implausible_value",
            f"No living person has {analyte.key} {_outside(analyte)}; check the number and its"
            " unit.",
            f"/{field}",
        )
    return canonical


@lru_cache(maxsize=4096)  # a laboratory sends the same limits with every result
def canonical_range(
    analyte: Analyte, lln: Decimal | None, uln: Decimal | None, unit: str
) -> tuple[Decimal | None, Decimal | None]:
    """Convert the reference limits; raise invalid when they cannot be the limits of the analyte.

    A lower limit of zero stands for none and is taken for every analyte.
    """
    low = None if lln is None else _exact(analyte, lln, unit, "lln")
    high = None if uln is None else _exact(analyte, uln, unit, "uln")
    if low and not plausible(analyte, low):
        raise _implausible_range(analyte, "lln")
    if high is not None and not (high > 0 and plausible(analyte, high)):
        raise _implausible_range(analyte, "uln")
    if low is not None and high is not None and low > high:
        raise invalid("range_inverted", "The lower limit lies above the upper limit.", "/lln")
    return low, high


def _check_parts(analyte: Analyte, reported: ReportedResult) -> None:
    """Refuse parts that are missing, contradict one another or do not belong to the analyte."""
    if reported.value is None:
        _check_valueless(reported)
    if reported.finding is not None and not analyte.qualitative:
        raise invalid(
            "finding_not_taken", f"{analyte.key} is reported as a number, not a finding.",
            "/finding",
        )  # fmt: skip
    at, reported_at = reported.collected_at, reported.reported_at
    if reported_at is not None and reported_at < at:
        raise invalid(
            "reported_before_collected",
            "The result is reported before its specimen was collected; check both moments.",
            "/reported_at",
        )


def _check_valueless(reported: ReportedResult) -> None:
    """Refuse what only makes sense beside a value, and a result that says nothing."""
    for field in ("comparator", "unit", "lln", "uln"):
        if getattr(reported, field) is not None:
            raise invalid(
                f"{field}_without_value", f"{field} belongs to a value; send the value.",
                f"/{field}",
            )  # fmt: skip
    if reported.finding is None and reported.status not in _WITHOUT_CONTENT:
        raise invalid("content_missing", "A result needs a value or a finding.", "/value")


def _exact(analyte: Analyte, value: Decimal, unit: str, field: str) -> Decimal:
    """Convert without rounding; refuse what could not be kept digit for digit.

    Rounding a value and its limit apart could move a result across a boundary of a grade.
    """
    try:
        canonical = EXACT.normalize(convert(analyte, value, unit))
    except DomainError as error:
        place = "unit" if error.code == "unknown_unit" else field
        raise invalid(error.code, error.message, f"/{place}") from error
    _, digits, exponent = canonical.as_tuple()
    assert isinstance(exponent, int), "a measurable value is finite"
    if -exponent > _MOST_DECIMALS or max(len(digits) + exponent, len(digits)) > _MOST_DIGITS:
        raise invalid(
            "value_too_precise",
            f"This number has more digits in {analyte.canonical_unit} than can be kept exactly;"
            " send it as the laboratory printed it.",
            f"/{field}",
        )
    return canonical


def _outside(analyte: Analyte) -> str:
    low, high = analyte.plausible_low, analyte.plausible_high
    return f"below {low:f} or above {high:f} {analyte.canonical_unit}"


def _implausible_range(analyte: Analyte, field: str) -> DomainError:
    return invalid(
        "implausible_range",
        f"No laboratory has a limit of {analyte.key} {_outside(analyte)}; give the range in the"
        " unit of the value.",
        f"/{field}",
    )
