"""Sends a file of HL7 v2 messages as a laboratory system would, and tells what was answered."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from app.core.errors import OperatorError
from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.acknowledgement import wants_answer
from app.interop.hl7v2.framing import messages_in
from app.interop.hl7v2.header import read_header
from app.interop.hl7v2.mllp import START, Frame, Stray, Unframer, framed

PATH = "/api/v1/lis/hl7v2"
ACCEPTED = ("AA", "CA")
# Engines wait as long for an answer.
_SECONDS = 30
_CHUNK_BYTES = 65_536
_MOST_ANSWER_BYTES = 1_000_000
_ENVELOPE = re.compile(rb"(?:\A|(?<=[\r\n]))[FB](?:HS|TS)[^\w\s][^\r\n]*(?:[\r\n]+|\Z)")
_MSA = re.compile(r"(?:\A|[\r\n])MSA(.)(\w\w)\1[^\r\n]*?\1([^\r\n]*)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a message: a code such as AA or an HTTP status, and its words."""

    code: str
    text: str


Send = Callable[[bytes], Answer]


def messages_of(content: bytes) -> list[bytes]:
    """Cut a file into messages: by MLLP frames if it has any, else before each MSH.

    Raises OperatorError when there is none, or when one is not whole.
    """
    messages = _framed_messages(content) if START in content else _plain_messages(content)
    if not messages:
        raise OperatorError("The file holds no HL7 v2 message: no line begins with MSH.")
    return messages


def _plain_messages(content: bytes) -> list[bytes]:
    return [_ENVELOPE.sub(b"", message) for message in messages_in(content)]


def _framed_messages(content: bytes) -> list[bytes]:
    unframer = Unframer(len(content))
    unframer.feed(content)
    pieces = list(iter(unframer.take, None))
    outside = [piece.content for piece in pieces if isinstance(piece, Stray)]
    if any(b"MSH" in stray for stray in (*outside, unframer.rest)):
        raise OperatorError("The file has MLLP frames, and a message that is not whole in one.")
    return [piece.content for piece in pieces if isinstance(piece, Frame)]


def replay(messages: list[bytes], send: Send, say: Callable[[str], None]) -> bool:
    """Send messages in order, saying of each what was answered; tell whether all were accepted.

    Stops where nothing was acknowledged, because what follows may rest on it.
    """
    accepted = 0
    for number, message in enumerate(messages, 1):
        header = read_header(message, SenderProfile())
        name = (header.control_id if header else "") or f"message {number}"
        answer = send(message)
        say(f"{_printable(name)}  {answer.code}  {_printable(answer.text)}")
        accepted += answer.code in ACCEPTED
        if not answer.code.isalpha():
            break
    say(f"{accepted} of {len(messages)} messages were accepted.")
    return accepted == len(messages)


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def acknowledgement(content: bytes) -> Answer:
    """Read code and text of an acknowledgement; an empty one was not asked for."""
    if not content:
        return Answer("AA", "Stored; the message asks for no acknowledgement.")
    found = _MSA.search(content.decode(errors="replace"))
    return Answer(found[2], found[3]) if found else Answer("---", "The answer has no MSA.")


@contextmanager
def over_http(url: str, key: str) -> Iterator[Send]:
    """Send to the service at `url`, with an API key or an access token."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/hl7-v2"}
    with httpx.Client(base_url=url, headers=headers, timeout=_SECONDS) as client:

        def send(message: bytes) -> Answer:
            response = client.post(PATH, content=message)
            while response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                time.sleep(int(response.headers.get("Retry-After", "1")))
                response = client.post(PATH, content=message)
            if response.is_success:
                return acknowledgement(response.content)
            return Answer(str(response.status_code), _detail(response))

        try:
            yield send
        except httpx.TransportError as error:
            raise OperatorError(f"No service answers at {url} ({type(error).__name__}).") from error


def _detail(response: httpx.Response) -> str:
    """Return the sentence of a problem document, if it is one."""
    if response.headers.get("content-type") != "application/problem+json":
        return "This is not the service that was expected."
    return str(response.json()["detail"])


@contextmanager
def over_mllp(host: str, port: int) -> Iterator[Send]:
    """Send to an MLLP listener without TLS."""
    try:
        with socket.create_connection((host, port), timeout=_SECONDS) as line:
            yield lambda message: _exchange(line, message)
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise OperatorError(f"The listener at {host}:{port} gives no answer ({said}).") from error


def _exchange(line: socket.socket, message: bytes) -> Answer:
    line.sendall(framed(message))
    if not wants_answer(read_header(message, SenderProfile())):
        return Answer("AA", "Sent; the message asks for no acknowledgement.")
    unframer = Unframer(_MOST_ANSWER_BYTES)
    while (answer := unframer.take()) is None:
        data = line.recv(_CHUNK_BYTES)
        if not data:
            return Answer("---", "The listener has closed the line; it says why in its log.")
        unframer.feed(data)
    return acknowledgement(answer.content)
