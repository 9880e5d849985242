"""Identifiers: UUIDv7, so that order of id is order of creation."""

from __future__ import annotations

from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return compat.uuid7()
