"""Repeated requests: the same key and body get the same answer, and nothing happens twice."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import DomainError, ErrorKind
from app.models import IdempotencyRecord


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request's key within its scope (caller and operation), and what was asked."""

    scope: str
    key: str
    fingerprint: str


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
    return Answer(earlier.status, dict(earlier.headers or {}), earlier.body)


async def keep(session: AsyncSession, request: RequestKey, answer: Answer) -> None:
    """Keep the answer beside what it reports, in the same transaction."""
    await session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.scope == request.scope, IdempotencyRecord.key == request.key)
        .values(status=answer.status, headers=answer.headers, body=answer.body)
    )
