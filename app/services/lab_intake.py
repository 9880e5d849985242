"""The short way for ordinary results: what arrives together is stored by one statement and commit.

A sending is ordinary when its sender may send and all its results are sound, new and of subjects
that have not left. Nothing is stored here of any other: the plain way (lab_recording.py) takes it
from the start and says what is wrong. What an ordinary sending stores is the same either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

from app.core.database import Database
from app.core.gathering import Gathering
from app.core.ids import id_at
from app.core.serialization import to_json
from app.domain.errors import DomainError
from app.domain.inbound import Door
from app.services.idempotency import Answer, RequestKey
from app.services.ingest_counts import Counts, count_message
from app.services.lab_admission import Admission, Sending, Stored, admit
from app.services.lab_history import version
from app.services.lab_intake_statements import ANSWER, OPERATION, STORE, WRITTEN
from app.services.lab_recording import candidate
from app.services.role_matrix import Area, Right, allows

_NATURAL_KEY = ("subject_id", "source", "specimen", "analyte")
_ORIGIN = ("study_id", "operation_id", "recorded_at")
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
# Sendings that share a transaction, and the results up to which one is small enough to.
MOST_TOGETHER, SMALL = 32, 100
# Larger ones that are stored at a time; more would keep everybody else from a turn.
LARGE_AT_ONCE = 2
# Twice what a statement may take: behind a connection that hangs all others would wait for ever.
LIMIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _Ready:
    """A sending that may be stored, and its answer."""

    operation: tuple[Any, ...]
    rows: Sequence[dict[str, Any]]
    key: RequestKey | None
    answer: Answer

    @property
    def names(self) -> list[tuple[Any, ...]]:
        """Give what nothing else may be stored under: natural keys and the Idempotency-Key."""
        key = [(self.key.scope, self.key.key)] if self.key else []
        return [*map(_natural_key, self.rows), *key]

    def is_among(self, ids: Collection[UUID], keys: Collection[tuple[str, str]]) -> bool:
        """Tell whether all of it was written."""
        has_key = self.key is None or (self.key.scope, self.key.key) in keys
        return has_key and all(row["id"] in ids for row in self.rows)


class _NotAllNew(Exception):  # noqa: N818 - no error: the transaction is to be rolled back
    """Something of the sendings at these places is here already, or their subjects have left."""

    def __init__(self, places: Collection[int]) -> None:
        super().__init__()
        self.places = places


class LabIntake:
    """The short way of one process: small sendings that arrive together are stored together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._small = Gathering(self._store, MOST_TOGETHER)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def take(self, sending: Sending) -> Answer | None:
        """Store a sending if it is ordinary, and return once that is committed.

        A database that fails is left to the plain way, too: it answers for it, and finds what was
        committed after all.
        """
        started = perf_counter()
        try:
            if len(sending.entries) <= SMALL:
                answer = await self._small.do(sending)
            else:
                async with self._large:
                    answer = (await self._store([sending]))[0]
        except _FAILURES:
            return None
        if answer is not None:
            filed = Counts(filed=len(sending.entries))
            count_message(Door.JSON, filed, started)
        return answer

    async def _store(self, sendings: Sequence[Sending]) -> Sequence[Answer | None]:
        async with asyncio.timeout(LIMIT_SECONDS), self._database.direct() as connection:
            return await store(connection, sendings)


async def store(
    connection: asyncpg.Connection, sendings: Sequence[Sending]
) -> Sequence[Answer | None]:
    """Store the ordinary ones of some sendings in one transaction; None stands for the others."""
    try:
        async with connection.transaction():
            ready = await _prepare(connection, sendings)
            return await _write(connection, ready)
    except _NotAllNew as found:
        # All was rolled back for the sake of some; the rest is tried again without them.
        rest = [each for place, each in enumerate(sendings) if place not in found.places]
        again = iter(await store(connection, rest) if rest else ())
        return [None if place in found.places else next(again) for place in range(len(sendings))]


async def _prepare(
    connection: asyncpg.Connection, sendings: Sequence[Sending]
) -> list[_Ready | None]:
    """Judge every sending; the later one of two that name the same result or key has to wait."""
    admitted = await admit(connection, sendings)
    taken: set[tuple[Any, ...]] = set()
    prepared: list[_Ready | None] = []
    for sending in sendings:
        ready = _judge(sending, admitted[sending.sender])
        names = ready.names if ready else []
        if len(set(names)) < len(names) or not taken.isdisjoint(names):
            ready = None
        else:
            taken.update(names)
        prepared.append(ready)
    return prepared


def _judge(sending: Sending, admission: Admission) -> _Ready | None:
    """Return what to write of a sending, None unless all of it is sound and allowed."""
    if admission.actor is None or admission.recorded_at is None:
        return None
    actor = replace(admission.actor, request_id=sending.request_id)
    if sending.shows_result and allows(actor.role, Area.LABORATORY, Right.READ):
        return None
    try:
        candidates = [
            candidate(
                actor, entry, admission.subjects.get(entry.subject_id), admission.own, sending.now
            )
            for entry in sending.entries
        ]
    except DomainError:
        return None
    operation = (
        actor.study_id, id_at(admission.recorded_at), actor.principal_id, actor.display_name,
        actor.role.value, actor.organisation, sending.command, sending.command,
        sending.request_id, admission.recorded_at,
    )  # fmt: skip
    origin = dict(zip(_ORIGIN, (*operation[:2], operation[-1]), strict=True))
    rows = [version(each, None, 1) for each in candidates]
    for row in rows:
        row.update(origin)
    stored = Stored(actor=actor, rows=rows, recorded_at=admission.recorded_at)
    return _Ready(operation, rows, sending.key, sending.answer(stored))


async def _write(
    connection: asyncpg.Connection, ready: Sequence[_Ready | None]
) -> list[Answer | None]:
    """Write everything by one statement; raise _NotAllNew unless it wrote all."""
    found = [each for each in ready if each is not None]
    if found:
        # In the order of their keys, so that two transactions never wait for each other.
        rows = sorted((row for each in found for row in each.rows), key=_natural_key)
        kept = sorted(_kept(each.key, each.answer) for each in found if each.key is not None)
        written = await connection.fetch(
            STORE,
            *([each.operation[place] for each in found] for place in range(len(OPERATION))),
            *([each[place] for each in kept] for place in range(len(ANSWER))),
            *([row[name] for row in rows] for name in WRITTEN),
        )
        if len(written) < len(rows) + len(kept):
            ids = {row["id"] for row in written}
            keys = {(row["scope"], row["key"]) for row in written}
            raise _NotAllNew(
                {
                    place
                    for place, each in enumerate(ready)
                    if each is not None and not each.is_among(ids, keys)
                }
            )
    return [None if each is None else each.answer for each in ready]


def _kept(key: RequestKey, answer: Answer) -> tuple[Any, ...]:
    """Return the columns of an answer under its key."""
    headers = to_json(answer.headers)
    return key.scope, key.key, key.fingerprint, answer.status, headers, key.seal(answer.body)


def _natural_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _NATURAL_KEY)
