"""The answer says what became of a message, in the sender's own terms, and names no patient."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.errors import Reason
from app.domain.inbound import InboundOutcome, InboxReason
from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.acknowledgement import acknowledge, wants_answer
from app.interop.hl7v2.header import read_header
from app.services.inbound import Receipt, ResultReceipt
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid

NOW = datetime(2026, 6, 1, 4, 0, 5, tzinfo=UTC)
MESSAGE = UUID("01970000-0000-7000-8000-000000000001")
ITEM = UUID("01970000-0000-7000-8000-000000000002")
STORED = Receipt(
    message_id=MESSAGE,
    repeated=False,
    refusal=None,
    flags=(),
    results=(),
    received=4,
    filed=4,
    duplicates=0,
    inbox=0,
    refused=0,
)
SUMMARY = f"Stored as {MESSAGE}: 4 received, 4 filed, 0 duplicate, 0 in the inbox, 0 refused"


def waiting(position: int, *reasons: str) -> ResultReceipt:
    """Build what is told of a result in the inbox."""
    told = tuple(Reason(reason, "Somebody has to look.") for reason in reasons)
    return ResultReceipt(
        position=position, outcome=InboundOutcome.INBOX, inbox_item_id=ITEM, reasons=told
    )


def answer(raw: bytes, receipt: Receipt = STORED) -> list[list[str]]:
    """Answer a message; give the fields of each segment."""
    header = read_header(raw, SenderProfile())
    text = acknowledge(header, receipt, NOW, "OWN-1").decode("gb18030")
    assert text.endswith("\r")
    return [line.split("|") for line in text.removesuffix("\r").split("\r")]


def with_header(**fields: str) -> bytes:
    """Build a message whose header has the given fields, such as f12."""
    numbered = {int(name[1:]): value for name, value in fields.items()}
    return message(msh(fields=numbered), pid(), obr(), obx())


def test_a_stored_message_is_accepted():
    """AA with the control id, the counts, and the sender's header turned round."""
    head, acceptance = answer(samples.generic_cbc("A-1"))
    assert head[:7] == [
        "MSH",
        "^~\\&",
        "MSC-ICAHT",
        "TRIAL",
        "LIS",
        "HOSPITAL-A",
        "20260601040005+0000",
    ]
    assert head[8:12] == ["ACK^R01^ACK", "OWN-1", "P", "2.5.1"]
    assert head[17] == "UNICODE UTF-8"
    assert acceptance == ["MSA", "AA", "A-1", SUMMARY]


@pytest.mark.parametrize(
    ("kind", "answered"),
    [
        ("ORU^R01", "ACK^R01"),
        ("ORU", "ACK"),
        ("ORU^^ORU_R01", "ACK^R01^ACK"),
        ("OUL^R24^OUL_R24", "ACK^R24^ACK"),
        ("ORU^<script>", "ACK"),
    ],
)
def test_the_answer_follows_the_trigger(kind, answered):
    """With a structure where the sender gives one."""
    assert answer(with_header(f9=kind))[0][8] == answered


@pytest.mark.parametrize("control_id", ["1", "x" * 300, "a^b&c~d", "\\F\\1", " 7 ", "编号"])
def test_the_control_id_is_echoed_exactly(control_id):
    """Senders compare it, whatever its length and content."""
    raw = message(msh(control_id=control_id, fields={18: "GB18030"}), obx(), charset="gb18030")
    assert answer(raw)[1][2] == control_id


def test_separators_and_version_are_the_senders():
    """Also five encoding characters, and a header whose version is coded."""
    raw = samples.one_result().replace(b"|", b"#").replace(b"^~\\&", b"$%\\&@").replace(b"^", b"$")
    text = acknowledge(read_header(raw, SenderProfile()), STORED, NOW, "OWN-1").decode()
    head, acceptance = text.split("\r")[:2]
    assert head.startswith("MSH#$%\\&@#MSC-ICAHT#")
    assert "#ACK$R01$ACK#OWN-1#P#2.5.1#" in head
    assert acceptance.startswith("MSA#AA#MSG-0001#Stored as ")
    assert answer(with_header(f12="2.5^^"))[0][11] == "2.5^^"


def test_the_answer_is_in_the_charset_of_the_message():
    """A name in the header comes back in the bytes it came in."""
    raw = message(
        msh(fields={4: samples.TRAPS, 18: "GB 18030-2000"}), pid(), obx(), charset="gb18030"
    )
    sent = acknowledge(read_header(raw, SenderProfile()), STORED, NOW, "OWN-1")
    assert samples.TRAPS.encode("gb18030") in sent


def test_results_in_the_inbox_are_named_by_reference():
    """One ERR for each, as a warning, with place, code and reasons; the message is accepted."""
    results = (waiting(0, "unknown_unit", "implausible_value"), waiting(3, "specimen_reused"))
    receipt = replace(STORED, results=results, filed=2, inbox=2)
    _, acceptance, first, second = answer(samples.generic_cbc(), receipt)
    assert acceptance[1] == "AA"
    assert acceptance[3].endswith("4 received, 2 filed, 0 duplicate, 2 in the inbox, 0 refused")
    assert first == [
        "ERR", "", "OBX^1", "103^Table value not found^HL70357", "W", "", "", "",
        f"Waits in the inbox as {ITEM}: unknown_unit, implausible_value",
    ]  # fmt: skip
    assert second[2:4] == ["OBX^4", "205^Duplicate key identifier^HL70357"]


