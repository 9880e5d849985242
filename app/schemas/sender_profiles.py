"""Sender profiles as JSON documents: whole, strict, and such that every mapping can be right."""

from __future__ import annotations

import codecs
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from app.core.serialization import from_json, to_json
from app.domain.analytes import find_analyte, find_analyte_by_loinc
from app.domain.code_systems import LOINC
from app.domain.errors import DomainError, ErrorKind, Reason
from app.domain.inbound import InboxReason
from app.domain.sender_profile import (
    CodeMapping,
    SenderProfile,
    SpecimenBy,
    StatusMeaning,
    UnitMapping,
    ValueWord,
)
from app.domain.sent_texts import said, word_key
from app.domain.sent_values import read_value
from app.domain.units import PERCENT, normalize_unit
from app.schemas.types import LAX, Body, Code

_DEFAULTS = SenderProfile()
_MAX_MAPPINGS, _MAX_WORDS, _MAX_FIELDS = 2000, 200, 10
# HL7's separators and digits, with what other encodings take for an escape.
_ASCII = "xn--fsq.|^~&#\r\n 0123456789 \\u0041 +AEE- ~~ ~{"


@lru_cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError("This must be a time zone of the IANA database, such as Asia/Shanghai.")
    return name


def _charset(name: str) -> str:
    """Take an encoding in which the separators of HL7 are the bytes of ASCII."""
    try:
        codecs.lookup(name)
        extends_ascii = _ASCII.encode("ascii").decode(name) == _ASCII
    except (LookupError, ValueError):
        extends_ascii = False
    if not extends_ascii:
        raise ValueError("This must be a text encoding that extends ASCII, such as gb18030.")
    return name


def _analyte_key(name: str) -> str:
    analyte = find_analyte(name)
    if analyte is None:
        raise ValueError("This analyte is not in the catalogue; check its key.")
    return analyte.key


def _as_compared(text: str) -> str:
    if text != said(text) or not text.isprintable():
        raise ValueError("This must be printable, without blanks around it.")
    return text


def _word(text: str) -> str:
    """Refuse a word that reads as a number, for it would take the place of a measured value."""
    try:
        is_number = read_value("ST", ((text,),), _DEFAULTS).number is not None
    except DomainError as error:
        is_number = error.code == InboxReason.AMBIGUOUS_NUMBER
    if is_number:
        raise ValueError("This reads as a number; only words can be given a meaning.")
    return text


def _refuse_contradictions(pairs: Iterable[tuple[Hashable, Hashable]], what: str) -> None:
    """Refuse two meanings of the same thing."""
    meanings: dict[Hashable, Hashable] = {}
    for thing, meaning in pairs:
        if meanings.setdefault(thing, meaning) != meaning:
            raise ValueError(f"Two {what} say different things of the same.")


Sent = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_as_compared)]
SentOrBlank = Annotated[str, StringConstraints(max_length=100), AfterValidator(_as_compared)]
AnalyteKey = Annotated[Code, AfterValidator(_analyte_key)]
FieldName = Annotated[
    str,
    StringConstraints(pattern=r"^(OBR|OBX|SPM)-[1-9][0-9]?(\.[1-9][0-9]?){0,2}$"),
    Field(examples=["OBR-3"], description="Field, component and subcomponent of HL7 v2."),
]
FieldNames = Annotated[list[FieldName], Field(min_length=1, max_length=_MAX_FIELDS)]


class CodeMappingBody(Body):
    """A local code and the analyte it reports, for one ordered panel or for all."""

    system: SentOrBlank = Field(description="Third component of OBX-3; may be blank.")
    code: Sent
    analyte: AnalyteKey
    panel: Sent | None = Field(default=None, description="Code of the ordered panel (OBR-4).")

    @model_validator(mode="after")
    def _as_loinc_says(self) -> CodeMappingBody:
        by_loinc = find_analyte_by_loinc(self.code) if self.system in LOINC else None
        if by_loinc is not None and by_loinc.key != self.analyte:
            raise ValueError("This LOINC code stands for another analyte of the catalogue.")
        return self


