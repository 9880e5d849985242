"""Values as sent: numbers, bounds and words under whatever type they come."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.doubts import Doubts
from app.domain.errors import DomainError
from app.domain.quantities import Comparator
from app.domain.sender_profile import SenderProfile, ValueWord
from app.domain.sent_values import SentValue, read_value

PLAIN = SenderProfile()
NEGATIVE, POSITIVE = ValueWord.NEGATIVE, ValueWord.POSITIVE
INDETERMINATE, NO_VALUE = ValueWord.INDETERMINATE, ValueWord.NO_VALUE


def read(*parts, kind="ST", profile=PLAIN):
    """Read a value of one repetition."""
    return read_value(kind, (parts,), profile)


def refused(*values, kind="ST", profile=PLAIN):
    """Return the code of a refusal; its sentence shows nothing of the value."""
    with pytest.raises(DomainError) as caught:
        read_value(kind, values, profile)
    assert not any(len(part) > 1 and part in caught.value.message for v in values for part in v)
    return caught.value.code


@pytest.mark.parametrize("kind", ["NM", "SN", "ST", "TX", "FT", "IS", "", "BAD", " nm "])
@pytest.mark.parametrize(
    ("text", "number", "comparator"),
    [
        ("102", "102", None), ("<15", "15", "<"), ("< 15", "15", "<"), ("<=15", "15", "<="),
        (">1000", "1000", ">"), (">=200", "200", ">="), ("≤0.5", "0.5", "<="), ("≥3", "3", ">="),
        ("＜１５", "15", "<"), ("＞＝2", "2", ">="), ("≦1", "1", "<="), ("≧1", "1", ">="),
        (" １０２．５ ", "102.5", None), ("<1.5E+03", "1500", "<"), ("=7", "7", None),
    ],
)  # fmt: skip
def test_the_type_is_only_a_hint(kind, text, number, comparator):
    """Text carries numbers and numbers carry bounds; full width and signs are the same."""
    read_as = read(text, kind=kind)
    assert read_as.number == Decimal(number)
    assert read_as.comparator == (comparator and Comparator(comparator))
    assert read_as.word is None


@pytest.mark.parametrize(
    ("parts", "number", "comparator"),
    [
        (("", "182"), "182", None), ((">=", "200"), "200", ">="), (("<", "15"), "15", "<"),
        (("=", "182"), "182", None), (("182",), "182", None), (("<15", ""), "15", "<"),
        (("", "182", "", ""), "182", None), (("＜", "15"), "15", "<"),
    ],
)  # fmt: skip
def test_structured_numbers(parts, number, comparator):
    """A structured number without comparator means that it equals."""
    read_as = read(*parts, kind="SN")
    assert (read_as.number, read_as.comparator) == (Decimal(number), comparator)


@pytest.mark.parametrize(
    "parts",
    [
        ("", "1", ":", "128"), ("", "10", "-", "20"), (">=", "2", "+"), ("<>", "5"), ("1", "5"),
        ("12.3", "g/L"), ("", "", "5"), ("5", "", "x"),
    ],
)  # fmt: skip
def test_ratios_ranges_and_other_components_are_unreadable(parts):
    """Only a comparator and one number are a value; nothing is joined to a longer number."""
    for kind in ("SN", "NM", "ST"):
        assert refused(parts, kind=kind) == "unreadable_value"


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("12.3*", ("*",)), ("12.3 ↑", ("↑",)), ("12.3↓", ("↓",)), ("12.3 H", ("H",)),
        ("12.3L", ("L",)), ("12.3 HH*", ("H", "H", "*")), ("12.3 (H)", ("(H)",)), ("12.3", ()),
    ],
)  # fmt: skip
def test_marks_behind_a_number_are_taken_off_and_kept(text, marks):
    """An asterisk, an arrow or a letter says what the flag says and is no part of the number."""
    assert read(text) == SentValue(number=Decimal("12.3"), marks=marks)


def test_a_bound_keeps_its_comparator_beside_a_mark():
    """`<0.5 ↓` is below 0.5."""
    assert read("<0.5 ↓") == SentValue(
        number=Decimal("0.5"), comparator=Comparator.LT, marks=("↓",)
    )


@pytest.mark.parametrize("text", ["12.3 N", "12.3 h", "*12.3", "H", "↑", "*", "<", "12.3 g/L"])
def test_other_letters_make_a_value_unreadable(text):
    """A unit or an unknown letter is not taken off."""
    assert refused((text,)) == "unreadable_value"


def test_repetitions_that_differ_are_never_averaged():
    """Two numbers, or a number and its bound, need a person; the same one twice does not."""
    assert refused(("27",), ("25",)) == "ambiguous_number"
    assert refused(("27",), ("<27",)) == "ambiguous_number"
    assert refused(("37.0",), ("37.1",), ("37.2",), kind="NM") == "ambiguous_number"
    assert read_value("NM", (("27",), ("27.0",), ("",)), PLAIN).number == 27


def test_nothing_sent_is_no_value():
    """No repetition, blanks and the null of HL7 say nothing, of whatever type."""
    for values in ((), (("",),), ((" ", ""),), (('""',),)):
        for kind in ("NM", "CWE", "ED"):
            assert read_value(kind, values, PLAIN) == SentValue()


@pytest.mark.parametrize("kind", ["DT", "TS", "ED", "RP", "NA", "xpn"])
def test_dates_data_and_names_are_no_values(kind):
    """Twenty million is not the viral load when the type says that it is a date."""
    assert refused(("20260520",), kind=kind) == "content_mismatch"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Negative", NEGATIVE), ("NEG.", NEGATIVE), ("阴性", NEGATIVE), ("阴性(-)", NEGATIVE),
        ("阴性（-）", NEGATIVE), ("阴性 （－）", NEGATIVE),
        ("未见", NEGATIVE), ("未检出", NEGATIVE),
        ("Not detected", NEGATIVE), ("Non-Reactive", NEGATIVE), ("non‑reactive", NEGATIVE),
        ("-", NEGATIVE), ("－", NEGATIVE), ("阳性", POSITIVE), ("弱阳性", POSITIVE),
        ("weak positive", POSITIVE), ("Detected", POSITIVE), ("+", POSITIVE), ("＋＋", POSITIVE),
        ("2+", POSITIVE), ("Indeterminate", INDETERMINATE), ("±", INDETERMINATE),
        ("cancelled", NO_VALUE), ("QNS", NO_VALUE), ("TNTC", NO_VALUE), ("Haemolysed", NO_VALUE),
        ("标本溶血", NO_VALUE), ("not-performed", NO_VALUE), ("unknown", NO_VALUE),
    ],
)  # fmt: skip
def test_words_in_two_languages_and_signs(text, word):
    """Findings and the words for no value are known whatever their case, width and blanks."""
    for kind in ("ST", "CWE", "NM"):
        assert read(text, kind=kind) == SentValue(word=word)
    assert read("", text, kind="CWE").word is word


@pytest.mark.parametrize(
    "text", ["normal", "see comment", "as-text", "<LOD", "阴性(+)", "N", "P", "--", "."]
)
def test_words_that_could_mean_several_things_are_unreadable(text):
    """A sign that contradicts its word, a single letter and a detection limit are not guessed."""
    assert refused((text,)) == "unreadable_value"


def test_words_of_the_profile_come_first():
    """A sender's own words count, whatever their case, before the general ones."""
    profile = SenderProfile(words={"Below LOD": NEGATIVE, "-": NO_VALUE, ".": POSITIVE})
    assert read("below  lod", profile=profile).word is NEGATIVE
    assert read("-", profile=profile).word is NO_VALUE
    assert read_value("ST", (("",),), profile) == SentValue()


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (("260385009", "Negative", "SCT"), NEGATIVE),
        (("260415000", "", "http://snomed.info/sct"), NEGATIVE),
        (("10828004", "Positivo", "2.16.840.1.113883.6.96"), POSITIVE),
        (("LA6576-8", "", "LN"), POSITIVE),
        (("LA11884-6", "", "http://loinc.org"), INDETERMINATE),
        (("A1", "Not detected", "L", "260415000", "", "SCT"), NEGATIVE),
        (("A1", "local", "L", "", "Reactive"), POSITIVE),
        (("A1", "", "L", "", "", "", "", "", "Positive"), POSITIVE),
        (("POS", "", "L"), POSITIVE),
    ],
)
def test_coded_values_by_code_or_text(parts, word):
    """A finding is known by its public code, or by a word in its code or text."""
    for kind in ("CE", "CWE", "CNE", "CF"):
        assert read(*parts, kind=kind).word is word


