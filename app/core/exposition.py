"""The port on which a process without an API shows its metrics, where one is configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from app.core.errors import OperatorError
from app.core.logging import log


@contextmanager
def exposed_metrics(
    host: str, port: int | None, registry: CollectorRegistry
) -> Iterator[int | None]:
    """Answer Prometheus while in the context, unless there is no port; give the one that it is.

    It asks for no token, because a process without an API has no keys to check one by; so it
    listens on this machine only unless METRICS_HOST says otherwise. Raises OperatorError.
    """
    if port is None:
        yield None
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise OperatorError(
            f"Port {port} of {host} cannot be used ({error.strerror or error});"
            " set METRICS_PORT or METRICS_HOST to another one."
        ) from error
    log.info("metrics_exposed", port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
