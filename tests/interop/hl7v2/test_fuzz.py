"""Whatever comes, reading and answering never fail, and no result is ever lost in silence."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.acknowledgement import acknowledge, wants_answer
from app.interop.hl7v2.header import read_header
from app.services.inbound import Delivery, Receipt
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import deliveries, results

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MESSAGES = (
    samples.generic_cbc(),
    samples.chinese_oul(),
    samples.chinese_oul(charset="gb18030"),
    samples.old_chinese_oul(),
    samples.two_patients(),
    samples.batch(samples.generic_cbc("A"), samples.one_result(control_id="B")),
)
# What is put in, or in place of something: separators, line ends, names, halves of characters.
PIECES = st.sampled_from(
    [
        b"", b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\r\n", b"\0", b"\x0b", b"\x1c\r",
        b"\x85", b"OBX", b"OBX|", b"\rOBX|1|NM", b"MSH", b"\rMSH|^~\\&|", b"PID|", b"SPM", b"FHS",
        b"\rBTS|", b"\xab", b"\xe9|", b"\xef\xbb\xbf", b"\\X", b"\\F\\", b'""', b"\xff\xfe",
    ]
) | st.binary(max_size=4)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 40), PIECES), max_size=6)
NAME = re.compile(rb"(?:^|[\r\n])OBX\|")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a message with pieces cut out and put in anywhere."""
    raw = draw(st.sampled_from(MESSAGES))
    for position, length, piece in draw(EDITS):
        at = position % (len(raw) + 1)
        raw = raw[:at] + piece + raw[at + length :]
    return raw


def receipt_of(delivery: Delivery) -> Receipt:
    """Tell what would become of a delivery if everything in it could be filed."""
    waiting = delivery.counted if delivery.whole else 0
    refused = delivery.counted if delivery.refusal else 0
    return Receipt(
        message_id=UUID(int=1),
        repeated=False,
        refusal=delivery.refusal,
        flags=delivery.flags,
        results=(),
        message_item_id=UUID(int=2) if delivery.whole else None,
        received=delivery.counted,
        filed=len(delivery.results),
        duplicates=0,
        inbox=waiting,
        refused=refused,
    )


def check(raw: bytes, declared: str | None) -> None:
    """Read and answer; every byte is kept and every result accounted for."""
    found = deliveries(raw, declared)
    assert b"".join(each.raw for each in found) == raw
    for each in found:
        if each.whole or each.refusal:
            assert each.results == ()
        else:
            assert len(each.results) == each.counted
        header = read_header(each.raw, SenderProfile(), declared)
        answer = acknowledge(header, receipt_of(each), NOW, "OWN")
        assert answer.startswith(b"MSH")
        assert answer.count(b"\rMSA") == 1
        assert isinstance(wants_answer(header), bool)
    assert sum(each.counted for each in found) >= len(NAME.findall(raw))


@settings(max_examples=150, deadline=None)
@given(raw=mutated(), declared=st.sampled_from([None, "utf-8", "gb18030", "iso-8859-1", "x"]))
def test_mutated_messages_lose_nothing(raw, declared):
    """Messages with pieces missing, doubled, or put where they do not belong."""
    check(raw, declared)


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_lose_nothing(raw):
    """Bytes that were never a message, alone and behind a header."""
    check(raw, None)
    check(b"MSH" + raw, None)
    check(samples.msh().encode() + b"\r" + raw, None)


@pytest.mark.parametrize("raw", MESSAGES[:2])
def test_a_message_cut_off_anywhere_loses_nothing(raw):
    """A connection may end at any byte."""
    for length in range(len(raw)):
        check(raw[:length], None)


# A text that ends in the name of a segment may be one whose line end was lost: it waits.
NAMES = ("OBX", "OBR", "PID", "SPM")
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn"], exclude_characters='|^~\\&"')
    | st.sampled_from(samples.TRAPS),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() == text and not text.endswith(NAMES))


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=5), charset=st.sampled_from(["utf-8", "gb18030"]))
def test_any_text_comes_through_both_charsets(texts, charset):
    """What a laboratory writes is what is read, in names, values and ranges."""
    name = {"utf-8": "UNICODE UTF-8", "gb18030": "GB 18030-2000"}[charset]
    lines = [samples.obx(f"L1^{text}^L", text, fields={7: text}) for text in texts]
    raw = samples.message(
        samples.msh(fields={18: name}), samples.pid(), samples.obr(), *lines, charset=charset
    )
    found = results(raw)
    assert [each.codes[0].text for each in found] == texts
    assert [each.values for each in found] == [((text,),) for text in texts]
    assert [each.reference_range for each in found] == texts
