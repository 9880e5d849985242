"""A result as a laboratory system sent it: its own words, in the same shape for every format.

HL7 v2, FHIR and CSV are translated into this and nothing else; `app/domain/interpretation.py`
reads it by the sender's profile. Text is decoded and unescaped but otherwise as it came; an empty
text means that the sender said nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
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
    return _each(lambda text: _UNSTORABLE.sub("\ufffd", text), value)


def _each(change: Callable[[str], str], value: Any) -> Any:
    """Change every text in a field of a result, however it is nested."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_each(change, each) for each in value)
    if isinstance(value, (SentIdentifier, SentCode)):
        parts = {field.name: _each(change, getattr(value, field.name)) for field in fields(value)}
        return replace(value, **parts)
    return value


# A shorter number stands inside others by chance.
_LEAST_CONTAINED = 6


def names_somebody(text: str, identity: Collection[str]) -> bool:
    """Tell whether a text is one of the patient's identifiers, or holds a long one of them."""
    text = text.strip()
    return any(
        each == text or (len(each) >= _LEAST_CONTAINED and each in text)
        for each in (own.strip() for own in identity)
        if each
    )


def identity_of(sent: SentResult) -> frozenset[str]:
    """Return the identifiers of a result's patient."""
    return frozenset(each.value for each in sent.patients)


def without_identity(sent: SentResult) -> SentResult:
    """Return a result whose accession does not tell the patient's own number, put there by mistake.

    It names no specimen, and the trial's tables hold no number of a patient.
    """
    return (
        replace(sent, accession="") if names_somebody(sent.accession, identity_of(sent)) else sent
    )


def withheld(sent: SentResult) -> SentResult:
    """Return the sender's words for the open, each empty if it names the patient.

    What a result means is read from its own words before; the message keeps them, sealed.
    """
    identity = identity_of(sent)

    def said(text: str) -> str:
        return "" if names_somebody(text, identity) else text

    others = [field.name for field in fields(sent) if field.name != "patients"]
    return replace(sent, **{name: _each(said, getattr(sent, name)) for name in others})
