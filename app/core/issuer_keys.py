"""The public keys of an issuer, read anew while the service runs: a rotation needs no restart."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from app.core.jose import PublicKeys
from app.core.logging import log

# How often the keys are read without a reason, and at most because of a key that is unknown.
REFRESH_SECONDS = 300
SOONEST_SECONDS = 60
TIMEOUT_SECONDS = 10
LARGEST_BYTES = 1_000_000


class IssuerKeys:
    """Keys that are in force now; `read` gets the JSON Web Key Set, None for keys that never move.

    Whoever keeps what an earlier set has verified compares `current` with the set it was verified
    by: it is another object as soon as a key came or went.
    """

    def __init__(
        self,
        current: PublicKeys,
        read: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current = current
        self._read = read
        self._clock = clock
        self._text: str | None = None
        self._soonest = clock()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, location: str, clock: Callable[[], float] = time.monotonic) -> IssuerKeys:
        """Read the keys of a file or of an https address; raise OSError and ValueError."""
        text = read_keys(location)
        keys = cls(_keys(text), lambda: read_keys(location), clock)
        keys._text = text
        return keys

    async def renew(self) -> None:
        """Read the keys again, unless that was tried a moment ago; a failure keeps those of before.

        Whoever asks while they are being read waits for the same answer.
        """
        if self._reading is None:
            if self._read is None or self._clock() < self._soonest:
                return
            self._soonest = self._clock() + SOONEST_SECONDS
            self._reading = asyncio.create_task(self._take())
            self._reading.add_done_callback(self._done)
        # Who asked may go away; the others still wait.
        await asyncio.shield(self._reading)

    async def keep_fresh(self) -> None:
        """Renew the keys now and then, until cancelled."""
        while self._read is not None:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.renew()

    def _done(self, _task: asyncio.Task[None]) -> None:
        self._reading = None

    async def _take(self) -> None:
        assert self._read is not None
        try:
            text = await asyncio.to_thread(self._read)
            if text != self._text:
                self.current, self._text = _keys(text), text
        except Exception as error:  # noqa: BLE001 - whatever is published, nobody is locked out
            log.warning("issuer_keys_not_renewed", error=type(error).__name__)


def _keys(text: str) -> PublicKeys:
    try:
        return PublicKeys.read(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested without end") from error


def read_keys(location: str) -> str:
    """Read a key set from a file, or over TLS from where the setting says and nowhere else."""
    if not location.startswith("https://"):
        return Path(location).read_text(encoding="utf-8")
    import httpx  # noqa: PLC0415 - only this needs it

    content = b""
    try:
        with httpx.stream("GET", location, timeout=TIMEOUT_SECONDS) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                content += part
                if len(content) > LARGEST_BYTES:
                    raise OSError("it is larger than a set of keys")
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__} while reading it") from error
    return content.decode()
