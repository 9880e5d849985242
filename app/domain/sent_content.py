"""What a sent result says, checked against what its analyte can have."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.domain.analytes import Analyte
from app.domain.errors import DomainError, invalid
from app.domain.inbound import InboxReason
from app.domain.quantities import Comparator
from app.domain.reported_results import canonical_range, canonical_value
from app.domain.sender_profile import SenderProfile
from app.domain.sent_ranges import SentRange
from app.domain.sent_texts import said
from app.domain.sent_values import SentValue
from app.domain.units import normalize_unit
from app.domain.vocabulary import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a result says, in the sender's numbers; all None when it says nothing."""

    value: Decimal | None = None
    comparator: Comparator | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    finding: Finding | None = None


def read_content(
    analyte: Analyte, value: SentValue, unit: str, limits: SentRange, profile: SenderProfile
) -> Content:
    """Return what a result says about an analyte, such that it can be filed exactly.

    Raises invalid `content_mismatch`, `unknown_unit`, `implausible_value` or `unreadable_value`.
    """
    if value.word is not None:
        return _finding(analyte, value.word.finding)
    if value.number is None:
        return Content()
    known = _known_unit(analyte, unit, profile)
    _check_value(analyte, value.number, known)
    lln, uln = _limits(analyte, limits, known)
    return Content(
        value=value.number, comparator=value.comparator, unit=known or None, lln=lln, uln=uln
    )


def _finding(analyte: Analyte, finding: Finding | None) -> Content:
    if finding is not None and not analyte.qualitative:
        raise invalid(
            InboxReason.CONTENT_MISMATCH,
            f"{analyte.key} is reported as a number, but the result is a finding.",
        )
    return Content(finding=finding)


def _known_unit(analyte: Analyte, text: str, profile: SenderProfile) -> str:
    """Return the catalogue's text of a unit, which is blank for a quantity that has none.

    The sender's own mapping comes before the catalogue.
    """
    if analyte.family is None:
        raise invalid(
            InboxReason.CONTENT_MISMATCH,
            f"{analyte.key} is reported as a finding, but the result is a number.",
        )
    normal = normalize_unit(said(text))
    unit = profile.unit_index.get((analyte.key, normal), normal)
    if analyte.family.find(unit) is None:
        raise invalid(
            InboxReason.UNKNOWN_UNIT,
            f"The unit is missing or unknown for {analyte.key}; map it for this sender to one of:"
            f" {', '.join(analyte.family.accepted)}.",
        )
    return unit


def _check_value(analyte: Analyte, number: Decimal, unit: str) -> None:
    """Refuse a number that no living person has or that could not be kept digit for digit."""
    try:
        canonical_value(analyte, number, unit, "value")
    except DomainError as error:
        implausible = error.code == "implausible_value"
        reason = InboxReason.IMPLAUSIBLE_VALUE if implausible else InboxReason.UNREADABLE_VALUE
        raise invalid(reason, error.message) from error


def _limits(
    analyte: Analyte, limits: SentRange, unit: str
) -> tuple[Decimal | None, Decimal | None]:
    """Return limits that can be those of the analyte in the unit of its value, else none.

    A doubtful range must not keep a sound value from being used: the limits stay as text, and what
    needs them is unknown.
    """
    try:
        canonical_range(analyte, limits.low, limits.high, unit)
    except DomainError:
        return None, None
    return limits.low, limits.high
