"""The frames of MLLP: what stands between VT and FS is one message, whatever it is.

Bytes only, no socket. Framing before decoding is safe: neither byte occurs inside a character of
UTF-8, GB 18030 or a single-byte charset.
"""

from __future__ import annotations

from dataclasses import dataclass

START, END, CARRIAGE_RETURN = b"\x0b", b"\x1c", b"\r"
_BETWEEN = b"\r\n"


def framed(message: bytes) -> bytes:
    """Put a message or an acknowledgement into its frame."""
    return START + message + END + CARRIAGE_RETURN


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood in a frame, without it."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """What stood outside of every frame: before one, or in one that was begun again."""

    content: bytes


class Oversized(Exception):  # noqa: N818 - names what came
    """More has come than the limit without the end of a frame."""


class Unframer:
    """Takes bytes as they arrive and gives frames, and what is none, in their order.

    A missing CR after a frame and any line ends between frames are no matter. Another VT begins
    the frame anew: what came before it is the head of a message whose rest never came, and taking
    it for a message could take half of a number for a result.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    @property
    def pending(self) -> bool:
        """Whether anything but line ends has come since the last frame."""
        return bool(self._buffer)

    @property
    def rest(self) -> bytes:
        """What has come since the last frame."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrived."""
        self._buffer += data

    def take(self) -> Frame | Stray | None:
        """Give the next frame or stray bytes, None when more has to come; raise Oversized."""
        if not self._searched:
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(_BETWEEN))]
        begun = self._buffer.startswith(START)
        found = self._buffer.find(END if begun else START, self._searched)
        size = found if found >= 0 else len(self._buffer)
        if size - begun > self._limit:
            raise Oversized
        if found < 0:
            self._searched = len(self._buffer)
            return None
        self._searched = 0
        return self._frame(found) if begun else self._stray(found)

    def _frame(self, end: int) -> Frame | Stray:
        anew = self._buffer.rfind(START, 1, end)
        if anew > 0:
            return self._stray(anew)
        content = bytes(self._buffer[1:end])
        del self._buffer[: end + 1]
        return Frame(content)

    def _stray(self, end: int) -> Stray:
        content = bytes(self._buffer[:end])
        del self._buffer[:end]
        return Stray(content)
