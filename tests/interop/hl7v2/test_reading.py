"""Every message becomes a delivery: read, waiting whole with the reason, or refused."""

import time

import pytest

from app.domain.inbound import Door, InboxReason
from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.framing import plain_count
from app.interop.hl7v2.reading import MOST_RESULTS, MOST_SEGMENTS, read
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import deliveries, delivery, results
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid


def of_kind(kind: str, **fields: str) -> bytes:
    """Build a message of a kind; `fields` such as f11 override the header."""
    numbered = {int(name[1:]): value for name, value in fields.items()}
    return message(msh(kind, fields=numbered), pid(), obr(), obx())


def test_a_delivery_says_how_it_came():
    """The door, the bytes, the control id, the count and the charset."""
    raw = samples.generic_cbc("A-1")
    (found,) = read(raw, SenderProfile(), Door.HL7V2)
    assert (found.door, found.raw, found.control_id) == (Door.HL7V2, raw, "A-1")
    assert (found.counted, found.charset, found.flags) == (4, "utf-8", ())
    assert (found.whole, found.refusal, found.may_repeat) == (None, None, True)


@pytest.mark.parametrize(
    "kind",
    [
        "ORU^R01^ORU_R01", "ORU^R01", "ORU", "ORU^^ORU_R01", "ORU^R02", "oru^r01",
        "OUL^R21^OUL_R21", "OUL^R22^OUL_R22", "OUL^R24^OUL_R24", "OUL^R24", "OUL^^OUL_R24",
    ],
)  # fmt: skip
def test_messages_that_report_results_are_taken(kind):
    """ORU as it is written in many ways, and OUL, which Chinese hospitals send."""
    assert len(results(of_kind(kind))) == 1


@pytest.mark.parametrize(
    "kind", ["ADT^A01^ADT_A01", "ACK^R01", "ORM^O01", "OUL^R23^OUL_R23", "OUL", "ORUX", "", "^R01"]
)
def test_other_messages_are_refused(kind):
    """Their results are counted, so that the tally of what came holds."""
    found = delivery(of_kind(kind))
    assert (found.refusal, found.whole) == ("wrong_message_type", None)
    assert (found.results, found.counted) == ((), 1)


@pytest.mark.parametrize(
    "processing",
    ["T", "D", "Q", "N", "T^T", " t ", "T~P", "P~T", "T&P", "\\X54\\", "\\H\\T", "P\\F\\"],
)
def test_what_is_not_production_is_refused(processing):
    """Training, debugging and quality control never enter the trial's data."""
    assert delivery(of_kind("ORU^R01", f11=processing)).refusal == "not_production"
    assert len(results(of_kind("ORU^R01", f11=processing), processing_id="T")) == 1


@pytest.mark.parametrize("processing", ["P", "", "P^A", "P^T", "p", "~P"])
def test_production_and_nothing_are_production(processing):
    """More than half of all senders leave MSH-11 empty."""
    assert len(results(of_kind("ORU^R01", f11=processing))) == 1


@pytest.mark.parametrize(
    "version", ["2.2", "2.3", "2.3.1", "2.4", "2.6", "2.8", "2.5^^", "2.999", ""]
)
def test_every_version_is_read_alike(version):
    """The version is only recorded."""
    assert len(results(of_kind("ORU^R01", f12=version))) == 1


def test_a_message_has_a_largest_size():
    """1,000 results are read, one more is refused."""
    lines = [msh(), pid(), obr(), *([obx()] * MOST_RESULTS)]
    assert len(results(message(*lines))) == MOST_RESULTS
    found = delivery(message(*lines, obx()))
    assert (found.refusal, found.counted) == ("too_many_results", MOST_RESULTS + 1)


def test_a_message_has_a_largest_number_of_segments():
    """20,000 are read, one more is refused, whatever they are."""
    room = MOST_SEGMENTS - 4
    lines = [msh(), pid(), obr(), obx(), *(["NTE|1||x"] * room)]
    assert len(results(message(*lines).rstrip(b"\r"))) == 1
    assert delivery(message(*lines, "NTE|2")).refusal == "too_many_results"


@pytest.mark.parametrize(
    ("most", "body"),
    [
        (50, lambda count: [pid("~".join(["N"] * count)), obr(), obx()]),
        (50, lambda count: [pid(), obr(), *["SPM|1|S"] * count, obx()]),
        (1_000, lambda count: [pid(), obr(), obx(value="^" * count)]),
        (65_536, lambda count: [pid(), obr(), obx(unit="x" * count)]),
        (65_536, lambda count: [pid(), obr(), obx(fields={7: "x" * count})]),
    ],
    ids=["identifiers", "specimens", "parts", "a field", "a whole field"],
)
def test_what_nobody_says_leaves_the_message_whole(most, body):
    """As much as any laboratory could mean is read; more would only keep the reader busy."""
    assert len(results(message(msh(), *body(most)))) == 1
    assert delivery(message(msh(), *body(most + 1))).whole is InboxReason.UNREADABLE_MESSAGE


def test_a_value_may_be_a_document():
    """OBX-5 holds whole files in some messages; the result beside them is not lost."""
    found = results(message(msh(), pid(), obr(), obx(value="A" * 100_000, fields={2: "ED"}), obx()))
    assert found[1].values == (("98",),)


