"""Which patient, order and specimen each result (OBX) of a message belongs to.

The order of the segments decides, not the declared structure, because laboratories mix them: in
ORU^R01 the specimen (SPM) may follow the results, in OUL^R24 it stands between order and results,
and in OUL^R22 it comes before its orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.interop.hl7v2.notation import UnreadableError
from app.interop.hl7v2.segments import Segment

# Of one result; each is looked at for each result.
_MOST_SPECIMENS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One OBX with the segments it belongs to; several specimens where nothing tells which."""

    segment: Segment
    patient: Segment | None
    order: Segment | None
    specimens: tuple[Segment, ...]


def observations(segments: Iterable[Segment]) -> list[Observation]:
    """Give every OBX in its place, in the order of the message.

    Raises `UnreadableError` when a result has more specimens than can be meant.
    """
    relevant = [each for each in segments if each.name in {"PID", "OBR", "SPM", "OBX"}]
    return [found for group in _cut(relevant, "PID") for found in _of_patient(group)]


def _cut(segments: list[Segment], name: str) -> list[list[Segment]]:
    """Cut before each segment of a name; the first part is what precedes them all."""
    starts = [at for at, segment in enumerate(segments) if segment.name == name]
    return [segments[begin:end] for begin, end in pairwise([0, *starts, len(segments)])]


def _of_patient(group: list[Segment]) -> Iterator[Observation]:
    patient = group[0] if group and group[0].name == "PID" else None
    names = [segment.name for segment in group if segment.name in {"OBR", "SPM"}]
    if names[:1] == ["SPM"] and "OBR" in names:
        yield from _by_specimen(group, patient)
    else:
        for part in _cut(group, "OBR"):
            yield from _by_order(part, patient)


def _by_order(part: list[Segment], patient: Segment | None) -> Iterator[Observation]:
    """Give the results of one order: of the specimens right before them, else of those after."""
    order = part[0] if part and part[0].name == "OBR" else None
    specimens = [segment for segment in part if segment.name == "SPM"]
    previous = ""
    for segment in part:
        if segment.name == "SPM":
            specimens = _with(specimens, segment, previous)
        elif segment.name == "OBX":
            yield _observation(segment, patient, order, specimens)
        previous = segment.name


def _by_specimen(group: list[Segment], patient: Segment | None) -> Iterator[Observation]:
    """Give the results of orders that stand below their specimens; a new specimen ends an order."""
    order: Segment | None = None
    specimens: list[Segment] = []
    previous = ""
    for segment in group:
        if segment.name == "SPM":
            specimens = _with(specimens, segment, previous)
            order = None
        elif segment.name == "OBR":
            order = segment
        elif segment.name == "OBX":
            yield _observation(segment, patient, order, specimens)
        previous = segment.name


def _with(specimens: list[Segment], segment: Segment, previous: str) -> list[Segment]:
    """Put a specimen beside those right before it, or in the place of earlier ones."""
    if previous != "SPM":
        return [segment]
    specimens.append(segment)
    return specimens


def _observation(
    segment: Segment, patient: Segment | None, order: Segment | None, specimens: list[Segment]
) -> Observation:
    if len(specimens) > _MOST_SPECIMENS:
        raise UnreadableError("A result has more specimens than can be meant.")
    return Observation(segment=segment, patient=patient, order=order, specimens=tuple(specimens))
