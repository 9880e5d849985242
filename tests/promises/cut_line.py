"""A line between the service and PostgreSQL that is cut at a chosen statement.

It speaks the wire protocol of PostgreSQL, so it sees what any driver sends, BEGIN and COMMIT too.
"""

from __future__ import annotations

import asyncio
import shutil
import struct
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

_SOCKET = ".s.PGSQL.5432"
_VERSION_3 = 196_608
# Execute of the extended protocol and the simple query: each is one statement.
_STATEMENTS = (b"E", b"Q")
_READY, _COMMIT = b"Z", b"COMMIT"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to cut: at the n-th statement or COMMIT from now, before it is sent or when it is done.

    The service keeps a few answers of the database, so a request may have a statement less.
    """

    number: int
    after: bool
    commits: bool = False


class Line:
    """Passes on what the service and PostgreSQL say; the same address leads where it is told."""

    def __init__(self, server_url: str) -> None:
        url = make_url(server_url)
        self._server = str(Path(str(url.query["host"])) / _SOCKET)
        self._folder = Path(tempfile.mkdtemp(prefix="msc-line-"))
        self.url = url.set(query={"host": str(self._folder), "port": "5432"}).render_as_string(
            hide_password=False
        )
        self._target = str(url.database)
        self._open = asyncio.Event()
        self._open.set()
        self.statements = self.commits = 0
        self.was_cut = False
        self._cut: Cut | None = None
        self._wires: set[_Wire] = set()
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Line:
        self._listening = await asyncio.start_unix_server(
            self._serve, path=str(self._folder / _SOCKET)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        await self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def arm(self, cut: Cut | None) -> None:
        """Count statements from now on, and cut where it is said."""
        self.statements, self.commits, self.was_cut, self._cut = 0, 0, False, cut

    async def close(self) -> None:
        """Cut every session and wait until it is gone; new ones wait until the line leads on."""
        self._open.clear()
        wires = list(self._wires)
        for wire in wires:
            wire.cut()
        await asyncio.gather(*(wire.ended.wait() for wire in wires))

    def lead_to(self, database: str) -> None:
        """Lead new sessions to a database of the same server."""
        self._target = database
        self._open.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._open.wait()
        wire = _Wire((reader, writer), await asyncio.open_unix_connection(self._server), self.due)
        self._wires.add(wire)
        try:
            await wire.run(self._target)
        finally:
            self._wires.discard(wire)

    def due(self, message: bytes) -> Cut | None:
        """Count a statement; return the cut if it is at this one."""
        is_commit = message[5:].startswith(_COMMIT)
        self.statements += 1
        self.commits += is_commit
        cut = self._cut
        if cut is None or (cut.commits and not is_commit):
            return None
        at_it = cut.number == (self.commits if cut.commits else self.statements)
        self.was_cut = self.was_cut or at_it
        return cut if at_it else None


class _Wire:
    """One session: the two directions, each cut into messages."""

    def __init__(self, client: Any, server: Any, due: Callable[[bytes], Cut | None]) -> None:
        (self._asked, self._to_client), (self._answered, self._to_server) = client, server
        self._due = due
        self._is_last = False
        self.ended = asyncio.Event()

    async def run(self, database: str) -> None:
        """Pass on until either side ends or the line is cut."""
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                self._to_server.write(_led_to(await _startup(self._asked), database))
                ways = [asyncio.create_task(way()) for way in (self._upward, self._downward)]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                self.cut()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self.cut()
            self.ended.set()

    def cut(self) -> None:
        """End the session at both sides at once."""
        for writer in (self._to_client, self._to_server):
            writer.transport.abort()

    async def _upward(self) -> None:
        while True:
            kind, message = await _message(self._asked)
            cut = self._due(message) if kind in _STATEMENTS else None
            if cut is not None and not cut.after:
                return
            self._is_last = self._is_last or cut is not None
            self._to_server.write(message)
            await self._to_server.drain()

    async def _downward(self) -> None:
        while True:
            kind, message = await _message(self._answered)
            if not self._is_last:
                self._to_client.write(message)
            elif kind == _READY:
                return


async def _startup(reader: StreamReader) -> bytes:
    """Read the first message of a session, which has no kind."""
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


def _led_to(startup: bytes, database: str) -> bytes:
    """Return the first message with another database's name in it."""
    if struct.unpack("!i", startup[4:8])[0] != _VERSION_3:
        return startup  # asks to cancel a statement
    words = startup[8:-2].split(b"\x00")
    named = dict(zip(words[::2], words[1::2], strict=True)) | {b"database": database.encode()}
    body = b"".join(word + b"\x00" for pair in named.items() for word in pair) + b"\x00"
    return struct.pack("!ii", len(body) + 8, _VERSION_3) + body
