"""What is said on one connection: each message is stored for good, then answered, in its order.

What cannot be stored is never answered: the connection is closed, and the sender sends again. A
negative answer would make the most used interface engine give the message up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.logging import log
from app.core.telemetry import MLLP_UNANSWERED
from app.domain.errors import DomainError
from app.interop.hl7v2.mllp import START, Frame, Oversized, Stray
from app.mllp.connection import Connection
from app.mllp.intake import Intake, Peer
from app.services.failures import translate

NOT_FRAMED, OVERSIZED = "not_framed", "oversized"
# How a message begins; anything else outside of a frame is noise on the line.
_MESSAGE = b"MSH"


class Conversation:
    """The messages and answers of one connection; `idle` while no message is in hand."""

    def __init__(self, connection: Connection, peer: Peer, intake: Intake) -> None:
        self._connection, self._peer, self._intake = connection, peer, intake
        self._ending = False
        self.idle = True

    def end(self) -> None:
        """Let the message in hand be the last one."""
        self._ending = True

    async def hold(self) -> None:
        """Answer one message after the other until one side ends it; never raises."""
        try:
            await self._exchange()
        except Exception as error:  # noqa: BLE001 - whatever failed, the sender sends again
            MLLP_UNANSWERED.inc()
            known = error if isinstance(error, DomainError) else translate(error)
            log.warning(
                "mllp_closed_without_answer",
                error=type(error).__name__,
                code=known.code if known else None,
            )

    async def _exchange(self) -> None:
        try:
            while not self._ending and (piece := await self._connection.take()):
                with self._at_work():
                    if not await self._handle(piece):
                        return
        except Oversized:
            begun = self._connection.unfinished.startswith(START)
            refusal = OVERSIZED if begun else NOT_FRAMED
        else:
            refusal = NOT_FRAMED
        if self._connection.unfinished and not self._ending:
            with self._at_work():
                await self._keep(self._connection.unfinished, refusal)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.idle = False
        yield
        self.idle = True

    async def _handle(self, piece: Frame | Stray) -> bool:
        """Store a message and answer it; tell whether the conversation can go on."""
        if isinstance(piece, Stray):
            await self._notice(piece.content)
            return True
        reply = await self._intake.receive(self._peer, piece.content)
        if reply.content:
            await self._connection.answer(reply.content)
        if not reply.is_hl7:
            log.warning("mllp_not_hl7", bytes=len(piece.content))
        return reply.is_hl7

    async def _notice(self, stray: bytes) -> None:
        """Keep what holds the head of a message; of the rest, only note that it was there."""
        if _MESSAGE in stray:
            await self._keep(stray, NOT_FRAMED)
        else:
            log.info("mllp_stray_bytes", bytes=len(stray))

    async def _keep(self, raw: bytes, refusal: str) -> None:
        log.warning("mllp_dead_letter", refusal=refusal, bytes=len(raw))
        await self._intake.keep(self._peer, raw, refusal)
