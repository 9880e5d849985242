"""MLLP: whatever comes down the line, what is acknowledged is stored and nothing else is."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.rate import Rates
from app.domain.vocabulary import Role
from app.interop.hl7v2.mllp import framed
from tests.factories.mllp import LIMITS, connected, listening, msa
from tests.factories.senders import SENDERS, change, create_sender
from tests.factories.subjects import register
from tests.interop.hl7v2 import samples

VT, FS = b"\x0b", b"\x1c"


@pytest.fixture
async def laboratory(api):
    """The sender LIS-01 and the first subject, S-001."""
    await register(api)
    return await create_sender(api)


@pytest.fixture
async def line(database, clock, laboratory):
    """A connection to a listener that takes everybody on this machine for LIS-01."""
    async with listening(database, clock) as address, connected(address) as line:
        yield line


class SlowCommit:
    """Lets commits wait until the test says go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        commit = AsyncSession.commit

        async def slow(session: AsyncSession) -> None:
            self.reached.set()
            await self.go_on.wait()
            await commit(session)

        monkeypatch.setattr(AsyncSession, "commit", slow)


async def count(session, table: str) -> int:
    """Count the rows of a table."""
    return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def dead_letters(session) -> list[tuple[str, int, int]]:
    """List why bytes were kept without being a message, their size, and the results in them."""
    query = "SELECT refusal, size, refused FROM inbound_message WHERE control_id IS NULL"
    return [tuple(row) for row in await session.execute(text(f"{query} ORDER BY id"))]


async def test_a_message_is_stored_and_then_acknowledged(line, session):
    """Four results of a blood count are there when the answer is; the trail names the sender."""
    answer = await line.send(samples.generic_cbc())
    assert msa(answer)[1:3] == ["AA", "MSG-0001"]
    assert await count(session, "lab_result") == 4
    query = "SELECT command, role FROM operation ORDER BY id DESC LIMIT 1"
    operation = (await session.execute(text(query))).one()
    assert tuple(operation) == ("receive_mllp", "laboratory_system")


async def test_messages_may_follow_each_other_without_waiting(line, session):
    """Two messages in one piece get two answers in their order."""
    first, second = samples.generic_cbc("A"), samples.one_result(value="45", control_id="B")
    await line.put(framed(first) + framed(second))
    assert [msa(await line.take())[2] for _ in range(2)] == ["A", "B"]
    assert await count(session, "inbound_message") == 2


async def test_a_message_that_wants_no_answer_gets_none(line, session):
    """With MSH-15 and MSH-16 NE it is stored, and the next message gets the next answer."""
    header = samples.msh(control_id="SILENT", fields={15: "NE", 16: "NE"})
    silent = samples.message(header, samples.pid(), samples.obr(), samples.obx())
    await line.put(framed(silent))
    assert msa(await line.send(samples.generic_cbc("LOUD")))[2] == "LOUD"
    assert await count(session, "inbound_message") == 2


@pytest.mark.parametrize("end", [b"\r", b"", b"\n", b"\r\n\r\n"])
async def test_what_follows_a_frame_is_no_matter(end, line):
    """A missing CR or a line feed after FS keeps no message waiting."""
    for number in ("1", "2"):
        await line.put(VT + samples.generic_cbc(number) + FS + end)
        assert msa(await line.take())[1:3] == ["AA", number]


async def test_three_megabytes_are_taken(line, session):
    """A message with a long text is stored whole."""
    note = samples.segment("NTE", {1: "1", 3: "x" * 3_000_000})
    assert msa(await line.send(samples.generic_cbc() + samples.message(note)))[1] == "AA"
    assert await session.scalar(text("SELECT size FROM inbound_message")) > 3_000_000


async def test_gb18030_goes_in_and_comes_back(line, session):
    """Characters whose second byte is a separator survive, and the answer is in GB 18030 too."""
    raw = samples.chinese_oul(charset="gb18030")
    raw = raw.replace(b"|LIS|", f"|{samples.TRAPS}|".encode("gb18030"), 1)
    answer = (await line.send(raw)).decode("gb18030")
    assert answer.split("|")[4] == samples.TRAPS
    assert await session.scalar(text("SELECT results FROM inbound_message")) == 3


async def test_a_slow_sender_is_waited_for(line):
    """A message may come in small pieces."""
    whole = framed(samples.generic_cbc())
    for start in range(0, len(whole), 60):
        await line.put(whole[start : start + 60])
        await asyncio.sleep(0.01)
    assert msa(await line.take())[1] == "AA"


