"""Bytes become text by the stated charset or the evident one, always before they are split."""

import codecs

import pytest

from app.domain.inbound import InboxReason
from app.interop.hl7v2.decoding import codec_of, named_in
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import delivery, result

SEPARATORS = b"|^~\\"


def named(charset: str, text: str, encoded: str) -> bytes:
    """Build a message that says it is in one charset and is in another."""
    return samples.message(
        samples.msh(fields={18: charset}),
        samples.pid(),
        samples.obr(),
        samples.obx(f"L1^{text}^L"),
        charset=encoded,
    )


def characters_with_separators() -> list[str]:
    """List every character of two bytes in GB 18030 whose second byte is a separator."""
    found = []
    for first in range(0x81, 0xFF):
        for second in SEPARATORS:
            text = bytes([first, second]).decode("gb18030", errors="replace")
            if text.isalpha():
                found.append(text)
    return found


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("UNICODE", "utf-8"),
        ("UTF-8~UNICODE", "utf-8"),
        ("GB 18030-2000", "gb18030"),
        ("GB18030", "gb18030"),
        ("GB2312", "gb18030"),
        ("GBK", "gb18030"),
    ],
)
def test_the_charset_that_is_named_is_used(name, encoded):
    """MSH-18 as table 0211 has it, and as senders spell it."""
    raw = named(name, "血小板", encoded)
    assert result(raw).codes[0].text == "血小板"
    assert (delivery(raw).charset, delivery(raw).flags) == (encoded, ())


@pytest.mark.parametrize(("name", "charset"), [("8859/1", "iso-8859-1"), ("ASCII", "ascii")])
def test_single_byte_charsets_are_known_by_their_hl7_names(name, charset):
    """`8859/1` and `ASCII` are what the table calls them."""
    raw = named(name, "é" if charset != "ascii" else "e", charset)
    assert (delivery(raw).charset, delivery(raw).flags) == (charset, ())


@pytest.mark.parametrize("encoded", ["utf-8", "gb18030"])
@pytest.mark.parametrize("name", ["", "ASCII", "8859/5-X", "UNICODE UTF-16"])
def test_without_a_charset_that_works_the_bytes_decide(name, encoded):
    """UTF-8 and then GB 18030 are tried; that a stated charset failed is recorded."""
    raw = named(name, f"血小板{samples.TRAPS}", encoded)
    assert result(raw).codes[0].text == f"血小板{samples.TRAPS}"
    assert delivery(raw).charset == encoded
    assert delivery(raw).flags == (("charset_mismatch",) if name else ())


def test_latin_1_is_the_last_resort():
    """Text that is neither UTF-8 nor GB 18030 is read as Latin-1."""
    raw = named("", "Thrombozyten für é ", "iso-8859-1")
    assert result(raw).codes[0].text == "Thrombozyten für é"
    assert delivery(raw).charset == "iso-8859-1"


def test_bytes_that_no_charset_explains_wait_whole():
    """Bytes that would make control characters of Latin-1 are no text; nothing is guessed."""
    raw = named("", "@", "ascii").replace(b"@", b"\xff \x81 ")
    found = delivery(raw)
    assert (found.whole, found.results, found.counted) == (InboxReason.UNDECODABLE_TEXT, (), 1)
    assert found.control_id == "MSG-0001"


def test_a_zero_byte_is_no_text():
    """A database cannot keep it as text, so the message waits whole."""
    raw = samples.one_result().replace(b"Platelets", b"Plate\0lets")
    assert delivery(raw).whole is InboxReason.UNDECODABLE_TEXT


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_as_undecodable(codec):
    """Separators of two bytes are not HL7; the results are counted all the same."""
    raw = samples.generic_cbc().decode().encode(codec)
    found = delivery(raw)
    assert (found.whole, found.counted) == (InboxReason.UNDECODABLE_TEXT, 4)


def test_the_profile_overrides_what_is_declared():
    """A laboratory that states a wrong charset is read by its profile, and nothing is flagged."""
    raw = named("UNICODE UTF-8", "血小板", "gb18030")
    assert result(raw, "utf-8", charset="gb18030").codes[0].text == "血小板"
    assert delivery(raw, "utf-8", charset="gb18030").flags == ()


def test_the_content_type_wins_over_the_header():
    """HL7 over HTTP: the charset of the request wins over MSH-18."""
    raw = named("8859/1", "µ", "utf-8")
    assert result(raw).codes[0].text == "Âµ"
    assert result(raw, "UTF-8").codes[0].text == "µ"


def test_a_charset_of_the_content_type_that_fails_leaves_the_header_its_say():
    """Clients add a charset of their own; MSH-18 is next."""
    raw = named("GB 18030-2000", "血小板", "gb18030")
    assert result(raw, "utf-8").codes[0].text == "血小板"
    assert delivery(raw, "utf-8").flags == ("charset_mismatch",)


def test_a_byte_order_mark_is_no_text():
    """Three of three laboratory samples of one vendor begin with one."""
    raw = codecs.BOM_UTF8 + samples.one_result()
    assert result(raw).values == (("98",),)
    assert delivery(raw).control_id == "MSG-0001"


