"""Canonical JSON (RFC 8785), so that a digest names the same bytes for everybody who computes it.

Numbers are formatted as RFC 8785 has it (ECMAScript's notation), but from their exact decimal
digits instead of from a binary float. Every number of the API's records has at most fifteen
significant digits, for which the two are the same to the byte; a conclusion with more digits, a
ratio say, keeps all of them here, where RFC 8785 would round it to the nearest double.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.core.serialization import from_json, to_json

# ECMAScript writes a number with more digits before the point, or zeros after it, with an exponent.
_MOST_WHOLE_DIGITS = 21
_MOST_LEADING_ZEROS = 6


def canonical(value: Any) -> str:
    """Return the canonical JSON of a value: plain JSON, or facts and conclusions as they are."""
    return _write(from_json(to_json(value)))


def canonical_digest(text: str) -> str:
    """Return the SHA-256 of canonical JSON in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _write(value: Any) -> str:
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: _utf16(item[0]))
        return "{" + ",".join(f"{_scalar(key)}:{_write(item)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item) for item in value) + "]"
    return _scalar(value)


def _utf16(key: str) -> bytes:
    """Return what RFC 8785 sorts names by."""
    return key.encode("utf-16-be")


def _scalar(value: Any) -> str:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return number_text(Decimal(value))
    return json.dumps(value, ensure_ascii=False)


def number_text(value: Decimal) -> str:
    """Write the exact digits of a finite number in ECMAScript's notation: 4.50 is 4.5."""
    if not value.is_finite():
        raise ValueError("only finite numbers can be written")
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    if not significant:
        return "0"
    point = len(text) + int(exponent)
    return ("-" if sign else "") + _placed(significant, point)


def _placed(digits: str, point: int) -> str:
    """Put the decimal point after that many digits, or use an exponent as ECMAScript does."""
    if -_MOST_LEADING_ZEROS < point <= 0:
        return "0." + "0" * -point + digits
    if 0 < point <= _MOST_WHOLE_DIGITS:
        whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
        return f"{whole}.{fraction}" if fraction else whole
    mantissa = digits[0] + (f".{digits[1:]}" if digits[1:] else "")
    return f"{mantissa}e{point - 1:+d}"
