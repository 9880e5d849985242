"""Identifiers: UUIDv7, so that order of id is order of creation."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils import compat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return compat.uuid7()


def id_at(moment: datetime) -> UUID:
    """Return a new UUIDv7 of a moment, in order down to the quarter of a microsecond.

    For what has to be in the order of another clock, such as the database's.
    """
    milliseconds, micros = divmod((moment - _EPOCH) // _MICROSECOND, 1000)
    ordered = milliseconds << 16 | 7 << 12 | micros * 4096 // 1000
    return UUID(int=ordered << 64 | 0b10 << 62 | secrets.randbits(62))
