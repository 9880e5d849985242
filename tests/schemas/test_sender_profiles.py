"""Sender profiles as documents: strict, complete, and refused where a mapping cannot be right."""

import encodings
import pkgutil

import pytest

from app.domain.errors import DomainError
from app.domain.sender_profile import (
    CodeMapping,
    SenderProfile,
    SpecimenBy,
    StatusMeaning,
    UnitMapping,
    ValueWord,
)
from app.schemas.sender_profiles import ProfileDocument, parse_profile, profile_document

WHOLE = {
    "time_zone": "Asia/Urumqi",
    "charset": "gb18030",
    "processing_id": "T",
    "unit_component": 2,
    "decimal_comma": False,
    "thousands_comma": True,
    "statuses": {"": "final", "1": "corrected"},
    "words": {"低于检测下限": "negative", "1:": "positive", "-": "no_value"},
    "flags": {"M": "N"},
    "patient_identifier_kinds": ["21"],
    "accession_fields": ["OBR-2.3", "SPM-2.1.3"],
    "collection_fields": ["OBX-14"],
    "specimen_by": "accession_and_collection",
    "codes": [
        {"system": "", "code": "0301030", "analyte": "CREA", "panel": None},
        {"system": "L", "code": "PCT", "analyte": "PCT_PROC", "panel": "INF"},
    ],
    "units": [{"analyte": "PLT", "text": "109/L", "unit": "10*9/L"}],
}


def places(document):
    """Return the pointers of a refusal, below the profile; its sentences show no text of it."""
    with pytest.raises(DomainError) as caught:
        parse_profile(document)
    assert caught.value.code == "invalid_profile"
    return [reason.pointer.removeprefix("/body/profile") for reason in caught.value.reasons]


def refused(document):
    """Tell whether a document is refused."""
    try:
        parse_profile(document)
    except DomainError:
        return True
    return False


def code(**parts):
    """Return a document with one code mapping."""
    return {"codes": [{"system": "L", "code": "X", "analyte": "ANC"} | parts]}


def unit(**parts):
    """Return a document with one unit mapping."""
    return {"units": [{"analyte": "ANC", "text": "X", "unit": "10*9/L"} | parts]}


def test_a_whole_document_and_back():
    """Every field reaches the profile, and the profile writes the same document."""
    profile = parse_profile(WHOLE)
    assert profile == SenderProfile(
        time_zone="Asia/Urumqi",
        charset="gb18030",
        processing_id="T",
        unit_component=2,
        thousands_comma=True,
        statuses={"": StatusMeaning.FINAL, "1": StatusMeaning.CORRECTED},
        words={
            "低于检测下限": ValueWord.NEGATIVE,
            "1:": ValueWord.POSITIVE,
            "-": ValueWord.NO_VALUE,
        },
        flags={"M": "N"},
        patient_identifier_kinds=("21",),
        accession_fields=("OBR-2.3", "SPM-2.1.3"),
        collection_fields=("OBX-14",),
        specimen_by=SpecimenBy.ACCESSION_AND_COLLECTION,
        codes=(
            CodeMapping(system="", code="0301030", analyte="CREA"),
            CodeMapping(system="L", code="PCT", analyte="PCT_PROC", panel="INF"),
        ),
        units=(UnitMapping(analyte="PLT", text="109/L", unit="10*9/L"),),
    )
    assert profile_document(profile) == WHOLE


def test_an_empty_document_is_the_standard():
    """What is left out is as in a plain ORU; written out it is whole."""
    assert parse_profile({}) == SenderProfile()
    assert set(profile_document(SenderProfile())) == set(ProfileDocument.model_fields)


