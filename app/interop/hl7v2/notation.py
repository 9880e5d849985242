"""The separators that a message declares for itself, and the escapes that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_NULL = '""'


class UnreadableError(ValueError):
    """The text has a header but cannot be split by it."""


@dataclass(frozen=True, slots=True)
class Notation:
    """The separators of one message and the codec that its hexadecimal escapes are written in.

    Escape character, subcomponent separator and truncation character can be empty: none is used.
    """

    charset: str
    field: str
    component: str
    repetition: str
    escape: str = ""
    subcomponent: str = ""
    truncation: str = ""

    @classmethod
    def of(cls, field: str, marks: str, charset: str) -> Notation:
        """Take MSH-1 and MSH-2; raise `UnreadableError` unless they are 3 to 6 distinct marks."""
        signs = [field, *marks]
        usable = 3 <= len(signs) <= 6 and all(is_mark(sign) for sign in signs)
        if not usable or len(set(signs)) < len(signs):
            raise UnreadableError("MSH-1 and MSH-2 declare no usable separators.")
        return cls(charset, *signs)

    @property
    def marks(self) -> str:
        """MSH-2: all separators but the first."""
        rest = (self.component, self.repetition, self.escape, self.subcomponent, self.truncation)
        return "".join(rest)

    def said(self, text: str) -> str:
        """Give what a part says: unescaped and trimmed, and nothing for the explicit null."""
        trimmed = text.strip()
        return "" if trimmed == _NULL else self.unescape(trimmed).strip()

    def unescape(self, text: str) -> str:
        """Replace the escape sequences; one that is unknown or makes no text stays as it is."""
        if not self.escape or self.escape not in text:
            return text
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", self._unescaped, text)

    def escaped(self, text: str) -> str:
        """Write text so that no separator stands in it; without an escape character, as a blank."""
        signs = (self.escape, self.field, self.component, self.repetition, self.subcomponent)
        written = {
            ord(sign): f"{self.escape}{name}{self.escape}" if self.escape else " "
            for sign, name in zip(signs, "EFSRT", strict=True)
            if sign
        }
        return text.translate(written)

    def _unescaped(self, found: re.Match[str]) -> str:
        meanings = {
            "F": self.field,
            "S": self.component,
            "T": self.subcomponent,
            "R": self.repetition,
            "E": self.escape,
            "P": self.truncation or found[0],
            "H": "",
            "N": "",
            ".br": "\n",
        }
        known = meanings.get(found[1])
        return self._hexadecimal(found) if known is None else known

    def _hexadecimal(self, found: re.Match[str]) -> str:
        digits = _HEX.fullmatch(found[1])
        try:
            text = bytes.fromhex(digits[1]).decode(self.charset) if digits else ""
        except UnicodeDecodeError:
            text = ""
        is_text = text and all(sign in "\t\n\r" or sign >= " " for sign in text)
        return text if is_text else found[0]


def is_mark(sign: str) -> bool:
    """Tell whether a sign can separate: one printable character, no letter, digit or space."""
    return len(sign) == 1 and sign.isprintable() and not (sign.isalnum() or sign.isspace())
