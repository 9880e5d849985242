"""What differs from laboratory to laboratory: how one sender's messages are to be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from app.domain.sent_texts import word_key
from app.domain.units import normalize_unit
from app.domain.vocabulary import Finding


class StatusMeaning(StrEnum):
    """What a sender's status word does to the record."""

    FINAL = "final"
    CORRECTED = "corrected"
    AMENDED = "amended"
    PRELIMINARY = "preliminary"
    PROMOTED = "promoted"  # the provisional result that is here becomes final
    WITHDRAWN = "withdrawn"  # a tombstone: the result counts no more
    WRONG_PATIENT = "wrong_patient"  # a tombstone, and somebody has to look
    WITHOUT_VALUE = "without_value"  # there will be no value
    NOT_YET = "not_yet"  # there is no value yet; says nothing against one that is here


class ValueWord(StrEnum):
    """What a word in the place of a value means: a finding, or that there is no value."""

    NEGATIVE = "negative"
    POSITIVE = "positive"
    INDETERMINATE = "indeterminate"
    NO_VALUE = "no_value"

    @property
    def finding(self) -> Finding | None:
        """Give the finding, None where there is no value."""
        return None if self is ValueWord.NO_VALUE else Finding(self.value)


class SpecimenBy(StrEnum):
    """What tells one specimen from another: the accession alone, or with the collection time."""

    ACCESSION = "accession"
    ACCESSION_AND_COLLECTION = "accession_and_collection"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapping:
    """A local code and the analyte it reports; `panel` narrows it to one ordered panel."""

    system: str
    code: str
    analyte: str
    panel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMapping:
    """A sender's unit text of one analyte and the unit of the catalogue that it stands for."""

    analyte: str
    text: str
    unit: str


# HL7 table 0085 as far as its meaning is certain, and the FHIR words; anything else is the
# sender's own and goes to a person until the profile says what it means.
STATUS_WORDS: Mapping[str, StatusMeaning] = {
    "F": StatusMeaning.FINAL,
    "V": StatusMeaning.FINAL,
    "C": StatusMeaning.CORRECTED,
    "A": StatusMeaning.AMENDED,
    "P": StatusMeaning.PRELIMINARY,
    "R": StatusMeaning.PRELIMINARY,
    "S": StatusMeaning.PRELIMINARY,
    "U": StatusMeaning.PROMOTED,
    "D": StatusMeaning.WITHDRAWN,
    "W": StatusMeaning.WRONG_PATIENT,
    "X": StatusMeaning.WITHOUT_VALUE,
    "I": StatusMeaning.NOT_YET,
    "N": StatusMeaning.NOT_YET,
    "O": StatusMeaning.NOT_YET,
    "final": StatusMeaning.FINAL,
    "corrected": StatusMeaning.CORRECTED,
    "amended": StatusMeaning.AMENDED,
    "preliminary": StatusMeaning.PRELIMINARY,
    "registered": StatusMeaning.NOT_YET,
    "cancelled": StatusMeaning.WITHOUT_VALUE,
    "entered-in-error": StatusMeaning.WITHDRAWN,
}


# Types of HL7 table 0203 that are a patient's number, as hospitals write them; often there is none.
PATIENT_NUMBERS = ("", "MR", "MRN", "PI", "PT")


@dataclass(frozen=True, kw_only=True)
class SenderProfile:
    """How one sender's messages are read; every field changes what its results mean.

    Field names are HL7 v2 positions: `OBR-3`, its component `OBR-2.3` or subcomponent `SPM-2.1.3`,
    tried in order. `charset` None means as declared. `patient_identifier_kinds` are the types of
    identifiers (PID-3.5) that name a person, blank being one of them; of others, such as a visit's
    number, nothing is taken. Without any, every PID-3 repetition counts. `statuses` (a blank one
    too) and `words` come on top of the general ones and before them; words are matched whatever
    the case. `flags` only say how a flag is shown, in words of HL7 table 0078: no flag decides
    anything.
    """

    time_zone: str = "Asia/Shanghai"
    charset: str | None = None
    processing_id: str = "P"
    unit_component: int = 1
    decimal_comma: bool = False
    thousands_comma: bool = False
    statuses: Mapping[str, StatusMeaning] = field(default_factory=dict)
    words: Mapping[str, ValueWord] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    patient_identifier_kinds: tuple[str, ...] = PATIENT_NUMBERS
    accession_fields: tuple[str, ...] = ("OBR-3", "SPM-2", "OBR-2")
    collection_fields: tuple[str, ...] = ("SPM-17", "OBR-7", "OBX-14")
    specimen_by: SpecimenBy = SpecimenBy.ACCESSION
    codes: tuple[CodeMapping, ...] = ()
    units: tuple[UnitMapping, ...] = ()

    @cached_property
    def word_index(self) -> Mapping[str, ValueWord]:
        """Give the words by the key under which they are compared."""
        return {word_key(text): word for text, word in self.words.items()}

    @cached_property
    def code_index(self) -> Mapping[tuple[str, str], tuple[CodeMapping, ...]]:
        """Give the mappings of each local code, by (system, code)."""
        index: defaultdict[tuple[str, str], tuple[CodeMapping, ...]] = defaultdict(tuple)
        for mapping in self.codes:
            index[mapping.system, mapping.code] += (mapping,)
        return dict(index)

    @cached_property
    def unit_index(self) -> Mapping[tuple[str, str], str]:
        """Give the unit of the catalogue by (analyte, normal form of the sender's text)."""
        return {(each.analyte, normalize_unit(each.text)): each.unit for each in self.units}
