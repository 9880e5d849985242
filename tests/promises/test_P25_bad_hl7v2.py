"""P25: what laboratories should not send and do is answered as promised, and nothing is lost.

By both doors, HTTP and MLLP. What can be stored is stored and answered AA; AR is only for what can
never be taken; and whatever came, the next message on the line is answered.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random

import pytest
from sqlalchemy import text

from app.interop.hl7v2.framing import messages_in
from app.services.inbound import sealed_place
from tests.conftest import KEYRING
from tests.factories.mllp import connected, listening, msa
from tests.factories.senders import BASE, basic, create_key, create_sender, sending
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import (
    HGB,
    PLT,
    TRAPS,
    analyzer_quality_control,
    batch,
    generic_cbc,
    message,
    msh,
    obr,
    obx,
    one_result,
    pid,
    segment,
    two_patients,
)

Send = Callable[[bytes], Awaitable[bytes]]
PATH = f"{BASE}/lis/hl7v2"
TABLES = ("inbound_message", "lab_result", "inbox_item")


@pytest.fixture
async def subjects(api):
    """The subjects S-001 and S-002."""
    return [await register(api), await register(api)]


@pytest.fixture(params=["http", "mllp"])
async def send(request, api, subjects, database, clock):
    """Send bytes as LIS-01 by one of the doors and give the acknowledgement."""
    sender = await create_sender(api)
    if request.param == "http":
        client = sending(api, basic("LIS-01", (await create_key(api, sender["id"]))["key"]))

        async def post(raw: bytes) -> bytes:
            answer = await client.post(PATH, content=raw, headers={"Content-Type": "text/plain"})
            assert answer.status_code == 200, answer.text
            return answer.content

        yield post
    else:
        async with listening(database, clock) as address, connected(address) as line:
            yield line.send


@pytest.fixture
async def line(api, subjects, database, clock):
    """Send bytes as LIS-01 over MLLP; for the tables that no door can make a difference to."""
    await create_sender(api)
    async with listening(database, clock) as address, connected(address) as line:
        yield line.send


@pytest.fixture
async def rows(session):
    """Count the rows of messages, results and inbox items."""

    async def counted() -> tuple[int, ...]:
        return tuple(
            [await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES]
        )

    return counted


@pytest.fixture
async def last(session):
    """Read the last message's row; what it holds is balanced."""

    async def read():
        query = "SELECT * FROM inbound_message ORDER BY id DESC LIMIT 1"
        row = (await session.execute(text(query))).one()
        assert row.results == row.filed + row.duplicates + row.inbox + row.refused
        return row

    return read


@pytest.fixture
async def reasons(session):
    """Read why results wait, by position; a whole message is at None."""

    async def read() -> dict[int | None, list[str]]:
        query = "SELECT position, reasons FROM inbox_item WHERE status = 'open'"
        return {row.position: row.reasons for row in await session.execute(text(query))}

    return read


async def answered_next(send: Send) -> bool:
    """Tell whether an ordinary message is answered now."""
    return msa(await send(generic_cbc("THE-NEXT")))[1:3] == ["AA", "THE-NEXT"]


OTHER = {
    "an admission": message(msh("ADT^A01"), pid(), segment("PV1", {1: "1"})),
    "an acknowledgement": message(msh("ACK^R01"), "MSA|AA|1"),
    "an order": message(msh("ORM^O01"), pid(), obr()),
    "an unsolicited OUL": message(msh("OUL^R23"), pid(), obr(), obx()),
    "training": message(msh(fields={11: "T"}), pid(), obr(), obx()),
    "debugging": message(msh(fields={11: "D"}), pid(), obr(), obx()),
    "quality control": analyzer_quality_control(),
    "1,001 results": message(msh(), pid(), obr(), *[obx()] * 1_001),
}


@pytest.mark.parametrize("kind", OTHER)
async def test_what_can_never_be_taken_is_refused_and_kept(kind, send, rows, last):
    """It is answered AR; its bytes are kept and none of it becomes data or work."""
    before = await rows()
    answer = msa(await send(OTHER[kind]))
    assert answer[1] == "AR"
    assert await rows() == (before[0] + 1, before[1], before[2])
    row = await last()
    assert row.refusal
    assert row.refused == row.results == OTHER[kind].count(b"\rOBX|")
    assert await answered_next(send)


