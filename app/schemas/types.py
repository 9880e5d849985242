"""The types of the wire: exact numbers, aware instants, plain dates and bounded text.

Bodies are validated strictly: `true` is not a number, `"1"` is not an integer, a number is not an
instant. Numbers arrive as exact decimals (see app/routers/strict_json.py) and leave as such.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

SIGNIFICANT_DIGITS = 15
DECIMAL_PLACES = 9
EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", re.ASCII)


class Body(BaseModel):
    """A request body: strict, without unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(**fields: Any) -> ConfigDict:
    """Return the configuration of a body that the OpenAPI document shows with these fields."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class View(BaseModel):
    """A response body, read from a row or a conclusion."""

    model_config = ConfigDict(from_attributes=True)


def _number(value: Any) -> Decimal:
    """Take a JSON number as it is written; refuse text, booleans and numbers no reader can keep."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("This must be a JSON number.")
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError("This must be a finite number.")
    _, digits, exponent = number.normalize().as_tuple()
    places = -int(exponent) if int(exponent) < 0 else 0
    whole = len(digits) + int(exponent)
    if len(digits) > SIGNIFICANT_DIGITS or places > DECIMAL_PLACES or whole > SIGNIFICANT_DIGITS:
        raise ValueError(
            f"This number has more than {SIGNIFICANT_DIGITS} significant digits"
            f" or {DECIMAL_PLACES} decimal places."
        )
    return number


def json_number(value: Decimal) -> int | float:
    """Write a decimal of at most fifteen significant digits as the JSON number of that value."""
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[
    Decimal,
    BeforeValidator(_number),
    PlainSerializer(json_number, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
PositiveNumber = Annotated[
    Number, Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]
NonNegativeNumber = Annotated[Number, Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})]


def _text_only(value: Any) -> Any:
    """Let dates and instants come as text only; a number could mean anything."""
    if isinstance(value, (str, date)):
        return value
    raise ValueError("This must be text.")


def _in_range(value: Any) -> Any:
    if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
        raise ValueError(f"This must be between the years {EARLIEST_YEAR} and {LATEST_YEAR}.")
    return value


def _date_text(value: Any) -> Any:
    if isinstance(value, str) and not _DATE.fullmatch(value):
        raise ValueError("This must be a date like 2026-01-31.")
    return _text_only(value)


def _instant_text(value: Any) -> Any:
    if isinstance(value, str) and not _INSTANT.match(value):
        raise ValueError("This must be an instant with an offset like 2026-01-31T08:30:00+08:00.")
    return _text_only(value)


def _to_utc(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError("This instant needs an offset, like +08:00 or Z.")
    _in_range(value)
    return value.astimezone(UTC)


LAX = Strict(False)
Id = Annotated[UUID, LAX]
StudyDate = Annotated[date, LAX, BeforeValidator(_date_text), AfterValidator(_in_range)]
Instant = Annotated[datetime, LAX, BeforeValidator(_instant_text), AfterValidator(_to_utc)]


def _printable(value: str) -> str:
    if not value.strip():
        raise ValueError("This must not be blank.")
    if _CONTROL.search(value):
        raise ValueError("This must not hold control characters.")
    return value


Name = Annotated[str, StringConstraints(max_length=200, min_length=1), AfterValidator(_printable)]
Code = Annotated[str, StringConstraints(max_length=100, min_length=1), AfterValidator(_printable)]
LongText = Annotated[
    str, StringConstraints(max_length=4000, min_length=1), AfterValidator(_printable)
]
Rationale = Annotated[
    LongText, Field(description="Why, in a sentence that an inspector understands.")
]


class Change(Body):
    """A body that changes existing data; it always says why."""

    reason: Rationale


def never_empty(value: Any) -> Any:
    """Refuse null in a change, for a field that a record always has."""
    if value is None:
        raise ValueError("This cannot be emptied; leave the field out to keep it.")
    return value
