"""The sealer as a process or beside the API of development: one at a time, until told to stop."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core.config import Environment, Settings
from app.core.database import DATABASE_FAILURES, SEALER_ROLE, Database
from app.core.errors import OperatorError
from app.core.exposition import exposed_metrics
from app.core.logging import log
from app.core.migration import is_current
from app.core.seal_key import KEY_FILE, SealKey, local_seal_key, read_seal_key
from app.core.telemetry import SEAL_INTERRUPTIONS, SEAL_LAG_READING, SEALED, Process, registry_of
from app.core.witnesses import CHECKPOINTS, Witness
from app.domain.seal_note import Checkpoint, origin
from app.operations import database_urls, with_database
from app.services.seal_nodes import rebuild
from app.services.seal_restore import (
    LogRefusedError,
    acknowledge,
    check_agrees,
    check_extends,
    furthest_of,
    lacking,
    published_of,
)
from app.services.seal_state import hold_state, look_at_lag
from app.services.sealing import Sealing

PASS_SECONDS = 1.0
LAG_PASSES = 10
STOP_SECONDS = 5
# Of the advisory lock that lets one sealer work at a time; it only has to be our own.
SEALING = 72_123_352
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Sealer:
    """Seals one database with one key and publishes to every witness.

    Nothing is signed unless every witness can be read and is extended by what the log says.
    """

    def __init__(self, database: Database, key: SealKey, witnesses: Sequence[Witness]) -> None:
        self._database = database
        self._key = key
        self._witnesses = witnesses
        self._stopped = asyncio.Event()
        # The note that each witness ended with when it was found to agree with the log.
        self._agreed: dict[Witness, str | None] = {}
        self._published: Checkpoint | None = None

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopped.set()

    async def run(self) -> None:
        """Seal every second until stopped; raise LogRefusedError when the log was restored."""
        trouble = None
        while not self._stopped.is_set():
            try:
                async with self._alone() as connection:
                    trouble = None
                    await self._work(connection)
            except DATABASE_FAILURES as error:
                SEAL_INTERRUPTIONS.inc()
                SEAL_LAG_READING.set(math.nan)
                name = type(error).__name__
                if name != trouble:
                    log.warning("seal_interrupted", error=name)
                trouble = name
                await self._rest()

    async def run_once(self) -> int:
        """Seal all that is settled now; return how many operations that were."""
        async with self._alone(at_once=True) as connection:
            return await self._seal_all(connection, Sealing(self._key))

    async def acknowledge(self, reason: str) -> str:
        """Put a restore on record and publish the statement; return it."""
        async with self._alone(at_once=True) as connection, _session(connection) as session:
            verifiers = await self._verifiers(session)
            held = [witness.notes() for witness in self._witnesses]
            note = await acknowledge(session, self._key, held, verifiers, reason)
            await session.commit()
            await self._publish(note)
        return note

    async def rebuild_nodes(self) -> int:
        """Compute the nodes of the tree anew from its leaves; return how many were false."""
        async with self._alone(at_once=True) as connection, _session(connection) as session:
            verifiers = await self._verifiers(session)
            held = [note for witness in self._witnesses for note in witness.notes()]
            mended = await rebuild(session, furthest_of(held, verifiers))
            await session.commit()
        return mended

    @asynccontextmanager
    async def _alone(self, at_once: bool = False) -> AsyncIterator[AsyncConnection]:
        """Give the connection that alone may seal, after waiting for whoever has it now.

        The lock goes with the connection, so a sealer that was killed leaves none behind.
        """
        self._agreed.clear()
        async with self._database.engine.connect() as connection:
            try:
                while not (await _lock(connection) or await self._rest()):
                    if at_once:
                        raise OperatorError("Another sealer works on this database; stop it first.")
                yield connection
            finally:
                await connection.invalidate()

    async def _rest(self) -> bool:
        """Wait for the next pass; tell whether there will be none."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), PASS_SECONDS)
        return self._stopped.is_set()

    async def _work(self, connection: AsyncConnection) -> None:
        """Seal pass after pass on a connection; every now and then look at what waits."""
        sealing, passes = Sealing(self._key), 0
        while not self._stopped.is_set():
            await self._seal_all(connection, sealing)
            if passes % LAG_PASSES == 0:
                async with _session(connection) as session:
                    await look_at_lag(session)
            passes += 1
            await self._rest()

    async def _seal_all(self, connection: AsyncConnection, sealing: Sealing) -> int:
        """Seal batches until one is not full, publishing each after its commit."""
        count = 0
        while True:
            async with _session(connection) as session:
                await self._agree(session)
                sealed = await sealing.seal(session, self._published)
                await session.commit()
            if sealed.note:
                self._published = sealed.stated
                await self._publish(sealed.note)
            SEALED.inc(sealed.operations)
            count += sealed.operations
            if not sealed.is_full or self._stopped.is_set():
                return count

    async def _publish(self, note: str) -> None:
        """Add a note to every witness."""
        for witness in self._witnesses:
            await asyncio.to_thread(witness.publish, [note])
            self._agreed[witness] = note

    async def _agree(self, session: AsyncSession) -> None:
        """Check every witness that may have changed against the log; publish what it lacks."""
        for witness in self._witnesses:
            note = witness.last()
            if witness in self._agreed and self._agreed[witness] == note:
                continue
            verifiers = await self._verifiers(session)
            if witness not in self._agreed:
                check_agrees(witness.notes())
            published = published_of(note, verifiers) if note else None
            if published is not None:
                await check_extends(session, published)
            lacks = await lacking(session, published)
            stated = [published_of(each, verifiers) for each in lacks]
            await asyncio.to_thread(witness.publish, lacks)
            self._agreed[witness] = lacks[-1] if lacks else note
            self._published = stated[-1] if stated else published

    async def _verifiers(self, session: AsyncSession) -> list[str]:
        """Name our own key to the database and the witnesses; return all keys that signed."""
        state = await hold_state(session)
        own = self._key.verifier(origin(str(state.log_id)))
        state.verifier_key = own
        for witness in self._witnesses:
            witness.add_key(own)
        return sorted({key for witness in self._witnesses for key in witness.verifiers()})