GOOD = obx(HGB, "92", "g/L")


def beside_good(bad: str) -> bytes:
    """Build a message with a doubtful result after a sound one."""
    return message(msh(), pid(), obr(), GOOD, bad)


DOUBTFUL = {
    "an unknown code": (beside_good(obx("X99^Mystery^L")), {1: ["unmapped_code"]}),
    "an unknown unit": (beside_good(obx(unit="furlong")), {1: ["unknown_unit"]}),
    "no unit": (beside_good(obx(unit="")), {1: ["unknown_unit"]}),
    "an unknown status": (beside_good(obx(fields={11: "0"})), {1: ["unknown_status"]}),
    "no status": (beside_good(obx(fields={11: ""})), {1: ["unknown_status"]}),
    "a number of two readings": (beside_good(obx(value="1,234")), {1: ["ambiguous_number"]}),
    "an implausible value": (
        message(msh(), pid(), obr(), obx(PLT, "98"), obx(HGB, "920", "g/L")),
        {1: ["implausible_value"]},
    ),
    "no number": (
        beside_good(obx(value="see comment")),
        {1: ["unreadable_value", "content_mismatch"]},
    ),
    "two values": (beside_good(obx(value="27~25")), {1: ["ambiguous_number"]}),
}


@pytest.mark.parametrize("kind", DOUBTFUL)
async def test_what_is_doubtful_waits_beside_what_is_filed(
    kind, send, rows, last, reasons, session
):
    """The sound result is filed, the other one waits with its reason, and the answer is AA."""
    raw, expected = DOUBTFUL[kind]
    before = await rows()
    answer = await send(raw)
    assert msa(answer)[1] == "AA"
    assert await rows() == (before[0] + 1, before[1] + 1, before[2] + 1)
    row = await last()
    assert (row.results, row.filed, row.inbox) == (2, 1, 1)
    assert await reasons() == expected
    item = await session.scalar(text("SELECT id FROM inbox_item"))
    assert str(item) in answer.decode(), "the answer names what waits"
    assert await answered_next(send)


INCOMPLETE = {
    "no PID": (message(msh(), obr(""), obx()), {0: ["patient_missing"]}),
    "an empty PID-3": (message(msh(), pid(number="", authority=""), obr(), obx()), {0: None}),
    "an unknown patient": (message(msh(), pid("K-7", "HIS"), obr(), obx()), {0: None}),
    "an unknown number": (message(msh(), pid("S-999"), obr(), obx()), {0: None}),
    "no OBR": (message(msh(), pid(), obx(fields={14: "20260601073000+0800"})), {}),
    "no time at all": (message(msh(), pid(), obx()), {0: ["collection_time"]}),
    "no OBX": (message(msh(), pid(), obr()), {}),
    "nothing but a header": (message(msh()), {}),
    "an OBX of nothing": (message(msh(), pid(), obr(), "OBX|"), {0: None}),
    "an unreadable header": (message("MSH|^^^^|LIS", pid(), obr(), obx()), {None: None}),
    "half an OBX": (message(msh(), pid(), obr(), obx(), "OBX|2|NM|777-3^"), {1: None}),
    "no charset that fits": (
        message(msh(fields={18: "ASCII"}), pid(), obr(), obx(fields={7: "x"})).replace(
            b"|x|", b"|\x81\xff\x00|"
        ),
        {None: ["undecodable_text"]},
    ),
    "UTF-16": (generic_cbc().decode().encode("utf-16"), {None: ["undecodable_text"]}),
}


@pytest.mark.parametrize("kind", INCOMPLETE)
async def test_what_is_incomplete_is_kept_with_its_reason(kind, send, rows, last, reasons):
    """Nothing is guessed and nothing is dropped: what cannot be filed waits, the answer is AA."""
    raw, expected = INCOMPLETE[kind]
    before = await rows()
    assert b"MSA|AA|" in (await send(raw)).replace(b"^", b"|")
    waiting = await reasons()
    assert waiting.keys() == expected.keys()
    assert all(words in (None, waiting[position]) for position, words in expected.items())
    row = await last()
    assert row.refused == 0
    assert await rows() == (before[0] + 1, before[1] + row.filed, before[2] + len(expected))
    assert await answered_next(send)


