"""One connection of a laboratory system: frames in, acknowledgements out, never without a limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.interop.hl7v2.mllp import Frame, Stray, Unframer, framed

_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may take.

    `message_seconds` is the time from a message's first byte to its last, and to take its answer.
    """

    message_bytes: int
    message_seconds: float
    idle_seconds: float
    connections: int


class Connection:
    """The bytes of one connection, in both directions."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        self._reader, self._writer, self._limits = reader, writer, limits
        self._unframer = Unframer(limits.message_bytes)

    @property
    def unfinished(self) -> bytes:
        """What has come since the last frame."""
        return self._unframer.rest

    async def take(self) -> Frame | Stray | None:
        """Wait for the next frame or stray bytes; raise Oversized.

        None when nothing more comes: the other side has closed, or the time is up.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._limits.idle_seconds
        begun = False
        while (piece := self._unframer.take()) is None:
            if self._unframer.pending and not begun:
                begun, deadline = True, clock() + self._limits.message_seconds
            data = await self._read(deadline)
            if not data:
                return None
            self._unframer.feed(data)
        return piece

    async def _read(self, deadline: float) -> bytes:
        """Read what is there; nothing at the end, after a failure and when the time is up."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._reader.read(_CHUNK_BYTES)
        except OSError:
            return b""

    async def answer(self, acknowledgement: bytes) -> None:
        """Send an acknowledgement; raise OSError when the other side does not take it."""
        self._writer.write(framed(acknowledgement))
        async with asyncio.timeout(self._limits.message_seconds):
            await self._writer.drain()
