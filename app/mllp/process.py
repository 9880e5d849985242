"""The listener as a process: its settings, its certificate, its database, until told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from functools import partial
from ipaddress import ip_address

import uvloop
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import system_clock
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import OperatorError
from app.core.exposition import exposed_metrics
from app.core.ids import new_id
from app.core.logging import log
from app.core.telemetry import Process, registry_of
from app.core.traces import Traces
from app.domain.inbound import Door
from app.mllp.connection import Limits
from app.mllp.intake import Identify, Intake
from app.mllp.listener import Listener
from app.operations import database_urls, with_database
from app.server import identity_keyring, prepare
from app.services.ingest_counts import show_doors
from app.services.senders import CallingSender, sender_of_certificate, sender_of_code

STOP_SECONDS = 10
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Study and code of the sender that everybody on this machine speaks for.
Local = tuple[str, str]


def listen(settings: Settings, local: Local | None, announce: Callable[[str], None]) -> None:
    """Listen until a signal; `announce` gets the address once messages are taken.

    `local` is needed without TLS and refused with it. Raises OperatorError, DomainError.
    """
    tls = tls_context(settings)
    _check_identity(settings, local, tls)
    with database_urls(settings) as urls:
        asyncio.run(with_database(urls.owner, partial(_ready, settings, local)))
        uvloop.run(_run(settings, urls.api, tls, local, announce))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Build the context that demands client certificates, None when none is configured."""
    files = (settings.mllp_tls_cert, settings.mllp_tls_key, settings.mllp_client_ca)
    if not any(files):
        return None
    certificate, key, client_ca = files
    if certificate is None or key is None or client_ca is None:
        raise OperatorError("TLS needs MLLP_TLS_CERT, MLLP_TLS_KEY and MLLP_CLIENT_CA; set all.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
    except OSError as error:
        raise OperatorError(
            "MLLP_TLS_CERT, MLLP_TLS_KEY or MLLP_CLIENT_CA cannot be read as PEM"
            f" ({error.strerror or type(error).__name__})."
        ) from error
    return context


def _check_identity(settings: Settings, local: Local | None, tls: ssl.SSLContext | None) -> None:
    """Refuse to listen where nobody could tell who is sending."""
    if tls is not None and local is not None:
        raise OperatorError("With TLS the certificate says who sends; leave out --sender.")
    if tls is None and not _is_loopback(settings.mllp_host):
        raise OperatorError(
            "Without TLS the listener takes only a loopback address, such as 127.0.0.1; set"
            " MLLP_TLS_CERT, MLLP_TLS_KEY and MLLP_CLIENT_CA, or put an interface engine on this"
            " machine in front."
        )
    if tls is None and local is None:
        raise OperatorError("Without TLS nothing says who sends; give --study and --sender.")


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except OSError as error:
        raise OperatorError(f"MLLP_HOST {host} is not an address of this machine.") from error
    return all(ip_address(address[0]).is_loopback for *_, address in found)


async def _ready(settings: Settings, local: Local | None, database: Database) -> None:
    """Check the schema, and that the sender of this machine is there."""
    await prepare(settings, database)
    if local is not None:
        async with database.session() as session:
            await sender_of_code(session, *local, str(new_id()), system_clock())


async def _run(
    settings: Settings,
    url: str,
    tls: ssl.SSLContext | None,
    local: Local | None,
    announce: Callable[[str], None],
) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for each in _STOP_SIGNALS:
        loop.add_signal_handler(each, stopped.set)
    database = Database(url, settings.database_pool_size)
    keyring = identity_keyring(settings)
    traces = Traces(settings.otel_exporter_otlp_endpoint)
    intake = Intake(database, keyring, system_clock, settings.database_pool_size, traces)
    listener = Listener(intake, limits_of(settings), partial(identify, local))
    host, port = await listener.open(settings.mllp_host, settings.mllp_port, tls)
    # Objects of the start live as long as the process: keep the collector off them.
    gc.collect()
    gc.freeze()
    show_doors(Door.MLLP)
    shown = registry_of(Process.MLLP)
    with exposed_metrics(settings.metrics_host, settings.metrics_port, shown):
        log.info("started", host=host, port=port)
        announce(f"{host}:{port}")
        await stopped.wait()
        await listener.stop(STOP_SECONDS)
    log.info("stopped")
    await database.close()
    await asyncio.to_thread(traces.end)


def limits_of(settings: Settings) -> Limits:
    """Return the limits of connections."""
    return Limits(
        message_bytes=settings.bulk_body_limit_bytes,
        message_seconds=settings.mllp_message_seconds,
        idle_seconds=settings.mllp_idle_seconds,
        connections=settings.mllp_connections,
    )


def identify(local: Local | None, digest: str | None) -> Identify:
    """Return how to find the sender of a connection, by its certificate or as set for all."""

    async def sender(session: AsyncSession, request_id: str, now: datetime) -> CallingSender:
        if local is not None:
            return await sender_of_code(session, *local, request_id, now)
        assert digest is not None, "the handshake demands a certificate"
        return await sender_of_certificate(session, digest, request_id, now)

    return sender