async def test_the_same_again_gets_the_same_answer(send, rows):
    """The same control id with the same bytes changes nothing, however often it comes."""
    first = await send(generic_cbc())
    before = await rows()
    assert [await send(generic_cbc()) for _ in range(3)] == [first] * 3
    assert await rows() == before


async def test_other_bytes_under_the_same_control_id_are_another_message(send, rows, last):
    """A restarted counter of an analyzer loses nothing; the message is stored and flagged."""
    await send(one_result(value="98"))
    before = await rows()
    assert msa(await send(one_result(HGB, "92", "g/L")))[1] == "AA"
    assert await rows() == (before[0] + 1, before[1] + 1, before[2])
    assert "control_id_reused" in (await last()).flags


STANDING = {
    "F": ("final", "98"), "V": ("final", "98"), "C": ("corrected", "98"), "A": ("amended", "98"),
    "P": ("preliminary", "98"), "R": ("preliminary", "98"), "S": ("preliminary", "98"),
    "X": ("cancelled", None), "I": ("cancelled", None), "N": ("cancelled", None),
    "O": ("cancelled", None), "D": ("entered_in_error", None), "W": ("entered_in_error", None),
}  # fmt: skip


@pytest.mark.parametrize("status", STANDING)
async def test_each_status_has_its_meaning(status, line, session, rows):
    """OBX-11 decides what a version is; a final one that is here already stays as it was."""
    first = message(
        msh(control_id="1"), pid(), obr(fields={22: "20260601080000+0800"}), obx(value="97")
    )
    await line(first)
    before = await rows()
    assert msa(await line(one_result(status=status, control_id="2")))[1] == "AA"
    tasks = 1 if status == "W" else 0
    assert await rows() == (before[0] + 1, before[1] + 1, before[2] + tasks)
    query = "SELECT status, value FROM lab_result ORDER BY recorded_at, id"
    kept, new = (await session.execute(text(query))).all()
    assert (kept.status, str(kept.value.normalize())) == ("final", "97")
    value = None if new.value is None else str(new.value.normalize())
    assert (new.status, value) == STANDING[status]


async def test_two_patients_in_one_message_are_filed_apart(send, session, subjects):
    """Results belong to the PID before them."""
    assert msa(await send(two_patients()))[1] == "AA"
    found = await session.execute(text("SELECT subject_id, value FROM lab_result"))
    assert {str(row.subject_id): int(row.value) for row in found} == dict(
        zip(subjects, (98, 45), strict=True)
    )


SPELLINGS = {
    "five encoding characters": message(msh(fields={2: "^~\\&#"}), pid(), obr(), obx()),
    "other separators": message(msh(), pid(), obr(), obx(fields={7: "125-350"})).translate(
        bytes.maketrans(b"|^", b"!@")
    ),
    "line feeds": message(msh(), pid(), obr(), obx(), end="\n"),
    "both line ends": message(msh(), pid(), obr(), obx(), end="\r\n"),
    "empty lines": message(msh(), "", pid(), "", obr(), obx(), ""),
    "no last line end": message(msh(), pid(), obr(), obx()).rstrip(b"\r"),
    "a byte order mark": b"\xef\xbb\xbf" + message(msh(), pid(), obr(), obx()),
    "a bad escape": message(msh(), pid(), obr(), obx(fields={7: "\\Zq\\ 125-350\\X4\\"})),
    "an open escape": message(msh(), pid(), obr(), obx(fields={7: "125-350\\"})),
    "GB 18030 as declared": message(
        msh(fields={18: "GB 18030-2000"}), pid(name=TRAPS), obr(), obx(), charset="gb18030"
    ),
    "GB 18030 undeclared": message(
        msh(fields={18: ""}), pid(name=TRAPS), obr(), obx(), charset="gb18030"
    ),
    "GB 18030 declared as ASCII": message(
        msh(fields={18: "ASCII"}), pid(name=TRAPS), obr(), obx(), charset="gb18030"
    ),
    "UTF-8 undeclared": message(msh(fields={18: ""}), pid(name="女"), obr(), obx()),
    "a bare ORU": message(msh("ORU"), pid(), obr(), obx()),
    "version 2.2": message(msh("ORU^R01", fields={12: "2.2"}), pid(), obr(), obx()),
    "version 2.8.2": message(msh(fields={12: "2.8.2"}), pid(), obr(), obx()),
    "a control id of 2,000 characters": message(msh(control_id="é" * 2_000), pid(), obr(), obx()),
}


