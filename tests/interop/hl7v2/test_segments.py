"""Lines become segments and fields whatever their ends, marks and escapes."""

import pytest

from app.domain.inbound import InboxReason
from app.interop.hl7v2.notation import Notation, UnreadableError
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import delivery, result, results

USUAL = Notation.of("|", "^~\\&", "utf-8")
GB = Notation.of("|", "^~\\&", "gb18030")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\n", "\r\n\r\n"])
def test_every_line_end_ends_a_segment(end):
    """CR as HL7 has it, LF and CRLF as files have it, blank lines between."""
    text = samples.generic_cbc().decode().replace("\r", end)
    assert [each.values[0][0] for each in results(text.encode())] == ["4.2", "2.1", "92", "98"]


def test_line_ends_may_be_mixed_and_the_last_one_missing():
    """Each segment may end in its own way."""
    head, patient, *rest = samples.generic_cbc().decode().rstrip("\r").split("\r")
    raw = f"{head}\r\n{patient}\n\n" + "\r".join(rest)
    assert len(results(raw.encode())) == 4


def test_a_segment_may_be_indented():
    """Blanks before a segment's name are not part of it."""
    assert len(results(samples.generic_cbc().replace(b"\r", b"\r  "))) == 4


@pytest.mark.parametrize("marks", ["^~\\&", "^~\\&#", "^~", "^~\\", "$%*@"])
def test_encoding_characters_are_as_declared(marks):
    """Two to five signs; in v2.7 the fifth one tells of truncation."""
    code = marks[0].join(("777-3", "Platelets", "LN"))
    raw = samples.message(
        samples.msh("ORU", fields={2: marks}), samples.pid(), samples.obr(), samples.obx(code)
    )
    (only,) = result(raw).codes
    assert (only.code, only.text, only.system) == ("777-3", "Platelets", "LN")


@pytest.mark.parametrize("separator", ["#", "%", "!", "§"])
def test_the_field_separator_is_as_declared(separator):
    """MSH-1 is whatever follows MSH."""
    raw = samples.one_result().decode().replace("|", separator).encode()
    assert (result(raw).values, result(raw).unit) == ((("98",),), "10*9/L")


@pytest.mark.parametrize("marks", ["", "^", "^^~\\", "^~\\&#!", "ABCD", "^ \\&"])
def test_a_header_without_usable_marks_leaves_the_message_whole(marks):
    """What cannot be split is kept for a person, with its results counted."""
    found = delivery(samples.one_result().replace(b"|^~\\&|", f"|{marks}|".encode(), 1))
    assert (found.whole, found.refusal) == (InboxReason.UNREADABLE_MESSAGE, None)
    assert (found.results, found.counted) == ((), 1)


@pytest.mark.parametrize("head", [b"MSH", b"MSH\r", b"MSHX^~", b"MSH |", b"MSH\n|^~\\&|"])
def test_a_header_without_a_separator_is_unreadable_and_nothing_worse(head):
    """A mutated header once crashed a reader by its empty separator."""
    assert delivery(head + b"\rOBX|1|NM").whole is InboxReason.UNREADABLE_MESSAGE


@pytest.mark.parametrize(("field", "marks"), [("", "^~\\&"), ("|", "^"), ("|", "^~|"), ("a", "^~")])
def test_a_notation_needs_distinct_marks(field, marks):
    """One kind of error says so."""
    with pytest.raises(UnreadableError):
        Notation.of(field, marks, "utf-8")


def test_a_line_without_a_name_continues_the_one_before():
    """Its text is kept, the fields after it stay in place, and the delivery says so."""
    raw = samples.one_result("L9^Smear^L", "first line\rthe second line, and more", "")
    assert result(raw).values == (("first line\nthe second line, and more",),)
    assert result(raw).status == "F"
    assert delivery(raw).flags == ("continuation_text",)


@pytest.mark.parametrize(
    "line",
    [
        "PD|1||S-002", "OX|2|NM", "OBX1|NM", "obr1|2", "P1D|2||S-002", "PDI|2||S-002", "OBER2|2",
        "SMP|1|S", "P ID|2||S-002", "|2||S-002", "患者|2", "OBX;2|NM", "OBX 2|NM", "Z|1", "zpi|1",
    ],
)  # fmt: skip
def test_a_line_that_looks_like_a_mangled_segment_leaves_the_message_whole(line):
    """A patient or an order that is not seen would be taken for the one before."""
    found = delivery(samples.one_result() + line.encode() + b"\r")
    assert found.whole in {InboxReason.UNREADABLE_MESSAGE, InboxReason.COUNT_MISMATCH}


def test_unknown_segments_are_passed_over():
    """Z-segments and the rest of HL7 neither hold nor group results."""
    line = b"ZPI|1|a^b~c&d\rZLR||x\rPD1|||\rTQ1|1\rORC|RE\rPRT|1\rZ01|2\r"
    raw = samples.generic_cbc().replace(b"\rOBX|3", b"\r" + line + b"OBX|3")
    assert results(raw) == results(samples.generic_cbc())
    assert delivery(raw).flags == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"one\.br\two", "one\ntwo"),
        (r"\H\loud\N\ly", "loudly"),
        (r"\X41\\X4243\ ", "ABC "),
        (r"\XC2B5\mol/L", "µmol/L"),
        (r"\Z12\ \.sp2\ \C2842\ ", r"\Z12\ \.sp2\ \C2842\ "),
        (r"\X4\ \XZZ\ \X00\ \XFF\ \X\ ", r"\X4\ \XZZ\ \X00\ \XFF\ \X\ "),
        (r"5 \ 6", r"5 \ 6"),
        ("\\P\\", "\\P\\"),
        ("plain", "plain"),
    ],
)
def test_escapes_are_read(text, meant):
    """Known sequences are replaced; what is unknown, or no text, stays as it came."""
    assert USUAL.unescape(text) == meant


def test_hexadecimal_escapes_are_in_the_charset_of_the_message():
    """The same two bytes are another character elsewhere."""
    assert GB.unescape(r"\XD1AA\常规") == "血常规"


def test_escapes_need_an_escape_character():
    """Where MSH-2 gives none, a backslash is a backslash; a fifth sign can be escaped."""
    assert Notation.of("|", "^~", "utf-8").unescape(r"\F\ ") == r"\F\ "
    assert Notation.of("|", "^~\\&#", "utf-8").unescape(r"\P\ ") == "# "


def test_escaping_undoes_unescaping():
    """What is written escaped says the same again; without an escape character it is blank."""
    assert USUAL.unescape(USUAL.escaped("a|b^c&d~e\\f")) == "a|b^c&d~e\\f"
    assert Notation.of("|", "^~", "utf-8").escaped("a|b^c&d") == "a b c&d"


def test_escapes_are_read_after_splitting():
    """An escaped separator separates nothing."""
    raw = samples.one_result(r"L1^A\T\B \S\ C\F\D^L", r"<\S\5", r"10\S\9/L")
    (code,) = result(raw).codes
    assert (code.code, code.text, code.system) == ("L1", "A&B ^ C|D", "L")
    assert (result(raw).values, result(raw).unit) == ((("<^5",),), "10^9/L")
