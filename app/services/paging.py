"""Pages of a list: keyset on id, oldest first, at most 200 items, no total."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import invalid

MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted, and as of which moment (None is now)."""

    limit: int = 50
    cursor: str | None = None
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows and the cursor of the next, None on the last."""

    items: Sequence[Any]
    next: str | None


async def page(session: AsyncSession, query: Select[Any], key: Any, request: PageRequest) -> Page:
    """Run `query` for one page ordered by the id column `key`; raise invalid for a bad cursor."""
    if request.cursor is not None:
        query = query.where(key > _decode(request.cursor, key.type.python_type))
    query = query.order_by(None).order_by(key).limit(request.limit + 1)
    found = list(await session.scalars(query))
    items = found[: request.limit]
    more = len(found) > request.limit
    return Page(items, _encode(items[-1].id) if more else None)


def write_cursor(raw: bytes) -> str:
    """Write the key of the last item of a page as a cursor."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(cursor: str, length: int) -> bytes:
    """Read a cursor back; raise invalid for one that is not of this length."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error
    if len(raw) != length:
        raise bad_cursor()
    return raw


def _encode(key: UUID | int) -> str:
    return write_cursor(key.bytes if isinstance(key, UUID) else key.to_bytes(8, "big"))


def _decode(cursor: str, kind: type[Any]) -> UUID | int:
    if kind is UUID:
        return UUID(bytes=read_cursor(cursor, 16))
    raw = read_cursor(cursor, 8)
    if raw[0] >= 0x80:
        raise bad_cursor()
    return int.from_bytes(raw, "big")


def bad_cursor() -> Exception:
    """Say that a cursor is none of the list it was sent to."""
    return invalid(
        "invalid_cursor", "This is not a cursor of this list; start without one.", "/query/cursor"
    )