@pytest.mark.parametrize("kind", SPELLINGS)
async def test_every_spelling_is_read(kind, line, rows):
    """The one result is filed, whatever separators, line ends, charset and version it comes in."""
    before = await rows()
    answer = await line(SPELLINGS[kind])
    assert b"AA" in answer
    assert await rows() == (before[0] + 1, before[1] + 1, before[2])
    assert await answered_next(line)


async def test_a_break_inside_a_field_goes_on_in_the_next_line(send, rows, last):
    """An unescaped line end in a comment loses no result, and is noted."""
    before = await rows()
    raw = message(msh(), pid(), obr(), obx(), "NTE|1||first line", "second line", GOOD)
    assert msa(await send(raw))[1] == "AA"
    assert await rows() == (before[0] + 1, before[1] + 2, before[2])
    assert "continuation_text" in (await last()).flags


TIMES = {
    "20260601073000+0800": ("second", datetime(2026, 5, 31, 23, 30, tzinfo=UTC)),
    "20260601073000.1234": ("second", datetime(2026, 5, 31, 23, 30, tzinfo=UTC)),
    "20260601073000": ("second", datetime(2026, 5, 31, 23, 30, tzinfo=UTC)),
    "202606010730": ("minute", datetime(2026, 5, 31, 23, 30, tzinfo=UTC)),
    "2026060107": ("hour", datetime(2026, 5, 31, 23, 0, tzinfo=UTC)),
    "20260531": ("day", datetime(2026, 5, 30, 16, 0, tzinfo=UTC)),
    "20260531240000": ("second", datetime(2026, 5, 31, 16, 0, tzinfo=UTC)),
}


@pytest.mark.parametrize("moment", TIMES)
async def test_times_keep_their_precision(moment, line, session):
    """A time without an offset is in the sender's zone; what was sent is kept beside it."""
    raw = message(msh(), pid(), obr(fields={7: moment, 22: ""}), obx())
    assert msa(await line(raw))[1] == "AA"
    query = "SELECT collected_precision, collected_at, original_collected FROM lab_result"
    row = (await session.execute(text(query))).one()
    precision, at = TIMES[moment]
    assert row.collected_precision == precision
    assert row.collected_at.replace(microsecond=0) == at
    assert row.original_collected == moment


async def test_a_panel_that_is_repeated_counts_once(send, last):
    """The same result again in one message is a duplicate, not another test."""
    await send(message(msh(), pid(), obr(), *[obx()] * 4))
    row = await last()
    assert (row.results, row.filed, row.duplicates) == (4, 1, 3)


async def test_one_specimen_with_two_results_of_one_moment_waits(send, last, reasons):
    """Which of two different values counts is for a person to find out."""
    await send(message(msh(), pid(), obr(), obx(value="98"), obx(value="45")))
    row = await last()
    assert (row.filed, row.inbox) == (0, 2)
    assert await reasons() == {0: ["contradiction"], 1: ["contradiction"]}


async def test_a_batch_is_answered_message_by_message(send, rows):
    """One that is refused takes nothing with it; the answers come in an envelope of their own."""
    before = await rows()
    raw = batch(generic_cbc("A"), analyzer_quality_control(), one_result(status="C"))
    answer = (await send(raw)).decode()
    lines = answer.split("\r")
    assert [line.split("|")[1:3] for line in lines if line.startswith("MSA")] == [
        ["AA", "A"], ["AR", "2"], ["AA", "MSG-0001"],
    ]  # fmt: skip
    assert lines[0].startswith("BHS|^~\\&")
    assert lines[-2:] == ["BTS|3", ""]
    assert (await rows())[0] == before[0] + 3