def test_characters_that_hold_a_separator_survive():
    """Every such character of GB 18030 stays itself: decoding comes before splitting."""
    characters = characters_with_separators()
    assert len(characters) > 400
    raw = samples.message(
        samples.msh(fields={18: "GB 18030-2000"}),
        samples.pid(name="".join(characters)),
        samples.obr(),
        *(samples.obx(f"L1^{character}^L") for character in characters),
        charset="gb18030",
    )
    assert all(sign in raw for sign in SEPARATORS)
    found = delivery(raw)
    assert [each.codes[0].text for each in found.results] == characters
    assert {each.values for each in found.results} == {(("98",),)}


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "iso-8859-1"])
def test_the_charset_is_found_behind_a_name_that_hides_a_separator(charset):
    """A hospital's name in MSH-4 can hold a separator as a byte, or swallow one."""
    names = {"utf-8": "UNICODE UTF-8", "gb18030": "GB 18030-2000", "iso-8859-1": "8859/1"}
    facility = "Hôpitalé" if charset == "iso-8859-1" else samples.TRAPS
    raw = samples.message(
        samples.msh(fields={4: facility, 18: names[charset]}),
        samples.pid(),
        samples.obr(),
        samples.obx(),
        charset=charset,
    )
    assert named_in(raw) == [names[charset]]
    assert delivery(raw).charset == charset


@pytest.mark.parametrize("name", ["GB18030", "BIG-5", "8859/15", "ASCII", "windows-1252", "UTF-8"])
def test_a_codec_is_known_by_its_own_name(name):
    """What is kept with a message reads it again."""
    codec = codec_of(name)
    assert codec is not None
    assert codec_of(codec) == codec


def test_names_of_charsets_are_closed():
    """Only known text encodings are ever used, whatever a sender names."""
    assert codec_of("unicode_escape") is None
    assert codec_of("utf-16") is None
    assert codec_of("gb_2312-80") is None
    assert codec_of("iso-8859-1") == "iso-8859-1"


def as_utf_8(text: str, name: str = "GB 18030-2000") -> bytes:
    """Build UTF-8 under another name, with the collection and report times behind a panel's name.

    Read as GB 18030, a name of an odd number of characters takes the separator after it along.
    """
    order = {4: f"58410-2^CBC^LN^^{text}", 7: "20260601073000", 8: "20260602073000"}
    return samples.message(
        samples.msh(fields={18: name}),
        samples.pid(),
        samples.obr("A-1", order),
        samples.obx(f"L1^{text}^L"),
    )


@pytest.mark.parametrize("name", ["GB 18030-2000", "GBK", "BIG-5"])
@pytest.mark.parametrize(
    "text", ["常规", "检验", "白细胞", "五分类", "血常规", "急查：μ≥5", samples.TRAPS]
)
def test_utf_8_under_the_name_of_a_two_byte_charset_is_read_as_what_it_is(text, name):
    """No separator is swallowed, by which a field would be another one; the flag says so."""
    found = delivery(as_utf_8(text, name))
    assert (found.charset, found.flags, found.whole) == ("utf-8", ("charset_mismatch",), None)
    assert (found.results[0].collected, found.results[0].panel.code) == (
        "20260601073000",
        "58410-2",
    )
    assert found.results[0].codes[0].text == text


def test_the_profile_does_not_make_gb_18030_of_utf_8():
    """A charset that is set by hand can be wrong, too, once the laboratory changes its system."""
    found = delivery(as_utf_8("白细胞", "UNICODE UTF-8"), charset="gb18030")
    assert (found.charset, found.flags) == ("utf-8", ("charset_mismatch",))
    assert found.results[0].collected == "20260601073000"


def gb_18030_that_is_utf_8() -> list[str]:
    """List common characters that are letters of other scripts when they are read as UTF-8."""
    found = []
    for first in range(0xC2, 0xE0):
        for second in range(0xA1, 0xC0):
            text = bytes([first, second]).decode("gb2312", errors="replace")
            if text.isalpha():
                found.append(text)
    return found


def test_gb_18030_that_happens_to_be_utf_8_stays_what_it_is():
    """Nearly a thousand common characters are valid UTF-8, of Greek, Cyrillic or Arabic letters."""
    characters = gb_18030_that_is_utf_8()
    assert len(characters) > 900
    raw = samples.message(
        samples.msh(fields={18: "GB 18030-2000"}),
        samples.pid(name="".join(characters)),
        samples.obr(),
        *(samples.obx(f"L1^{character}^L") for character in characters[:900]),
        charset="gb18030",
    )
    assert raw.decode("utf-8") != raw.decode("gb18030")
    found = delivery(raw)
    assert (found.charset, found.flags) == ("gb18030", ())
    assert [each.codes[0].text for each in found.results] == characters[:900]


@pytest.mark.parametrize(
    ("text", "whole"), [("é", None), ("naïve €", InboxReason.UNDECODABLE_TEXT)]
)
def test_bytes_that_could_be_either_wait_where_it_matters(text, whole):
    """Both readings are text and neither is Chinese as such; a swallowed sign decides nothing."""
    found = delivery(named("GB 18030-2000", text, "utf-8"))
    assert found.whole is whole
    assert found.charset == (None if whole else "gb18030")
