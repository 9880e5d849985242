"""Splits decoded text into segments and gives their fields, repetitions and components."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.interop.hl7v2.notation import Notation, UnreadableError
from app.interop.hl7v2.segment_names import is_segment_name

_LINE_ENDS = re.compile(r"[\r\n\x0b\x1c]+")
_MANGLED = re.compile(r"(?:\s*\S){0,6}\s*")  # six signs at most, blanks not counted
_BLANK = " \t\ufeff"
_STRUCTURAL = frozenset({"MSH", "PID", "OBR", "OBX", "SPM"})  # mean something without any field
_ENVELOPE = frozenset({"FHS", "BHS", "BTS", "FTS"})
# Of a field that is read, far more than any laboratory says in one; only OBX-5 may be a document.
_MOST_PARTS = 1_000
_LONGEST_FIELD = 65_536


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field, its components as they came; they are numbered from 1."""

    raw: tuple[str, ...]
    notation: Notation

    def components(self) -> tuple[str, ...]:
        """Give all components, unescaped but not trimmed; subcomponents stay together."""
        return tuple(map(self.notation.unescape, self.raw))

    def component(self, number: int) -> str:
        """Give a component, empty if absent; subcomponents stay together."""
        return self.notation.said(self.raw[number - 1]) if number <= len(self.raw) else ""

    def subcomponents(self, number: int) -> tuple[str, ...]:
        """Give the subcomponents of a component, a single empty one if it is absent."""
        mark = self.notation.subcomponent
        if not mark or number > len(self.raw) or mark not in self.raw[number - 1]:
            return (self.component(number),)
        return tuple(map(self.notation.said, self.raw[number - 1].split(mark)))


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `fields` are numbered as in HL7, with the name at 0; absent ones are empty."""

    name: str
    fields: tuple[str, ...]
    notation: Notation

    @classmethod
    def of(cls, line: str, notation: Notation) -> Segment:
        """Split one line; in MSH the first separator is a field of its own."""
        parts = line.split(notation.field)
        if parts[0] == "MSH":
            parts.insert(1, notation.field)
        return cls(parts[0], tuple(parts), notation)

    def raw(self, field: int) -> str:
        """Give a field as it came."""
        return self.fields[field] if field < len(self.fields) else ""

    def whole(self, field: int) -> str:
        """Give a field that is one text, whatever separators occur in it."""
        return self.notation.said(self._bounded(field))

    def repetitions(self, field: int) -> list[Repetition]:
        """Give the repetitions of a field, none when it is empty.

        Raises `UnreadableError` beyond all measure, as `whole` and `part` do.
        """
        text, notation = self._bounded(field), self.notation
        if not text:
            return []
        if text.count(notation.component) + text.count(notation.repetition) > _MOST_PARTS:
            raise UnreadableError("A field has more parts than anybody says.")
        return [
            Repetition(tuple(part.split(notation.component)), notation)
            for part in text.split(notation.repetition)
        ]

    def part(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Give one part of a field's first repetition."""
        repetitions = self.repetitions(field)
        parts = repetitions[0].subcomponents(component) if repetitions else ()
        return parts[subcomponent - 1] if subcomponent <= len(parts) else ""

    def _bounded(self, field: int) -> str:
        """Give a field as it came, unless its length could only be meant to keep us busy."""
        text = self.raw(field)
        if len(text) > _LONGEST_FIELD and (self.name, field) != ("OBX", 5):
            raise UnreadableError("A field is longer than anything in it could be.")
        return text


def count_lines(text: str) -> int:
    """Count the lines of a message before it is split, each of which can be a segment."""
    return 1 + sum(1 for _ in _LINE_ENDS.finditer(text))


@dataclass(frozen=True, slots=True)
class SplitMessage:
    """The segments of one message, MSH first; `continued` says that a line had no segment name."""

    segments: tuple[Segment, ...]
    continued: bool


def split_message(text: str, notation: Notation) -> SplitMessage:
    """Split the text of one message, whatever its line ends.

    A line without a segment name belongs to the line before. What stands outside the message, such
    as a batch's envelope, is left out. Raises `UnreadableError` unless there is one header and
    every name is one of the standard: a patient whose segment is not seen would be taken for the
    one before.
    """
    gathered: list[list[str]] = []
    for line in _LINE_ENDS.split(text):
        bare = line.lstrip(_BLANK)
        name = _segment_name(bare, notation.field)
        if gathered and name in _ENVELOPE:
            break
        if name and (gathered or name == "MSH"):
            gathered.append([bare])
        elif gathered and bare:
            gathered[-1].append(line)
    segments = tuple(Segment.of("\n".join(parts), notation) for parts in gathered)
    if [segment.name for segment in segments].count("MSH") != 1:
        raise UnreadableError("There is not one header.")
    return SplitMessage(segments, any(len(parts) > 1 for parts in gathered))


def _segment_name(line: str, separator: str) -> str:
    """Give the name of the segment that a line holds, empty for a line of text."""
    name, follows, _ = line.partition(separator)
    if is_segment_name(name) and (follows or name in _STRUCTURAL):
        return name
    if follows and _MANGLED.fullmatch(name):
        raise UnreadableError("A line begins like a segment, but not by a name of the standard.")
    return ""
