"""Repeated requests: the same key and body get the same answer, and nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring, UnreadableSecret
from app.domain.errors import DomainError, ErrorKind
from app.models import IdempotencyRecord

# A key is claimed in the transaction of its request, before anything is recorded.
_CLAIMED_BEFORE = timedelta(minutes=1)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request's key within its scope (caller and operation), and what was asked."""

    scope: str
    key: str
    fingerprint: str
    keyring: Keyring = field(repr=False, compare=False)

    def seal(self, body: bytes) -> bytes:
        """Return an answer's body as it is kept: it may hold what the request said."""
        return self.keyring.seal(body, self._place)

    def open(self, kept: bytes) -> bytes:
        """Return a kept body as it goes out once more; older ones were kept in the open."""
        try:
            return self.keyring.open(kept, self._place)
        except UnreadableSecret:
            return kept

    @property
    def _place(self) -> str:
        return f"idempotency_record {self.scope} {self.key}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it went out."""

    status: int
    headers: dict[str, str]
    body: bytes


async def claim(session: AsyncSession, request: RequestKey) -> Answer | None:
    """Claim a key in this transaction; return the earlier answer if the request was done before.

    While another transaction holds the key this waits for the lock timeout and then fails busy.
    Raises invalid when the key was used for another request.
    """
    statement = (
        insert(IdempotencyRecord)
        .values(scope=request.scope, key=request.key, fingerprint=request.fingerprint)
        .on_conflict_do_nothing()
        .returning(IdempotencyRecord.key)
    )
    if await session.scalar(statement) is not None:
        return None
    earlier = await session.scalar(
        select(IdempotencyRecord).where(
            IdempotencyRecord.scope == request.scope, IdempotencyRecord.key == request.key
        )
    )
    if earlier is None or earlier.status is None or earlier.body is None:
        raise DomainError(
            ErrorKind.BUSY, "request_running", "The same request is being answered; wait for it."
        )
    if earlier.fingerprint != request.fingerprint:
        raise DomainError(
            ErrorKind.INVALID,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request; take a new key.",
        )
    return Answer(earlier.status, dict(earlier.headers or {}), request.open(earlier.body))


async def keep(session: AsyncSession, request: RequestKey, answer: Answer) -> None:
    """Keep the answer beside what it reports, in the same transaction."""
    await session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.scope == request.scope, IdempotencyRecord.key == request.key)
        .values(status=answer.status, headers=answer.headers, body=request.seal(answer.body))
    )


async def rewrite_kept(
    session: AsyncSession, keyring: Keyring, since: datetime, rewrite: Callable[[str], str]
) -> None:
    """Rewrite the JSON of every answer kept since a moment; one that stays the same is left."""
    query = select(IdempotencyRecord).where(
        IdempotencyRecord.recorded_at >= since - _CLAIMED_BEFORE
    )
    async for row in await session.stream_scalars(query.execution_options(yield_per=_BATCH)):
        if row.body is None or "json" not in (row.headers or {}).get("content-type", ""):
            continue
        place = RequestKey(row.scope, row.key, row.fingerprint, keyring)
        body = place.open(row.body).decode()
        written = rewrite(body)
        if written != body:
            row.body = place.seal(written.encode())
    await session.flush()
