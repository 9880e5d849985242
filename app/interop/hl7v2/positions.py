"""Reads what a sender's profile points at by HL7 position, such as `OBR-2.3` or `SPM-2`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from app.interop.hl7v2.grouping import Observation
from app.interop.hl7v2.segments import Repetition, Segment

_POSITION = re.compile(r"(OBR|OBX|SPM)-([1-9]\d?)(?:\.([1-9]\d?))?(?:\.([1-9]\d?))?")


def first_number(observation: Observation, positions: Iterable[str]) -> str:
    """Give the first identifier of an order or specimen that a position holds."""
    return next(filter(None, (_at(observation, each, number=True) for each in positions)), "")


def first_text(observation: Observation, positions: Iterable[str]) -> str:
    """Give the first text that a position holds: its first component and subcomponent."""
    return next(filter(None, (_at(observation, each, number=False) for each in positions)), "")


def _at(observation: Observation, position: str, *, number: bool) -> str:
    """Read a position; of several specimens only what all of them say alike."""
    name, field, parts = _parsed(position)
    values = {
        _read(segment, field, parts, number=number) for segment in _segments(observation, name)
    }
    return values.pop() if len(values) == 1 else ""


@lru_cache(maxsize=256)
def _parsed(position: str) -> tuple[str, int, tuple[int, ...]]:
    """Give the segment, the field and the parts of it; no segment for what is no position."""
    found = _POSITION.fullmatch(position)
    if found is None:
        return "", 0, ()
    name, field, *parts = found.groups()
    return name, int(field), tuple(int(part) for part in parts if part)


def _segments(observation: Observation, name: str) -> Sequence[Segment]:
    if name == "SPM":
        return observation.specimens
    segment = {"OBX": observation.segment, "OBR": observation.order}.get(name)
    return () if segment is None else (segment,)


def _read(segment: Segment, field: int, parts: Sequence[int], *, number: bool) -> str:
    repetitions = segment.repetitions(field)
    if not repetitions:
        return ""
    if len(parts) == 2 or not number:
        return segment.part(field, *parts)
    if parts:
        return _identifier(repetitions[0].subcomponents(parts[0]))
    return _any_identifier(repetitions[0], paired=segment.name == "SPM")


def _any_identifier(repetition: Repetition, *, paired: bool) -> str:
    """Read an identifier (EI), or in SPM the placer's and the filler's as a pair (EIP)."""
    numbers = [_identifier(repetition.subcomponents(at)) for at in range(1, 5)]
    return next(filter(None, numbers), "") if paired else _identifier(numbers)


def _identifier(parts: Sequence[str]) -> str:
    """Read `number, namespace, universal id, type`.

    Without a number the third part is taken, as in `&&barcode`, but only where it stands alone:
    else it names the laboratory, and every specimen would share one identifier.
    """
    number, namespace, universal, kind = (*parts, "", "", "", "")[:4]
    return number or ("" if namespace or kind else universal)
