"""Reading request bodies: JSON taken literally, or refused with a reason.

The standard reader lets the last of two equal keys win, reads NaN, and turns decimals into binary
floats; a clinical value must not change on the way in.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from app.domain.errors import DomainError, ErrorKind, invalid

MAX_DEPTH = 32
MAX_DIGITS = 40
EXPONENT_DIGITS = 4
# No object of this API has so many fields; judging each one would hold up everybody else.
MAX_MEMBERS = 500
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class MalformedBody(Exception):  # noqa: N818 - not an error of ours: the body is not JSON
    """The body cannot be read at all; the sentence says why."""


class UnsupportedBody(Exception):  # noqa: N818 - not an error of ours: the media type is wrong
    """The body is of a media type that this operation does not read."""


class StrictRequest(Request):
    """A request whose body is read once, literally."""

    async def json(self) -> Any:
        """Parse the body; raise MalformedBody, UnsupportedBody or DomainError."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json

    async def check_body(self) -> None:
        """Read the body ahead of the framework, which would hide why it cannot be read.

        Raises UnsupportedBody unless it calls itself plain, uncompressed JSON.
        """
        if media_type(self) != "application/json":
            raise UnsupportedBody("Send the body as application/json.")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedBody("Send the body without a content encoding.")
        if await self.body():
            await self.json()


def media_type(request: Request) -> str:
    """Return what a body calls itself, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(body: bytes) -> Any:
    """Parse JSON text into values; numbers with a fraction or an exponent become Decimal."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody("The body is not valid UTF-8.") from error
    if text.startswith("\ufeff"):
        raise MalformedBody("The body starts with a byte order mark; send it without.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedBody("The body is not valid JSON.") from error
    _check_depth(value, 0)
    # Without an escape no JSON text holds a character that decoded UTF-8 does not.
    if "\\u" in text:
        _check_texts(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a key twice: nobody knows which one was meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("The body names a key twice in one object; send each key once.")
    if len(found) > MAX_MEMBERS:
        raise MalformedBody(f"An object in the body has more than {MAX_MEMBERS} keys.")
    return found


def _no_constant(_name: str) -> Any:
    raise invalid("not_finite", "NaN and Infinity are not numbers here; send a finite number.")


def _decimal(text: str) -> Decimal:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > EXPONENT_DIGITS:
        raise invalid("number_out_of_range", "A number in the body has too many digits.")
    value = Decimal(text)
    if abs(value.adjusted()) > MAX_DIGITS:
        raise invalid("number_out_of_range", "A number in the body has too many digits.")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise MalformedBody("A number in the body has too many digits.")
    return int(text)


def _check_depth(value: Any, depth: int) -> None:
    """Refuse nesting without end."""
    if not isinstance(value, (dict, list)):
        return
    if depth >= MAX_DEPTH:
        raise MalformedBody(f"The body is nested more than {MAX_DEPTH} levels deep.")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            _check_depth(item, depth + 1)


def _check_texts(value: Any) -> None:
    """Refuse text that no database can keep, in keys and in values."""
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key)
            _check_texts(item)


def check_text(text: str) -> None:
    """Refuse NUL and lone surrogates, which PostgreSQL and UTF-8 cannot hold."""
    if _UNSTORABLE.search(text):
        raise DomainError(
            ErrorKind.INVALID,
            "unstorable_text",
            "A text holds a NUL character or half of a character; send it without.",
        )
