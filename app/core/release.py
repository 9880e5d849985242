"""Which release of the service runs, as logs and traces name it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def release() -> str:
    """Return the installed version, `unknown` for a checkout that was never installed."""
    try:
        return version("msc-icaht")
    except PackageNotFoundError:
        return "unknown"