def test_the_answer_stays_short():
    """The first twenty are named; the counts tell of all."""
    results = tuple(waiting(position, "unknown_unit") for position in range(1_000))
    receipt = replace(STORED, results=results, received=1_000, filed=0, inbox=1_000)
    assert len(answer(samples.generic_cbc(), receipt)) == 2 + 20


def test_filed_results_make_no_error():
    """Only what waits is told."""
    filed = ResultReceipt(position=0, outcome=InboundOutcome.FILED, lab_result_id=ITEM)
    assert len(answer(samples.generic_cbc(), replace(STORED, results=(filed,)))) == 2


def test_a_message_that_waits_whole_is_accepted():
    """It is stored; the reference is that of the message."""
    receipt = replace(STORED, filed=0, inbox=4, message_item_id=ITEM)
    _, acceptance, error = answer(samples.generic_cbc(), receipt)
    assert acceptance[1] == "AA"
    assert error[3] == "0^Message accepted^HL70357"
    assert error[4:] == ["W", "", "", "", f"The whole message waits in the inbox as {ITEM}"]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("not_hl7", "100"),
        ("wrong_message_type", "200"),
        ("not_production", "202"),
        ("too_many_results", "207"),
        ("frame_too_large", "207"),
    ],
)
def test_what_can_never_be_accepted_is_rejected(refusal, code):
    """AR with the code of table 0357 and a sentence on what to do."""
    receipt = replace(STORED, refusal=refusal, filed=0, refused=4)
    _, acceptance, error = answer(samples.generic_cbc(), receipt)
    assert (acceptance[1], acceptance[2]) == ("AR", "MSG-0001")
    assert acceptance[3].startswith(f"Refused as {MESSAGE}: ")
    assert (error[3].split("^")[0], error[4]) == (code, "E")
    assert error[8].endswith(".")


def test_older_versions_get_the_error_they_know():
    """Before 2.5, ERR-1 holds place and code, and the counts stand in MSA-3 alone."""
    raw = with_header(f12="2.3.1")
    refused = answer(raw, replace(STORED, refusal="not_production"))
    assert refused[2] == ["ERR", "MSH^1^^202&Unsupported processing id&HL70357"]
    waits = replace(STORED, results=(waiting(0, "unknown_unit"),), inbox=1)
    assert len(answer(raw, waits)) == 2


def test_what_is_not_hl7_gets_a_header_of_our_own():
    """There is nothing to echo; the answer is still an ACK."""
    receipt = replace(STORED, refusal="not_hl7", received=0, filed=0)
    head, acceptance, error = answer(b"hello", receipt)
    assert head == [
        "MSH", "^~\\&", "", "", "", "", "20260601040005+0000", "", "ACK", "OWN-1", "P", "2.5.1",
        "", "", "", "", "", "",
    ]  # fmt: skip
    assert acceptance[:3] == ["MSA", "AR", ""]
    assert error[0] == "ERR"


def test_a_header_that_cannot_be_split_is_still_echoed():
    """The field separator is enough; the usual encoding characters stand in."""
    head, acceptance = answer(with_header(f2="^"))
    assert head[1:6] == ["^~\\&", "MSC-ICAHT", "TRIAL", "LIS", "HOSPITAL-A"]
    assert acceptance[2] == "MSG-0001"


def test_a_header_of_undecodable_text_is_still_echoed():
    """The sender recognises its control id, so that it does not send for ever."""
    raw = samples.one_result().replace(b"98", b"\xff \x81 ")
    assert answer(raw)[1][2] == "MSG-0001"


def test_nothing_of_the_patient_is_in_the_answer():
    """Neither number nor name nor value, however the message fared."""
    raw = samples.chinese_oul()
    receipt = replace(STORED, results=(waiting(0, *InboxReason),), filed=0, inbox=1)
    text = acknowledge(read_header(raw, SenderProfile()), receipt, NOW, "OWN-1").decode()
    for secret in (samples.NUMBER, samples.TRAPS, "990000000000000000", "61.5", samples.ACCESSION):
        assert secret not in text


@pytest.mark.parametrize(
    ("fifteen", "sixteen", "wanted"),
    [
        ("", "", True),
        ("NE", "NE", False),
        ("", "NE", False),
        ("AL", "NE", True),
        ("NE", "AL", True),
        ("AL", "AL", True),
    ],
)
def test_a_sender_that_wants_no_answer_is_known(fifteen, sixteen, wanted):
    """Only MSH-16 NE says so, unless MSH-15 asks for one."""
    header = read_header(with_header(f15=fifteen, f16=sixteen), SenderProfile())
    assert wants_answer(header) is wanted


def test_what_has_no_header_is_answered():
    """Its sender can not have said otherwise."""
    assert read_header(b"hello", SenderProfile()) is None
    assert wants_answer(None)
