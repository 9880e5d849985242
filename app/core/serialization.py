"""JSON with exact decimals, for JSONB columns and for digests of evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID


def to_json(value: Any) -> str:
    """Write canonical JSON: sorted keys, no white space, decimals digit for digit.

    The standard encoder writes decimals through binary floats; this one does not.
    Accepts facts and conclusions as they are: dataclasses, enums, dates, decimals, ids.
    """
    return _write(value, sorted)


def to_readable_json(value: Any) -> str:
    """Write the same JSON with keys in the order they are declared in, for people to read."""
    return _write(value, list)


_Order = Callable[[Iterable[tuple[str, str]]], list[tuple[str, str]]]
_WORDS = {None: "null", True: "true", False: "false"}


def _write(value: Any, order: _Order) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if is_dataclass(kind):
        items = ((name, _write(getattr(value, name), order)) for name in _names(kind))
        return "{" + ",".join(f'"{name}":{item}' for name, item in order(items)) + "}"
    if isinstance(value, Mapping):
        items = ((_key(key), _write(item, order)) for key, item in value.items())
        return (
            "{" + ",".join(f"{encode_basestring(key)}:{item}" for key, item in order(items)) + "}"
        )
    if isinstance(value, Set):
        return "[" + ",".join(sorted(_write(item, order) for item in value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([_write(item, order) for item in value]) + "]"
    return _scalar(value)


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Name the fields of a dataclass; a Python name needs no escape."""
    return tuple(field.name for field in fields(kind))


def _scalar(value: Any) -> str:
    if value is None or value is True or value is False:
        return _WORDS[value]
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, (datetime, date)):
        return encode_basestring(value.isoformat())
    if isinstance(value, UUID):
        return encode_basestring(str(value))
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _key(key: Any) -> str:
    return str(key.value if isinstance(key, Enum) else key)


def decimal_text(value: Decimal) -> str:
    """Return the shortest plain notation of a finite decimal: 1E+3 is 1000, 0.10 is 0.1."""
    if not value.is_finite():
        raise ValueError("only finite numbers can be written")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def from_json(text: str | bytes) -> Any:
    """Read JSON with every fraction as an exact decimal."""
    return json.loads(text, parse_float=Decimal)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()
