"""The header of a message (MSH): what decides whether it is taken, and what its answer echoes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.decoding import Decoded, decode
from app.interop.hl7v2.framing import header_line
from app.interop.hl7v2.notation import is_mark

_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})*")
_STRUCTURE = re.compile(r"[A-Z]{3}_([A-Z][0-9]{2})")


@dataclass(frozen=True, slots=True)
class Header:
    """MSH as it came: `fields` are numbered as in HL7, undecoded escapes and all.

    It needs no separator but MSH-1, so that even a message that cannot be split gets its answer.
    """

    fields: tuple[str, ...]
    charset: str

    def field(self, number: int) -> str:
        """Give a field as it came; an absent one is empty."""
        return self.fields[number] if number < len(self.fields) else ""

    def component(self, field: int, number: int = 1) -> str:
        """Give a component of a field, trimmed."""
        components = self.field(field).split(self.separator)
        return components[number - 1].strip() if number <= len(components) else ""

    @property
    def separator(self) -> str:
        """The component separator, `^` where MSH-2 gives none."""
        return self.field(2)[:1] or "^"

    @property
    def control_id(self) -> str:
        """MSH-10, exactly."""
        return self.field(10)

    @property
    def message_code(self) -> str:
        """The kind of message, such as ORU."""
        return self.component(9).upper()

    @property
    def trigger(self) -> str:
        """The trigger event, such as R01; taken from the structure (ORU_R01) if it is missing."""
        structure = _STRUCTURE.fullmatch(self.component(9, 3).upper())
        return self.component(9, 2).upper() or (structure[1] if structure else "")

    @property
    def version(self) -> tuple[int, ...]:
        """The version as numbers, empty where it is not one."""
        text = self.component(12)
        return tuple(map(int, text.split("."))) if _VERSION.fullmatch(text) else ()


def read_header(
    raw: bytes, profile: SenderProfile, declared_charset: str | None = None
) -> Header | None:
    """Read the header of the first message in `raw`; None when there is none to echo."""
    return header_in(raw, decode(raw, profile.charset, declared_charset))


def header_in(message: bytes, decoded: Decoded | None) -> Header | None:
    """Read a message's header; byte by byte where the message as a whole cannot be decoded."""
    charset = decoded.charset if decoded else "iso-8859-1"
    return _header_of(header_line(message).decode(charset, errors="replace"), charset)


def _header_of(line: str, charset: str) -> Header | None:
    mark = line[3:4]
    if not is_mark(mark):
        return None
    return Header(("MSH", mark, *line[4:].split(mark)), charset)
