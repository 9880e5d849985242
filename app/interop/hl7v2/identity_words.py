"""The words of a message that say who its patient is, found without reading the message."""

from __future__ import annotations

import re

# A line of the patient or of the next of kin, with the mark between its fields.
_LINE = re.compile(rb"(?:\A|[\r\n])\s*(PID|NK1|GT1|IN1)([^\w\s])([^\r\n]*)")
_PARTS = re.compile(r"[~^&\\|]")
# PID-2 to 5, 6, 7, 9, 13, 14, 18 to 20: identifiers, names, birth date, telephones and papers.
_OF_PATIENT = (2, 3, 4, 5, 6, 7, 9, 13, 14, 18, 19, 20)
_OF_OTHERS = (2, 3, 4, 5, 16, 36, 49)
# Of an identifier the other components tell who gave it, and of what type it is.
_NUMBERS = {2, 3, 4, 18, 20}
_SHORTEST = 2


def identity_words(raw: bytes, charset: str) -> frozenset[str]:
    """Return names, numbers, birth date and telephones of PID, NK1, GT1 and IN1, as they came."""
    found: set[str] = set()
    for name, mark, rest in _LINE.findall(raw):
        fields = rest.split(mark)
        wanted = _OF_PATIENT if name == b"PID" else _OF_OTHERS
        for number in wanted:
            if number <= len(fields):
                text = fields[number - 1].decode(charset, errors="replace")
                found.update(_words(text, name == b"PID" and number in _NUMBERS))
    return frozenset(found)


def _words(field: str, is_number: bool) -> set[str]:
    parts: list[str] = []
    for repetition in field.split("~"):
        components = _PARTS.split(repetition)
        parts += components[:1] if is_number else components
    return {part.strip() for part in parts if len(part.strip()) >= _SHORTEST}