def test_many_segments_take_no_more_time_each_than_few():
    """Eighteen thousand specimens were once copied for each of them, which took minutes."""
    lines = [pid(), *["SPM|1|S"] * 18_000, obr(), *["SPM|1|S"] * 900]
    began = time.process_time()
    assert results(message(msh(), *lines, pid(), obr(), obx())) != ()
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"hello", b'{"a": 1}', b"msh|^~\\&|", b"\xff\xfe\0", b"PID|1\rOBX|1|NM\r"]
)
def test_what_has_no_header_is_not_hl7(raw):
    """The bytes are kept, and whatever looks like a result is counted."""
    found = delivery(raw)
    assert (found.refusal, found.whole, found.raw) == ("not_hl7", None, raw)
    assert (found.control_id, found.counted) == (None, raw.count(b"OBX"))


def test_a_message_without_results_is_taken():
    """There is nothing to file and nothing to lose."""
    assert results(message(msh(), pid(), obr())) == ()


def test_control_ids_may_be_long_and_are_kept_short():
    """HL7 allows 199 characters; the database's index has its limit too."""
    assert delivery(of_kind("ORU^R01", f10="x" * 199)).control_id == "x" * 199
    assert delivery(of_kind("ORU^R01", f10="x" * 5_000)).control_id == "x" * 250
    assert delivery(of_kind("ORU^R01", f10="")).control_id is None
    assert delivery(of_kind("ORU^R01", f10="a\x07b")).control_id == "ab"


@pytest.mark.parametrize("separator", ["", "\r\n", "\r\r"])
def test_a_batch_becomes_one_delivery_for_each_message(separator):
    """With and without an envelope; the bytes of all are the bytes that came."""
    one, two = samples.generic_cbc("A"), samples.one_result(control_id="B")
    for raw in (samples.batch(one, two), one + separator.encode() + two):
        first, second = deliveries(raw)
        assert (first.control_id, second.control_id) == ("A", "B")
        assert (len(first.results), len(second.results)) == (4, 1)
        assert first.raw + second.raw == raw


def test_each_message_of_a_batch_can_be_read_again():
    """What waits is read anew from its own bytes."""
    raw = samples.batch(samples.generic_cbc("A"), samples.chinese_oul("B", "gb18030"))
    for found in deliveries(raw):
        assert delivery(found.raw) == found


def test_a_bad_message_of_a_batch_spoils_no_other():
    """One is refused, one waits whole, one is read."""
    test, bad, good = of_kind("ORU^R01", f11="T"), of_kind("ORU^R01", f2="^"), of_kind("ORU^R01")
    found = deliveries(samples.batch(test, bad, good))
    assert [each.refusal for each in found] == ["not_production", None, None]
    assert [each.whole for each in found] == [None, InboxReason.UNREADABLE_MESSAGE, None]
    assert [len(each.results) for each in found] == [0, 0, 1]


def test_text_that_begins_like_a_header_is_no_header():
    """MSH2 and MSH6 are genes, and a report may break its lines before one."""
    raw = samples.one_result("L1^Report^L", "genes\rMSH2 and\rMSH-6 are lost", "")
    assert results(raw)[0].values == (("genes\nMSH2 and\nMSH-6 are lost",),)


@pytest.mark.parametrize(
    "glue",
    [
        (b"\rOBX|2", b"OBX|2"),
        (b"\rOBX|2", b" OBX|2"),
        (b"\rOBX|2", b"\xc2\x85OBX|2"),
        (b"\rOBX|2", b"\x85OBX|2"),
        (b"\rOBX|2", b"\\r\\nOBX|2"),
        (b"\rOBX|2", b"\rBTS|1\rOBX|2"),
        (b"\rPID|1", b"PID|1"),
        (b"\rPID|1", b"PID|"),
        (b"\rOBR|1", b"OBR|"),
        (b"\rOBR|1", b"OBR|1"),
        (b"\rSPM|1", b"SPM|1"),
        (b"\r", b" "),
    ],
)
def test_segments_that_are_found_but_not_read_leave_the_message_whole(glue):
    """The plain count is a second opinion; where it differs nobody files a part."""
    raw = message(msh(), pid(), obr(), samples.spm(), obx(), obx(fields={1: "2"}))
    found = delivery(raw.replace(*glue))
    assert (found.whole, found.results) == (InboxReason.COUNT_MISMATCH, ())
    assert found.counted >= 2


def test_results_before_the_header_leave_the_message_whole():
    """They belong to nobody, and are not dropped."""
    found = delivery(b"OBX|1|NM|A||1\r" + samples.one_result())
    assert (found.whole, found.counted) == (InboxReason.COUNT_MISMATCH, 2)


def test_a_second_header_inside_a_message_leaves_it_whole():
    """A mark between line end and header that hides it from the cut does not join two messages."""
    raw = samples.one_result() + b"\xef\xbb\xbf\xef\xbb\xbf" + samples.one_result(control_id="B")
    assert [each.whole for each in deliveries(raw)] == [InboxReason.UNREADABLE_MESSAGE]


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("COVID RAPID|1|x", {}),
        ("MSH|^~\\&|LABOBX||OBR|1|2026", {}),
        ("a|FPID|1||x", {"PID": 1}),
        ("x|72|spm||", {}),
        ("OBX", {"OBX": 1}),
        ("OBXA|1\nOBX2", {}),
    ],
)
def test_the_plain_count_knows_words_from_segments(text, counted):
    """Names of tests, applications and units are no segments; what lost its line end is one."""
    assert plain_count(text) == counted
