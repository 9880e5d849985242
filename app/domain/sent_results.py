"""A result as a laboratory system sent it: its own words, in the same shape for every format.

HL7 v2, FHIR and CSV are translated into this and nothing else; `app/domain/interpretation.py`
reads it by the sender's profile. Text is decoded and unescaped but otherwise as it came; an empty
text means that the sender said nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SentIdentifier:
    """An identifier of the patient (PID-3, FHIR Patient.identifier)."""

    value: str
    authority: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCode:
    """What was measured, or which panel was ordered, under one coding system."""

    code: str
    system: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentResult:
    """One observation; its place in the message is its position in the sequence, from 0.

    `values` has one tuple of components for each repetition of the value; `value_type` is HL7
    table 0125 (NM, SN, ST, CE, CWE, TX, ...), only a hint. `status` is a word of the sender's
    (HL7 table 0085, FHIR observation-status). Times are HL7 or ISO 8601 text of any precision;
    `offset` is the message's own offset from UTC, which counts for those that tell none.
    `stated_by_message` says that no status time was given and the message's own time stands in.
    """

    patients: tuple[SentIdentifier, ...]
    codes: tuple[SentCode, ...]
    panel: SentCode | None = None
    sub_id: str = ""
    accession: str = ""
    value_type: str = ""
    values: tuple[tuple[str, ...], ...] = ()
    unit: str = ""
    reference_range: str = ""
    low: str = ""
    high: str = ""
    flags: tuple[str, ...] = ()
    status: str = ""
    offset: str = ""
    collected: str = ""
    reported: str = ""
    stated: str = ""
    stated_by_message: bool = False


# A database cannot keep NUL, and no encoding half of a character.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(sent: SentResult) -> SentResult:
    """Return a result in which each character that cannot be kept is U+FFFD."""
    return replace(
        sent, **{field.name: _storable(getattr(sent, field.name)) for field in fields(sent)}
    )


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, tuple):
        return tuple(_storable(each) for each in value)
    if isinstance(value, (SentIdentifier, SentCode)):
        parts = {field.name: _storable(getattr(value, field.name)) for field in fields(value)}
        return replace(value, **parts)
    return value


def without_identity(sent: SentResult) -> SentResult:
    """Return a result whose accession is not the patient's own number, put there by mistake.

    It names no specimen, and the trial's tables hold no number of a patient.
    """
    own = {each.value.strip() for each in sent.patients}
    return replace(sent, accession="") if sent.accession.strip() in own else sent