async def test_noise_between_frames_is_passed_over(line, session):
    """What holds no message is not kept, and the next message is answered."""
    await line.put(b"login: \r\n")
    assert msa(await line.send(samples.generic_cbc("1")))[1] == "AA"
    await line.put(b"\x05\x06 noise")
    assert msa(await line.send(samples.generic_cbc("2")))[1] == "AA"
    assert await dead_letters(session) == []


async def test_a_message_before_a_frame_is_kept(line, session):
    """Without its VT it is a dead letter with its results, and never answered."""
    lost = samples.generic_cbc("LOST") + FS + b"\r"
    await line.put(lost)
    assert msa(await line.send(samples.generic_cbc("FOUND")))[2] == "FOUND"
    assert await dead_letters(session) == [("not_framed", len(lost), 4)]


async def test_a_message_that_is_begun_again_is_kept_and_not_read(line, session):
    """Its first half is no message: a number may have been cut."""
    whole = samples.one_result(value="125", control_id="1")
    half = VT + whole[: whole.index(b"125") + 2]
    await line.put(half)
    assert msa(await line.send(whole))[1] == "AA"
    assert await dead_letters(session) == [("not_framed", len(half), 1)]
    assert await session.scalar(text("SELECT value FROM lab_result")) == 125


@pytest.mark.parametrize(
    "raw", [samples.generic_cbc(), VT + samples.generic_cbc(), b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_what_ends_without_a_frame_is_kept_and_not_answered(raw, line, session):
    """No VT or no FS until the end of the line: the bytes are a dead letter."""
    await line.put(raw)
    line.finish()
    assert await line.silence() == b""
    assert await dead_letters(session) == [("not_framed", len(raw), raw.count(b"\rOBX|"))]


async def test_what_does_not_end_in_time_is_kept_and_cut_off(database, clock, laboratory, session):
    """A sender that trickles does not hold a connection for ever."""
    limits = replace(LIMITS, message_seconds=0.3)
    async with listening(database, clock, limits) as address, connected(address) as line:
        await line.put(VT + samples.msh().encode())
        for _ in range(4):
            await asyncio.sleep(0.05)
            await line.put(b"x")
        assert await line.silence() == b""
    ((refusal, size, _),) = await dead_letters(session)
    assert (refusal, size) == ("not_framed", len(samples.msh()) + 5)


async def test_an_idle_connection_is_closed(database, clock, laboratory, session):
    """Nothing came, so nothing is kept."""
    limits = replace(LIMITS, idle_seconds=0.1)
    async with listening(database, clock, limits) as address, connected(address) as line:
        assert msa(await line.send(samples.generic_cbc()))[1] == "AA"
        assert await line.silence() == b""
    assert await dead_letters(session) == []


@pytest.mark.parametrize(("start", "refusal"), [(VT, "oversized"), (b"", "not_framed")])
async def test_what_is_too_large_is_kept_as_far_as_it_came(
    start, refusal, database, clock, laboratory, session
):
    """Beyond the limit the line is cut; another one is answered."""
    limits = replace(LIMITS, message_bytes=5_000)
    async with listening(database, clock, limits) as address:
        async with connected(address) as line:
            await line.put(start + samples.generic_cbc() + b"x" * 6_000)
            assert await line.silence() == b""
        ((kept, size, refused),) = await dead_letters(session)
        assert (kept, refused) == (refusal, 4)
        assert size > 5_000
        async with connected(address) as line:
            assert msa(await line.send(samples.generic_cbc()))[1] == "AA"


async def test_a_frame_without_a_message_is_refused_and_ends_the_line(line, session):
    """There is no header to echo; the bytes are a dead letter."""
    assert msa(await line.send(b"hello"))[1:3] == ["AR", ""]
    assert await line.silence() == b""
    assert await dead_letters(session) == [("not_hl7", 5, 0)]


async def test_no_more_connections_than_allowed(database, clock, laboratory):
    """One too many is closed at once, and the open one goes on."""
    limits = replace(LIMITS, connections=1)
    async with listening(database, clock, limits) as address, connected(address) as line:
        assert msa(await line.send(samples.generic_cbc("1")))[1] == "AA"
        async with connected(address) as other:
            assert await other.silence() == b""
        assert msa(await line.send(samples.generic_cbc("2")))[1] == "AA"


async def test_a_failing_commit_is_never_acknowledged(
    database, clock, laboratory, session, monkeypatch
):
    """The line is closed without an answer and nothing is stored; the resend is taken."""

    async def fail(self):
        await self.rollback()
        raise ConnectionRefusedError

    async with listening(database, clock) as address:
        with monkeypatch.context() as patched:
            patched.setattr(AsyncSession, "commit", fail)
            async with connected(address) as line:
                await line.put(framed(samples.generic_cbc()))
                assert await line.silence() == b""
        assert await count(session, "inbound_message") == 0
        async with connected(address) as line:
            assert msa(await line.send(samples.generic_cbc()))[1] == "AA"


async def test_without_a_database_there_is_no_answer(clock):
    """Nobody answers at the database's address: the line is closed, never AE or AA."""
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    async with listening(away, clock) as address, connected(address) as line:
        await line.put(framed(samples.generic_cbc()))
        assert await line.silence() == b""
    await away.close()


async def test_a_fault_of_ours_is_never_acknowledged(line, session, monkeypatch):
    """Whatever fails, the sender keeps its message."""

    async def fail(*_arguments):
        raise RuntimeError("Zz-canary-91")

    monkeypatch.setattr("app.mllp.intake.receive_er7", fail)
    await line.put(framed(samples.generic_cbc()))
    assert await line.silence() == b""
    assert await count(session, "inbound_message") == 0


async def test_a_resend_after_a_cut_is_absorbed(
    committing_api, committing_database, clock, monkeypatch
):
    """The line breaks between message and answer; sent again it is stored once and acknowledged."""
    await register(committing_api)
    await create_sender(committing_api)
    async with listening(committing_database, clock) as address:
        with monkeypatch.context() as patched:
            commit = SlowCommit(patched)
            async with connected(address) as line:
                await line.put(framed(samples.generic_cbc()))
                await commit.reached.wait()
                line.cut()
            commit.go_on.set()
            async with connected(address) as line:
                answers = [await line.send(samples.generic_cbc()) for _ in range(2)]
    assert answers[0] == answers[1]
    assert msa(answers[0])[1:3] == ["AA", "MSG-0001"]
    async with committing_database.session() as session:
        assert await count(session, "inbound_message") == 1
        assert await count(session, "lab_result") == 4


async def test_a_sender_above_its_rate_waits(line, session, monkeypatch):
    """Over MLLP nothing says when to come again, so the answer comes later instead."""
    waits = [0.05, 0.05, 0]
    monkeypatch.setattr(Rates, "take", lambda *_: waits.pop(0))
    assert msa(await line.send(samples.generic_cbc()))[1] == "AA"
    assert waits == []
    assert await count(session, "inbound_message") == 1


@pytest.mark.parametrize(
    "values", [{"active": False}, {"networks": ["10.20.0.0/16"]}], ids=["closed", "elsewhere"]
)
async def test_a_door_is_closed_with_the_next_message(values, api, line, laboratory, session):
    """A sender is found anew for each message: closed or moved away, it gets no answer."""
    assert msa(await line.send(samples.generic_cbc("1")))[1] == "AA"
    url = f"{SENDERS}/{laboratory['id']}"
    changed = await change(api(Role.DATA_MANAGER), url, laboratory["version"], **values)
    assert changed.status_code == 200, changed.text
    await line.put(framed(samples.generic_cbc("2")))
    assert await line.silence() == b""
    assert await count(session, "inbound_message") == 1


async def test_a_stop_finishes_the_message_in_hand(
    database, clock, laboratory, session, monkeypatch
):
    """The message that is being stored is answered, an idle line is closed at once."""
    context = listening(database, clock)
    address = await context.__aenter__()
    async with connected(address) as idle, connected(address) as busy:
        assert msa(await idle.send(samples.generic_cbc("1")))[1] == "AA"
        commit = SlowCommit(monkeypatch)
        await busy.put(framed(samples.generic_cbc("2")))
        await commit.reached.wait()
        stopping = asyncio.create_task(context.__aexit__(None, None, None))
        assert await idle.silence() == b""
        commit.go_on.set()
        assert msa(await busy.take())[1:3] == ["AA", "2"]
        assert await busy.silence() == b""
        await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    assert await count(session, "inbound_message") == 2


async def test_a_stop_waits_only_so_long(committing_api, committing_database, clock, monkeypatch):
    """A message that is not stored in time is cut off: no answer, and nothing of it is there."""
    await register(committing_api)
    await create_sender(committing_api)
    with monkeypatch.context() as patched:
        commit = SlowCommit(patched)
        async with (
            listening(committing_database, clock, patience=0.1) as address,
            connected(address) as line,
        ):
            await line.put(framed(samples.generic_cbc()))
            await commit.reached.wait()
            end = asyncio.create_task(line.silence())
        assert await end == b""
    async with committing_database.session() as session:
        assert await count(session, "inbound_message") == 0