def _session(connection: AsyncConnection) -> AsyncSession:
    return AsyncSession(connection, expire_on_commit=False)


async def _lock(connection: AsyncConnection) -> bool:
    """Try to become the only sealer."""
    got = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": SEALING})
    await connection.commit()
    return bool(got)


def sealer_of(settings: Settings, database: Database) -> Sealer:
    """Return the sealer that is configured, or development's own of the data directory."""
    key, folders = settings.seal_key_file, settings.checkpoint_dirs
    if settings.environment is Environment.PRODUCTION and not (key and folders):
        raise OperatorError("The seal needs SEAL_KEY_FILE and CHECKPOINT_DIRS in production.")
    if not folders:
        folders = (settings.data_dir / CHECKPOINTS,)
        folders[0].mkdir(parents=True, exist_ok=True)
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise OperatorError(f"CHECKPOINT_DIRS names what is no folder: {', '.join(missing)}.")
    signing = read_seal_key(key) if key else local_seal_key(settings.data_dir / KEY_FILE)
    return Sealer(database, signing, [Witness(folder) for folder in folders])


@dataclass(frozen=True)
class SealWish:
    """What an operator asks of the sealer; by default to seal until a signal."""

    once: bool = False
    rebuild: bool = False
    reason: str | None = None


def seal(settings: Settings, wish: SealWish, say: Callable[[str], None]) -> None:
    """Seal until a signal, or do the one thing that is wished; raise OperatorError."""
    with database_urls(settings) as urls:
        asyncio.run(with_database(urls.sealer, _check_schema, SEALER_ROLE))
        asyncio.run(_seal(settings, urls.sealer, wish, say))


async def _check_schema(database: Database) -> None:
    if not await is_current(database.engine):
        raise OperatorError("The schema is not the one of this release; run msc-icaht migrate.")


async def _seal(settings: Settings, url: str, wish: SealWish, say: Callable[[str], None]) -> None:
    database = Database(url, pool_size=1, role=SEALER_ROLE)
    try:
        sealer = sealer_of(settings, database)
        if wish.reason is not None:
            say(await sealer.acknowledge(one_line(wish.reason)))
        elif wish.rebuild:
            say(f"Mended {await sealer.rebuild_nodes()} nodes of the tree.")
        elif wish.once:
            say(f"Sealed {await sealer.run_once()} operations.")
        else:
            loop = asyncio.get_running_loop()
            for each in _STOP_SIGNALS:
                loop.add_signal_handler(each, sealer.stop)
            shown = registry_of(Process.SEALER)
            with exposed_metrics(settings.metrics_host, settings.metrics_port, shown):
                log.info("started")
                say("Sealing every second. Stop with Ctrl-C.")
                await sealer.run()
                log.info("stopped")
    except DATABASE_FAILURES as error:
        raise OperatorError(f"Nothing can be sealed ({type(error).__name__}).") from error
    finally:
        await database.close()


def one_line(reason: str) -> str:
    """Return a reason that a statement can hold on one line; raise OperatorError."""
    if not reason.strip() or not reason.isprintable():
        raise OperatorError("Give the reason as one line of text.")
    return reason.strip()


@asynccontextmanager
async def sealing_beside(settings: Settings, url: str) -> AsyncIterator[None]:
    """Seal in the background with a pool of its own while in the context.

    What keeps it from sealing is logged: the service of development goes on without.
    """
    database = Database(url, pool_size=1, role=SEALER_ROLE)
    sealer = sealer_of(settings, database)
    task = asyncio.create_task(_run_beside(sealer))
    try:
        yield
    finally:
        sealer.stop()
        done, _ = await asyncio.wait([task], timeout=STOP_SECONDS)
        if not done:
            task.cancel()
            await asyncio.wait([task])
        await database.close()


async def _run_beside(sealer: Sealer) -> None:
    try:
        await sealer.run()
    except LogRefusedError as error:
        log.error("seal_refused", reason=str(error))
    except Exception as error:  # noqa: BLE001 - nobody else looks at the task while it works
        log.error("seal_failed", error=type(error).__name__)
