"""Reference ranges as messages write them: two limits, one, or only a text.

A limit is never guessed: `男:130-175` or `9-9+` stay text, because an upper limit decides grades.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from app.domain.errors import DomainError
from app.domain.sender_profile import SenderProfile
from app.domain.sent_numbers import LONGEST, read_number
from app.domain.sent_texts import plain, said

_LIMIT = r"[0-9.,]+(?:[eE][+-]?[0-9]{1,3})?"
_BETWEEN = re.compile(rf"(?P<low>{_LIMIT})\s*(?:--?|~|_|&|to|至|到)\s*(?P<high>{_LIMIT})")
_BELOW = re.compile(rf"(?:<=?)\s*(?P<high>{_LIMIT})")
_ABOVE = re.compile(rf"(?:>=?)\s*(?P<low>{_LIMIT})")
_BRACKETS = {"[": "]", "(": ")"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRange:
    """Limits letter for letter as sent and, where they are numbers, read."""

    low_text: str | None = None
    high_text: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None


def read_range(text: str, low: str, high: str, profile: SenderProfile) -> SentRange:
    """Read a range given as one text or, before that, as two limits.

    Without limits that are numbers in order the range holds only what was sent.
    """
    texts = (said(low) or None, said(high) or None)
    if texts == (None, None):
        texts = _split(text)
    numbers = [None if each is None else _limit(each, profile) for each in texts]
    unread = any(
        number is None and each is not None for number, each in zip(numbers, texts, strict=True)
    )
    bottom, top = numbers
    inverted = bottom is not None and top is not None and bottom > top
    if unread or inverted:
        bottom = top = None
    return SentRange(low_text=texts[0], high_text=texts[1], low=bottom, high=top)


def _split(text: str) -> tuple[str | None, str | None]:
    """Split a range into the texts of its limits, both None if it is not plainly a range."""
    stripped = plain(text)
    if len(stripped) > 2 * LONGEST:
        return None, None
    if _BRACKETS.get(stripped[:1], " ") == stripped[-1:]:
        stripped = stripped[1:-1].strip()
    for form in (_BETWEEN, _BELOW, _ABOVE):
        found = form.fullmatch(stripped)
        if found:
            parts = found.groupdict()
            return parts.get("low"), parts.get("high")
    return None, None


def _limit(text: str, profile: SenderProfile) -> Decimal | None:
    try:
        return read_number(plain(text), profile)
    except DomainError:
        return None
