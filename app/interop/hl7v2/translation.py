"""Translates the segments of a message into results as sent, by the sender's profile."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentCode, SentIdentifier, SentResult
from app.domain.sent_times import offset_of, tells_minute
from app.domain.units import can_be_unit, is_power_base
from app.interop.hl7v2.grouping import Observation, observations
from app.interop.hl7v2.notation import UnreadableError
from app.interop.hl7v2.positions import first_number, first_text
from app.interop.hl7v2.segments import Repetition, Segment, SplitMessage

# What follows the caret of a power of ten; `10^9/L` without escaping falls apart into components.
_POWER_REST = re.compile(r"\d{1,2}(?:\s*/.+)?")
_ONE = "1"  # the unit of a quantity that has none
_MOST_IDENTIFIERS = 50
_OLD_VERSIONS = ("2.1", "2.2", "2.3")  # they may give the patient's number in PID-2 alone


def sent_results(message: SplitMessage, profile: SenderProfile) -> tuple[SentResult, ...]:
    """Give every result of a message, in its order."""
    header = message.segments[0]
    results = []
    patient: Segment | None = None
    patients: tuple[SentIdentifier, ...] = ()
    for observation in observations(message.segments):
        if observation.patient is not None and observation.patient is not patient:
            patient = observation.patient
            patients = _patients(patient, header)
        results.append(_result(observation, patients, header, profile))
    return tuple(results)


def _result(
    observation: Observation,
    patients: tuple[SentIdentifier, ...],
    header: Segment,
    profile: SenderProfile,
) -> SentResult:
    segment, order = observation.segment, observation.order
    reported = order.part(22) if order else ""
    # A day or an hour cannot order what is said of a result several times on that day.
    is_dated = tells_minute(reported)
    return SentResult(
        patients=patients,
        codes=_codes(segment.repetitions(3)),
        panel=next(iter(_codes(order.repetitions(4) if order else ())), None),
        sub_id=segment.whole(4),
        accession=first_number(observation, profile.accession_fields),
        value_type=segment.part(2),
        values=tuple(each.components() for each in segment.repetitions(5)),
        unit=_unit(segment, profile.unit_component),
        reference_range=segment.whole(7),
        flags=tuple(filter(None, (each.component(1) for each in segment.repetitions(8)))),
        status=_status(segment),
        offset=offset_of(header.part(7)),
        collected=first_text(observation, profile.collection_fields),
        reported=reported,
        stated=reported if is_dated else header.part(7),
        stated_by_message=not is_dated,
    )


def _codes(repetitions: Iterable[Repetition]) -> tuple[SentCode, ...]:
    """Give the coding (components 1 to 3) and the alternate one (4 to 6) of each repetition."""
    codings = (
        SentCode(
            code=repetition.component(first),
            text=repetition.component(first + 1),
            system=repetition.component(first + 2),
        )
        for repetition in repetitions
        for first in (1, 4)
    )
    return tuple(coding for coding in codings if coding.code or coding.text)


def _unit(segment: Segment, component: int) -> str:
    """Give the unit from its component, or from the other one where that is empty.

    What cannot be a unit is a part of one that fell apart: then the field is left whole.
    """
    repetition = _only(segment, 6)
    if repetition is None:
        return segment.whole(6)
    parts = ["", *_joined_powers(repetition), "", *[""] * component]
    unit = parts[component] or parts[1] or parts[2]
    is_unit = can_be_unit(unit) if unit else not any(parts)
    return unit if is_unit or unit == _ONE else segment.whole(6)


def _joined_powers(repetition: Repetition) -> list[str]:
    """Give the components, with each power of ten that fell apart in one of them put together."""
    joined: list[str] = []
    for number in range(1, len(repetition.raw) + 1):
        part = repetition.component(number)
        if joined and is_power_base(joined[-1]) and _POWER_REST.fullmatch(part):
            joined[-1] += f"^{part}"
        else:
            joined.append(part)
    return joined


def _status(segment: Segment) -> str:
    repetition = _only(segment, 11)
    return repetition.component(1) if repetition else segment.whole(11)


def _only(segment: Segment, field: int) -> Repetition | None:
    """Give the repetition of a field that must not have several: then its text is left whole."""
    repetitions = segment.repetitions(field)
    return repetitions[0] if len(repetitions) == 1 else None


def _patients(patient: Segment, header: Segment) -> tuple[SentIdentifier, ...]:
    """Give the identifiers in PID-3, or those in PID-2 of an old version that has no others."""
    old = header.part(12).startswith(_OLD_VERSIONS)
    return _identifiers(patient, 3) or (_identifiers(patient, 2) if old else ())


def _identifiers(patient: Segment, field: int) -> tuple[SentIdentifier, ...]:
    """Give the identifiers of a patient; raise `UnreadableError` when they are too many for one."""
    repetitions = patient.repetitions(field)
    if len(repetitions) > _MOST_IDENTIFIERS:
        raise UnreadableError("Nobody has so many numbers.")
    identifiers = (
        SentIdentifier(
            value=each.subcomponents(1)[0],
            authority=next(filter(None, each.subcomponents(4)), ""),
            kind=each.component(5),
        )
        for each in repetitions
    )
    return tuple(identifier for identifier in identifiers if identifier.value)
