"""Codes as sent: system and code together, never a name and never a guess."""

import pytest

from app.domain.errors import DomainError
from app.domain.sender_profile import CodeMapping, SenderProfile
from app.domain.sent_codes import read_analyte
from app.domain.sent_results import SentCode

PLAIN = SenderProfile()


def mapped(*mappings):
    """Return a profile with code mappings, each (system, code, analyte) or with a panel."""
    names = ("system", "code", "analyte", "panel")
    return SenderProfile(
        codes=tuple(CodeMapping(**dict(zip(names, each, strict=False))) for each in mappings)
    )


def analyte(*codes, panel=None, profile=PLAIN):
    """Return the analyte of codes given as (system, code)."""
    sent = [SentCode(system=system, code=code, text="Platelets") for system, code in codes]
    ordered = None if panel is None else SentCode(code=panel)
    return read_analyte(sent, ordered, profile).key


def refused(*codes, panel=None, profile=PLAIN):
    """Return the code of a refusal."""
    with pytest.raises(DomainError) as caught:
        analyte(*codes, panel=panel, profile=profile)
    return caught.value.code


@pytest.mark.parametrize(
    "system",
    ["LN", " LN ", "http://loinc.org", "2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.1"],
)
def test_loinc_by_any_of_its_names(system):
    """A LOINC code needs no mapping, in the main or in the alternate coding."""
    assert analyte((system, "718-7")) == "HGB"
    assert analyte(("L", "local"), (system, "777-3")) == "PLT"


@pytest.mark.parametrize(
    "code",
    [("", "718-7"), ("L", "718-7"), ("PLT", "11125-2"), ("LN", "PLT"), ("L", "PLT"), ("", ""),
     ("LN", "11125-2"), ("LN", "33939-0"), ("urn:msc-icaht:analyte", "718-7")],
)  # fmt: skip
def test_other_codes_are_unmapped(code):
    """A code without its system, a system named like a test, and a name say nothing."""
    assert refused(code) == "unmapped_code"
    assert refused() == "unmapped_code"


def test_platelet_morphology_is_no_platelet_count():
    """A valid code of another quantity is not filed under the name shown beside it."""
    assert refused(("LN", "11125-2")) == "unmapped_code"


def test_neutrophil_percentage_never_becomes_the_count():
    """770-8 reports NEUT_PCT, and so does nothing else."""
    assert analyte(("LN", "770-8")) == "NEUT_PCT"
    assert refused(("L", "NEUT%")) == "unmapped_code"


def test_our_own_keys():
    """A file of ours names the analyte by its key in the catalogue."""
    assert analyte(("urn:msc-icaht:analyte", "ANC")) == "ANC"


def test_local_codes_by_profile():
    """A mapping counts for its own system and code only; an alias of the catalogue will do."""
    profile = mapped(("L", "3070020101", "CREA"), ("", "hb", "Hb"), ("L", "X", "nothing"))
    assert analyte(("L", "3070020101"), profile=profile) == "CREA"
    assert analyte(("", "hb"), profile=profile) == "HGB"
    for code in (("99MRC", "3070020101"), ("L", "hb"), ("", "HB"), ("L", "X")):
        assert refused(code, profile=profile) == "unmapped_code"


def test_a_mapping_may_hold_for_one_panel():
    """`PCT` is procalcitonin in one panel and not in the blood count; the panel comes first."""
    profile = mapped(("L", "PCT", "PCT_PROC", "INF"), ("L", "N", "ANC"), ("L", "N", "LYM", "SUB"))
    assert analyte(("L", "PCT"), panel="INF", profile=profile) == "PCT_PROC"
    assert refused(("L", "PCT"), panel="CBC", profile=profile) == "unmapped_code"
    assert refused(("L", "PCT"), profile=profile) == "unmapped_code"
    assert analyte(("L", "N"), panel="SUB", profile=profile) == "LYM"
    assert analyte(("L", "N"), panel="CBC", profile=profile) == "ANC"
    assert analyte(("L", "N"), profile=profile) == "ANC"


def test_codes_have_to_agree():
    """Two codings of one analyte are fine, two analytes need a person, whoever maps them."""
    profile = mapped(("L", "PLT", "PLT"), ("L", "HB", "HGB"), ("L", "T", "HGB"), ("L", "T", "ANC"))
    assert analyte(("L", "PLT"), ("LN", "777-3"), profile=profile) == "PLT"
    assert refused(("L", "HB"), ("LN", "777-3"), profile=profile) == "ambiguous_code"
    assert refused(("LN", "718-7"), ("LN", "777-3")) == "ambiguous_code"
    assert refused(("L", "T"), profile=profile) == "ambiguous_code"
