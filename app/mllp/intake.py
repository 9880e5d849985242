"""Takes in what came over MLLP: one transaction for each message, as whom the connection is for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Clock
from app.core.database import Database
from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.logging import log
from app.core.rate import Rates
from app.core.traces import Traces, current_trace
from app.domain.inbound import Door
from app.interop.hl7v2.receiving import Arrival, Reply, keep_unread, receive_er7
from app.services.audit import begin_operation
from app.services.ingest_counts import count_ingest
from app.services.senders import CallingSender, check_network

Result = TypeVar("Result")
Identify = Callable[[AsyncSession, str, datetime], Awaitable[CallingSender]]
Work = Callable[[AsyncSession, CallingSender, datetime], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a connection: how to find its sender anew for each message, and where."""

    identify: Identify
    address: str | None


class Intake:
    """Receives messages, as many at once as there are connections to the database."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        at_once: int,
        traces: Traces | None = None,
    ) -> None:
        self._database, self._keyring, self._clock = database, keyring, clock
        self._traces = traces or Traces(None)
        self._turns = asyncio.Semaphore(at_once)
        self._rates = Rates()

    async def receive(self, peer: Peer, message: bytes) -> Reply:
        """Store a message and what follows from it; whatever fails is raised, nothing stored."""

        async def work(session: AsyncSession, caller: CallingSender, now: datetime) -> Reply:
            return await receive_er7(
                session, caller, Arrival(message, Door.MLLP), self._keyring, now
            )

        return await self._transact(peer, "receive_mllp", work)

    async def keep(self, peer: Peer, raw: bytes, refusal: str) -> None:
        """Keep bytes that make no message as a dead letter."""

        async def work(session: AsyncSession, caller: CallingSender, now: datetime) -> None:
            await keep_unread(session, caller, Arrival(raw, Door.MLLP), refusal, self._keyring, now)

        await self._transact(peer, "keep_mllp_bytes", work)

    async def _transact(self, peer: Peer, command: str, work: Work[Result]) -> Result:
        """Work in a transaction and a trace of its own."""
        with self._traces.message(command):
            return await self._work(peer, command, work)

    async def _work(self, peer: Peer, command: str, work: Work[Result]) -> Result:
        """Work in a transaction of its own; a sender above its rate waits instead of being refused.

        The sender is found anew for each message, so that a closed door is closed at once.
        """
        while True:
            request_id, now = str(new_id()), self._clock()
            async with self._turns, self._database.session() as session:
                caller = await peer.identify(session, request_id, now)
                check_network(caller, peer.address)
                wait = self._rates.take(caller.sender_id, caller.rate_per_minute)
                if not wait:
                    await begin_operation(session, caller.actor, command, None)
                    result = await work(session, caller, now)
                    await session.commit()
                    count_ingest(session)
                    log.info(command, request_id=request_id, sender=caller.code, **current_trace())
                    return result
            await asyncio.sleep(wait)
