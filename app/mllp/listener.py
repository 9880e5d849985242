"""The listening port: who is on the other side of a connection, how many, and a graceful stop."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from app.core.errors import OperatorError
from app.core.ids import new_id
from app.core.logging import log
from app.core.telemetry import MLLP_CONNECTIONS
from app.mllp.connection import Connection, Limits
from app.mllp.conversation import Conversation
from app.mllp.intake import Identify, Intake, Peer

_TLS_SECONDS = {"ssl_handshake_timeout": 10, "ssl_shutdown_timeout": 5}


class Listener:
    """A listening port and its open connections.

    `identity` tells, from the SHA-256 of a certificate or None without TLS, how to find a sender.
    """

    def __init__(
        self, intake: Intake, limits: Limits, identity: Callable[[str | None], Identify]
    ) -> None:
        self._intake, self._limits, self._identity = intake, limits, identity
        self._open: dict[asyncio.Task[Any], Conversation] = {}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> tuple[str, int]:
        """Take the port and return the address; raise OperatorError."""
        seconds: dict[str, Any] = _TLS_SECONDS if tls else {}
        try:
            self._server = await asyncio.start_server(self._accept, host, port, ssl=tls, **seconds)
        except OSError as error:
            raise OperatorError(
                f"Port {port} of {host} cannot be used ({error.strerror or error});"
                " set MLLP_PORT or MLLP_HOST to another one."
            ) from error
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def stop(self, seconds: float) -> None:
        """Take no more, and let the messages in hand be finished, for so long at most."""
        assert self._server is not None, "it was opened"
        self._server.close()
        for task, conversation in self._open.items():
            conversation.end()
            if conversation.idle:
                task.cancel()
        _, late = await asyncio.wait(self._open, timeout=seconds) if self._open else (set(), set())
        for task in late:
            log.error("mllp_message_cut_off")
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin a conversation, unless there are too many."""
        if len(self._open) >= self._limits.connections:
            log.warning("mllp_connection_refused", open=len(self._open))
            writer.close()
            return
        connection = Connection(reader, writer, self._limits)
        conversation = Conversation(connection, self._peer(writer), self._intake)
        task = asyncio.create_task(self._hold(conversation, writer))
        self._open[task] = conversation
        task.add_done_callback(self._open.pop)

    async def _hold(self, conversation: Conversation, writer: asyncio.StreamWriter) -> None:
        structlog.contextvars.bind_contextvars(connection=str(new_id()))
        log.info("mllp_connected")
        try:
            with MLLP_CONNECTIONS.track_inprogress():
                await conversation.hold()
        finally:
            log.info("mllp_disconnected")
            writer.close()

    def _peer(self, writer: asyncio.StreamWriter) -> Peer:
        """Find out who is there, and let the system notice when a line has silently died."""
        with suppress(OSError):
            line = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        tls = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls else None
        digest = hashlib.sha256(certificate).hexdigest() if certificate else None
        host, *_ = writer.get_extra_info("peername") or [None]
        return Peer(self._identity(digest), host)