class UnitMappingBody(Body):
    """A unit as the sender writes it for one analyte, and the unit of the catalogue it means."""

    analyte: AnalyteKey
    text: SentOrBlank = Field(description="Blank for a sender that leaves the unit out.")
    unit: str = Field(max_length=100, examples=["10*9/L"])

    @model_validator(mode="after")
    def _accepted(self) -> UnitMappingBody:
        analyte = find_analyte(self.analyte)
        family = analyte.family if analyte else None
        if family is None or family.find(self.unit) is None:
            raise ValueError("This unit is not one that the catalogue takes for the analyte.")
        if PERCENT.find(self.text) and family.canonical != PERCENT.canonical:
            raise ValueError("A percentage cannot stand for this unit; it is another quantity.")
        return self


class ProfileDocument(Body):
    """How one sender's messages are read; what is left out is as in a plain ORU^R01."""

    time_zone: Annotated[Code, AfterValidator(_time_zone)] = _DEFAULTS.time_zone
    charset: Annotated[Code, AfterValidator(_charset)] | None = None
    processing_id: Sent = _DEFAULTS.processing_id
    unit_component: int = Field(default=_DEFAULTS.unit_component, ge=1, le=6)
    decimal_comma: bool = False
    thousands_comma: bool = False
    statuses: dict[SentOrBlank, Annotated[StatusMeaning, LAX]] = Field(
        default_factory=dict, max_length=_MAX_WORDS
    )
    words: dict[Annotated[Sent, AfterValidator(_word)], Annotated[ValueWord, LAX]] = Field(
        default_factory=dict, max_length=_MAX_WORDS
    )
    flags: dict[Sent, Sent] = Field(default_factory=dict, max_length=_MAX_WORDS)
    patient_identifier_kinds: list[SentOrBlank] = Field(
        default_factory=lambda: list(_DEFAULTS.patient_identifier_kinds), max_length=_MAX_FIELDS
    )
    accession_fields: FieldNames = Field(default_factory=lambda: list(_DEFAULTS.accession_fields))
    collection_fields: FieldNames = Field(default_factory=lambda: list(_DEFAULTS.collection_fields))
    specimen_by: Annotated[SpecimenBy, LAX] = _DEFAULTS.specimen_by
    codes: list[CodeMappingBody] = Field(default_factory=list, max_length=_MAX_MAPPINGS)
    units: list[UnitMappingBody] = Field(default_factory=list, max_length=_MAX_MAPPINGS)

    @model_validator(mode="after")
    def _of_one_mind(self) -> ProfileDocument:
        """Refuse a profile that contradicts itself."""
        if self.decimal_comma and self.thousands_comma:
            raise ValueError("A comma cannot stand both before decimals and between thousands.")
        _refuse_contradictions(((word_key(text), self.words[text]) for text in self.words), "words")
        _refuse_contradictions(
            (((each.system, each.code, each.panel), each.analyte) for each in self.codes),
            "code mappings",
        )
        _refuse_contradictions(
            (((each.analyte, normalize_unit(each.text)), each.unit) for each in self.units),
            "unit mappings",
        )
        return self

    def profile(self) -> SenderProfile:
        """Return the profile that the domain reads by."""
        codes = tuple(CodeMapping(**each.model_dump()) for each in self.codes)
        units = tuple(UnitMapping(**each.model_dump()) for each in self.units)
        rest = self.model_dump(exclude={"codes", "units"})
        for name in ("patient_identifier_kinds", "accession_fields", "collection_fields"):
            rest[name] = tuple(rest[name])
        return SenderProfile(**rest, codes=codes, units=units)


def _pointer(place: tuple[str | int, ...]) -> str:
    """Return the JSON pointer of a place in the document; a bad key is named by itself."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place if part != "[key]")
    return "/body/profile" + "".join(f"/{part}" for part in parts)


def parse_profile(document: dict[str, Any]) -> SenderProfile:
    """Validate a document; raise invalid with one reason for each place that does not fit."""
    try:
        return ProfileDocument.model_validate(document).profile()
    except ValidationError as error:
        reasons = tuple(
            Reason(
                code=item["type"],
                message=item["msg"].removeprefix("Value error, "),
                pointer=_pointer(item["loc"]),
            )
            for item in error.errors(include_input=False, include_url=False)
        )
        raise DomainError(
            ErrorKind.INVALID,
            "invalid_profile",
            "The sender profile does not fit its schema; see errors for each place.",
            reasons,
        ) from error


def profile_document(profile: SenderProfile) -> dict[str, Any]:
    """Write a profile as its whole document, so that later defaults never change its meaning."""
    document: dict[str, Any] = from_json(to_json(profile))
    return document