def test_an_alias_becomes_the_key():
    """Mappings are kept under the key of the catalogue."""
    profile = parse_profile(code(analyte="neut#") | unit(analyte="NEU#"))
    assert (profile.codes[0].analyte, profile.units[0].analyte) == ("ANC", "ANC")


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"time_zone": "Tianjin"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"charset": "klingon"}, "/charset"),
        ({"charset": "utf-16"}, "/charset"),
        ({"charset": "rot13"}, "/charset"),
        ({"charset": "a\x00b"}, "/charset"),
        ({"processing_id": ""}, "/processing_id"),
        ({"unit_component": 0}, "/unit_component"),
        ({"unit_component": "2"}, "/unit_component"),
        ({"decimal_comma": 1}, "/decimal_comma"),
        ({"statuses": {"1": "finished"}}, "/statuses/1"),
        ({"statuses": {" 1": "final"}}, "/statuses/ 1"),
        ({"statuses": {"a/b~": "finished"}}, "/statuses/a~1b~0"),
        ({"words": {"": "negative"}}, "/words/"),
        ({"words": {"15": "negative"}}, "/words/15"),
        ({"words": {"<15 H": "negative"}}, "/words/<15 H"),
        ({"words": {"1,5": "negative"}}, "/words/1,5"),
        ({"words": {"a\x00": "negative"}}, "/words/a\x00"),
        ({"flags": {"M": ""}}, "/flags/M"),
        ({"accession_fields": []}, "/accession_fields"),
        ({"accession_fields": ["OBR3"]}, "/accession_fields/0"),
        ({"accession_fields": ["PID-5"]}, "/accession_fields/0"),
        ({"collection_fields": ["OBX-14", "OBR-7.1.1.1"]}, "/collection_fields/1"),
        ({"collection_fields": ["OBX-1٤"]}, "/collection_fields/0"),
        ({"specimen_by": "tube"}, "/specimen_by"),
        (code(analyte="TP"), "/codes/0/analyte"),
        (code(code=""), "/codes/0/code"),
        (code(panel=""), "/codes/0/panel"),
        (code(system="LN", code="770-8"), "/codes/0"),
        (unit(analyte="HBSAG"), "/units/0"),
        (unit(unit="g/L"), "/units/0"),
        (unit(text="％"), "/units/0"),
        (unit(unit=""), "/units/0"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_documents_that_cannot_be_right(document, place):
    """Each place that does not fit is named: no such zone, charset, analyte, unit or field."""
    assert places(document) == [place]


@pytest.mark.parametrize(
    "document",
    [
        {"decimal_comma": True, "thousands_comma": True},
        {"words": {"Neg low": "negative", "NEGLOW": "positive"}},
        {"codes": [*code()["codes"], *code(analyte="LYM")["codes"]]},
        {"units": [*unit()["units"], *unit(unit="/uL")["units"]]},
    ],
)
def test_documents_that_contradict_themselves(document):
    """A comma, a word, a code or a unit has one meaning."""
    assert places(document) == [""]


def test_the_same_mapping_twice_or_for_another_panel_is_no_contradiction():
    """Only two meanings of one thing contradict each other."""
    document = {"codes": [*code()["codes"] * 2, *code(analyte="LYM", panel="S")["codes"]]}
    assert len(parse_profile(document).codes) == 3


def test_a_loinc_code_that_the_catalogue_leaves_out_can_be_mapped():
    """A person may map interleukin 2 by its unconfirmed code; a percentage maps to a percentage."""
    assert parse_profile(code(system="LN", code="33939-0", analyte="IL2")).codes
    assert parse_profile(code(system="LN", code="770-8", analyte="NEUT_PCT")).codes
    assert parse_profile(unit(analyte="NEUT_PCT", text="PERCENT", unit="%")).units


def test_charsets_keep_the_separators_of_hl7():
    """Every encoding of Python is taken or refused without a crash; stateful ones are refused."""
    names = [module.name for module in pkgutil.iter_modules(encodings.__path__)]
    taken = {name for name in names if not refused({"charset": name})}
    assert {"utf_8", "gb18030", "gbk", "big5", "latin_1", "ascii"} <= taken
    assert not taken & {"utf_16", "utf_7", "hz", "punycode", "idna", "unicode_escape", "cp037"}