async def test_a_batch_of_too_many_messages_is_refused_whole(send, rows, last):
    """One answer says so, and the bytes are kept."""
    before = await rows()
    raw = b"".join(one_result(control_id=str(number)) for number in range(501))
    assert msa(await send(raw))[1] == "AR"
    assert await rows() == (before[0] + 1, before[1], before[2])
    row = await last()
    assert (row.refusal, row.refused, row.size) == ("too_many_messages", 501, len(raw))


async def test_a_sender_that_wants_no_answer_gets_none(api, subjects, session):
    """With MSH-15 and MSH-16 NE the results are filed and nothing is said."""
    sender = await create_sender(api)
    client = sending(api, basic("LIS-01", (await create_key(api, sender["id"]))["key"]))
    raw = message(msh(fields={15: "NE", 16: "NE"}), pid(), obr(), obx())
    answer = await client.post(PATH, content=raw, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == 1


@pytest.mark.parametrize(
    ("fields", "waits"),
    [({}, False), ({4: "HOSPITAL-A^2.999^ISO"}, False), ({3: "OTHER"}, True), ({4: ""}, True)],
)
async def test_a_message_of_another_system_waits(
    fields, waits, api, subjects, database, clock, session
):
    """Where MSH-3 and MSH-4 are registered, what says something else may be another hospital's."""
    await create_sender(api, sending_application="LIS", sending_facility="HOSPITAL-A")
    raw = message(msh(fields=fields), pid(), obr(), obx())
    async with listening(database, clock) as address, connected(address) as line:
        assert msa(await line.send(raw))[1] == "AA"
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == (0 if waits else 1)
    found = await session.execute(text("SELECT kind, reasons FROM inbox_item"))
    expected = [("message", ["unexpected_sender"])] if waits else []
    assert [tuple(row) for row in found] == expected


async def test_the_answer_says_nothing_of_the_patient(send):
    """No name, number or value of the message comes back, filed or not."""
    raw = message(
        msh(), pid("Zz-canary-17", "HIS", "Canary^Bird"), obr(), obx(value="canary-value")
    )
    assert b"anary" not in await send(raw)


def mutilated(raw: bytes, dice: Random) -> bytes:
    """Change, drop or double a few bytes or lines; the bytes of the frame do not occur."""
    lines = raw.split(b"\r")
    for _ in range(dice.randint(0, 2)):
        lines[dice.randrange(len(lines))] = dice.choice(lines)
    changed = bytearray(b"\r".join(lines))
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed))
        changed[at : at + dice.randint(0, 3)] = dice.choice(
            (b"", b"|", b"^", b"\\", b"\r", b"\n", b"\0", b"\xff", "珅".encode("gb18030"), b'""')
        )
    return bytes(changed).replace(b"\x0b", b"").replace(b"\x1c", b"")


async def test_whatever_arrives_is_kept_and_answered(api, subjects, database, clock, session):
    """A hundred mutilated messages: each is acknowledged, and kept byte for byte in the end."""
    await create_sender(api)
    dice = Random(20260601)
    sent = [mutilated(generic_cbc(str(number)), dice) for number in range(100)]
    async with listening(database, clock) as address:
        for raw in sent:
            async with connected(address) as line:
                assert re.search(rb"MSA.A[AR]", await line.send(raw)), raw
    rows = (await session.execute(text("SELECT * FROM inbound_message"))).all()
    kept = {KEYRING.open(row.sealed, sealed_place(row.id)) for row in rows}
    assert {part for raw in sent for part in messages_in(raw) or [raw]} == kept
    assert sum(row.results for row in rows) >= sum(raw.count(b"\rOBX|") for raw in sent)
    assert all(row.results == row.filed + row.duplicates + row.inbox + row.refused for row in rows)
    assert sum(row.filed + row.duplicates for row in rows) > 50
    assert sum(row.inbox for row in rows) > 10
