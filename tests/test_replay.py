"""Replaying a file of messages: how it is cut, what is said, when it ends."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from app import replay
from app.cli import main
from app.core.errors import OperatorError
from app.interop.hl7v2.mllp import framed
from app.replay import Answer, acknowledgement, messages_of
from tests.interop.hl7v2 import samples

pytestmark = pytest.mark.usefixtures("handlers")
ONE, TWO = samples.generic_cbc("1"), samples.one_result(control_id="2")
ACK = samples.message("MSH|^~\\&|||||20260601||ACK^R01|X|P|2.5.1", "MSA|{code}|1|{text}").decode()


@pytest.mark.parametrize(
    "content",
    [
        ONE + TWO,
        samples.batch(ONE, TWO),
        framed(ONE) + framed(TWO),
        b"\r\n" + framed(ONE) + b"noise\n" + framed(TWO),
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + b"BTS|1\rBHS|^~\\&|A\r" + TWO + b"BTS|1\rFTS|2",
    ],
    ids=["plain", "batch", "frames", "noisy frames", "two batches"],
)
def test_a_file_is_cut_into_its_messages(content):
    """One after the other, in envelopes or in frames: the messages come out as they are."""
    assert messages_of(content) == [ONE, TWO]


@pytest.mark.parametrize(
    "content", [b"", b"hello", framed(ONE) + TWO, framed(ONE) + b"\x0b" + TWO, b"\x0b"]
)
def test_a_file_that_is_not_whole_is_refused(content):
    """Nothing is sent of a file without messages or with one outside of a frame."""
    with pytest.raises(OperatorError, match="file"):
        messages_of(content)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (ACK.format(code="AA", text="Stored").encode(), Answer("AA", "Stored")),
        (ACK.format(code="AR", text="Refused").encode("gb18030"), Answer("AR", "Refused")),
        (ACK.format(code="AA", text="").replace("|", "!").encode(), Answer("AA", "")),
        (b"", Answer("AA", "Stored; the message asks for no acknowledgement.")),
        (b"hello", Answer("---", "The answer has no MSA.")),
    ],
)
def test_an_acknowledgement_is_read(content, answer):
    """Its code and its text, in whatever separators and charset."""
    assert acknowledgement(content) == answer


def replayed(*answers: Answer) -> tuple[bool, list[str]]:
    """Replay two messages that get these answers; give the verdict and what was said."""
    coming, said = iter(answers), []
    return replay.replay([ONE, TWO], lambda _: next(coming), said.append), said


def test_everything_accepted_is_a_success():
    """Each message is named by its MSH-10, with code and text of its answer."""
    assert replayed(Answer("AA", "Stored"), Answer("CA", "")) == (
        True, ["1  AA  Stored", "2  CA  ", "2 of 2 messages were accepted."],
    )  # fmt: skip


def test_a_refused_message_is_a_failure_and_the_next_one_is_sent():
    """AR is for good, so what follows is sent all the same."""
    assert replayed(Answer("AR", "Refused"), Answer("AA", "Stored")) == (
        False, ["1  AR  Refused", "2  AA  Stored", "1 of 2 messages were accepted."],
    )  # fmt: skip


def test_a_message_without_an_answer_ends_the_replay():
    """What follows may rest on it."""
    assert replayed(Answer("503", "The database\r\nis away")) == (
        False, ["1  503  The database  is away", "0 of 2 messages were accepted."],
    )  # fmt: skip


@pytest.fixture
def service(monkeypatch) -> Callable[..., list[httpx.Request]]:
    """Put answers in the place of a service; give what was asked of it."""

    def answering(*answers: httpx.Response) -> list[httpx.Request]:
        coming, asked = iter(answers), []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return next(coming)

        client = partial(httpx.Client, transport=httpx.MockTransport(answer))
        monkeypatch.setattr(httpx, "Client", client)
        return asked

    return answering


def test_over_http_the_key_is_shown_and_the_message_is_sent_as_it_is(service):
    """The Content-Type names no charset, so that MSH-18 counts."""
    asked = service(httpx.Response(200, content=ACK.format(code="AA", text="Stored").encode()))
    with replay.over_http("http://service", "msck_1") as send:
        assert send(ONE) == Answer("AA", "Stored")
    (request,) = asked
    assert (str(request.url), request.content) == ("http://service/api/v1/lis/hl7v2", ONE)
    assert request.headers["authorization"] == "Bearer msck_1"
    assert request.headers["content-type"] == "application/hl7-v2"


def test_over_http_a_sender_that_is_too_fast_waits(service, monkeypatch):
    """429 is waited out as long as it says."""
    waited: list[float] = []
    monkeypatch.setattr(replay.time, "sleep", waited.append)
    asked = service(httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(204))
    with replay.over_http("http://service", "msck_1") as send:
        assert send(ONE).code == "AA"
    assert (waited, len(asked)) == ([7], 2)


def test_over_http_a_problem_is_said_in_its_own_words(service):
    """A problem document has a sentence; anything else is not the service."""
    problem = {"detail": "These credentials open nothing here."}
    service(
        httpx.Response(401, json=problem, headers={"Content-Type": "application/problem+json"}),
        httpx.Response(502, text="<html>"),
    )
    with replay.over_http("http://service", "msck_1") as send:
        assert send(ONE) == Answer("401", problem["detail"])
        assert send(ONE) == Answer("502", "This is not the service that was expected.")


class Listener(threading.Thread):
    """A listener on a free port that answers each connection's bytes with what it is given."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self.answers, self.received = answers, b""
        self.ready = threading.Event()
        self.port = 0

    def run(self) -> None:
        """Serve one connection."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        done = asyncio.Event()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in self.answers:
                self.received += await reader.readuntil(b"\x1c\r")
                writer.write(answer)
                await writer.drain()
            writer.close()
            done.set()

        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        async with asyncio.timeout(20):
            await done.wait()
        server.close()

    def __enter__(self) -> "Listener":
        self.start()
        assert self.ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.join()


def test_over_mllp_messages_go_in_frames(tmp_path, capsys):
    """The command sends a file over one connection and says what was answered."""
    file = tmp_path / "messages.hl7"
    file.write_bytes(ONE + TWO)
    answers = [framed(ACK.format(code="AA", text=text).encode()) for text in ("first", "second")]
    with Listener(*answers) as listener:
        assert main(["replay", str(file), "--mllp", f"127.0.0.1:{listener.port}"]) == 0
    assert listener.received == framed(ONE) + framed(TWO)
    assert capsys.readouterr().out.splitlines()[:2] == ["1  AA  first", "2  AA  second"]


def test_over_mllp_a_message_that_asks_for_no_answer_is_not_waited_for(tmp_path, capsys):
    """With MSH-15 and MSH-16 NE the listener says nothing, and the next message is sent."""
    silent = samples.message(
        samples.msh(control_id="1", fields={15: "NE", 16: "NE"}), samples.obx()
    )
    file = tmp_path / "messages.hl7"
    file.write_bytes(silent + TWO)
    with Listener(b"", framed(ACK.format(code="AA", text="second").encode())) as listener:
        assert main(["replay", str(file), "--mllp", f"127.0.0.1:{listener.port}"]) == 0
    assert listener.received == framed(silent) + framed(TWO)
    assert capsys.readouterr().out.splitlines() == [
        "1  AA  Sent; the message asks for no acknowledgement.",
        "2  AA  second",
        "2 of 2 messages were accepted.",
    ]


def test_over_mllp_a_closed_line_is_no_answer(tmp_path, capsys):
    """The exit status says that not all was accepted."""
    file = tmp_path / "messages.hl7"
    file.write_bytes(ONE)
    with Listener(b"") as listener:
        assert main(["replay", str(file), "--mllp", f"127.0.0.1:{listener.port}"]) == 1
    assert "has closed the line" in capsys.readouterr().out


def test_where_nobody_listens_it_is_one_sentence(tmp_path, capsys, monkeypatch):
    """By both doors the message names the address."""
    monkeypatch.setenv("SENDER_KEY", "msck_1")
    file = tmp_path / "messages.hl7"
    file.write_bytes(ONE)
    assert main(["replay", str(file), "--mllp", "127.0.0.1:1"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err
    assert main(["replay", str(file), "--url", "http://127.0.0.1:1"]) == 1
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_over_http_a_key_is_needed(tmp_path, capsys, monkeypatch):
    """It is taken from the environment, where other users cannot read it."""
    monkeypatch.delenv("SENDER_KEY", raising=False)
    file = tmp_path / "messages.hl7"
    file.write_bytes(ONE)
    assert main(["replay", str(file)]) == 1
    assert "SENDER_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["2575", "host:", "host:port", ":2575"])
def test_an_address_has_a_host_and_a_port(address, capsys):
    """Anything else is refused with an example."""
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "file", "--mllp", address])
    assert "127.0.0.1:2575" in capsys.readouterr().err
