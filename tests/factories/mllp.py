"""An MLLP listener inside the test, and the laboratory system at the other end of the line."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from app.core.clock import Clock
from app.core.database import Database
from app.core.traces import Traces
from app.interop.hl7v2.mllp import END, framed
from app.mllp.connection import Limits
from app.mllp.intake import Intake
from app.mllp.listener import Listener
from app.mllp.process import identify
from tests.conftest import KEYRING, STUDY

LIMITS = Limits(message_bytes=10_000_000, message_seconds=5, idle_seconds=30, connections=20)
LOCAL = (STUDY, "LIS-01")
# No answer takes longer in a test that passes.
PATIENCE = 20


class Line:
    """The sender's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def put(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)
        await self._writer.drain()

    async def take(self) -> bytes:
        """Read one answer without its frame; fails when the line is closed instead."""
        async with asyncio.timeout(PATIENCE):
            block = await self._reader.readuntil(END + b"\r")
        assert block.startswith(b"\x0b")
        return block[1:-2]

    async def send(self, message: bytes) -> bytes:
        """Send a message in its frame and read the answer."""
        await self.put(framed(message))
        return await self.take()

    async def silence(self) -> bytes:
        """Read until the other side closes and return what it said before."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def finish(self) -> None:
        """Say that nothing more comes, and keep listening."""
        self._writer.write_eof()

    def cut(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(
    address: tuple[str, int], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Line]:
    """Connect as a laboratory system."""
    reader, writer = await asyncio.open_connection(*address, ssl=tls)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def listening(
    database: Database,
    clock: Clock,
    limits: Limits = LIMITS,
    tls: ssl.SSLContext | None = None,
    patience: float = PATIENCE,
    traces: Traces | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Listen on a free port as the process does, one message at a time; give the address.

    Without TLS everybody speaks for LIS-01. At the end messages in hand have `patience` seconds.
    """
    intake = Intake(database, KEYRING, clock, at_once=1, traces=traces)
    listener = Listener(intake, limits, partial(identify, None if tls else LOCAL))
    address = await listener.open("127.0.0.1", 0, tls)
    try:
        yield address
    finally:
        await listener.stop(patience)


def msa(answer: bytes) -> list[str]:
    """Return the fields of the first MSA of an answer in UTF-8."""
    line = next(line for line in answer.decode().split("\r") if line.startswith("MSA"))
    return line.split("|")