@pytest.mark.parametrize(
    "parts",
    [
        ("260373001", "Not detected", "SCT"),
        ("260385009", "", "L"),
        ("12345", "", "SCT"),
        ("1", "", "LN"),
        ("182",),
        ("182", "182"),
        ("A1", "Yellow", "L"),
        ("", "", "L"),
        ("", "Yellow"),
    ],
)
def test_coded_values_that_nobody_knows_are_unreadable(parts):
    """Code and text that contradict each other need a person; a code's digits are no number."""
    assert refused(parts, kind="CWE") == "unreadable_value"


def test_a_text_without_any_code_may_be_a_number():
    """Some senders declare every value coded."""
    assert read("", "<15", kind="CE") == SentValue(number=Decimal(15), comparator=Comparator.LT)
    assert read("", "", "", "", "7", kind="CE").number == 7


def test_long_texts_are_unreadable_at_once():
    """Five thousand digits, marks or blanks cost no time and no error of another kind."""
    for text in ("9" * 5000, "9" + "H" * 5000, "9" + "*" * 5000, "9" + " " * 5000 + "x"):
        assert refused((text,)) == "unreadable_value"


ANY = st.text(max_size=12) | st.text(st.sampled_from("0123456789.,<>=+-eHL*↑^阴性() "), max_size=12)
KINDS = st.sampled_from(["NM", "SN", "ST", "CWE", "TX", "", "ED"]) | st.text(max_size=3)


@settings(max_examples=200)
@given(kind=KINDS, values=st.lists(st.lists(ANY, max_size=10), max_size=3))
def test_any_value_is_read_or_refused_with_a_reason(kind, values):
    """Whatever is sent, the answer is a value or the reason why there is none."""
    doubts = Doubts()
    value = doubts.attempt(read_value, kind, values, PLAIN)
    assert (value is None) == (len(doubts.reasons) == 1)
    assert value is None or value.number is None or value.word is None


@settings(max_examples=150)
@given(
    number=st.decimals(0, 10**9, places=3),
    comparator=st.sampled_from(["", "<", "<=", ">", ">="]),
    mark=st.sampled_from(["", " H", "↓", "*"]),
)
def test_bounds_survive_every_notation(number, comparator, mark):
    """Comparator and digits are the same in one text, in components and in full width."""
    wide = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    expected = (number, Comparator(comparator) if comparator else None, None)
    assert read(f"{comparator}{number:f}{mark}").content == expected
    assert read(comparator, f"{number:f}", kind="SN").content == expected
    assert read(f"{comparator}{number:f}".translate(wide)).content == expected
