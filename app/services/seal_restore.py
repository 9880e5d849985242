"""The restore rule: what was published stays true, or somebody says in writing why it does not.

A database that was restored to an earlier moment has a shorter log than the witnesses know, or
later another one. To sign on would be to state two histories, so the sealer stops until an
operator acknowledges the restore with a signed statement that names both.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import OperatorError
from app.core.seal_key import SealKey, is_signed
from app.domain.seal_format import moment_text
from app.domain.seal_note import (
    Checkpoint,
    MalformedNoteError,
    Rollback,
    is_rollback,
    origin,
    parse_checkpoint,
    parse_note,
    parse_rollback,
    rollback_text,
)
from app.models import SealCheckpoint, SealRollback, SealState
from app.services.seal_log import log_size, root_at
from app.services.seal_state import database_time, hold_state


class LogRefusedError(OperatorError):
    """The log does not extend what was published; nothing is signed until that is settled."""


def published_of(note: str, verifiers: Sequence[str]) -> Checkpoint:
    """Return the state of the log that a published note states, a rollback's as well.

    Raises LogRefusedError for a note that none of the keys signed.
    """
    try:
        parsed = parse_note(note)
        if not is_signed(parsed, verifiers):
            raise MalformedNoteError("none of the keys signed the note")
    except MalformedNoteError as error:
        raise LogRefusedError(
            f"A witness or the database has a note that this service did not write: {error}."
        ) from error
    return _stated(note)


async def check_extends(session: AsyncSession, published: Checkpoint) -> None:
    """Refuse to go on when the log does not extend what was published."""
    state = await hold_state(session)
    size = await log_size(session)
    if published.log_id != str(state.log_id):
        raise LogRefusedError(_refusal("The witnesses hold the checkpoints of another log"))
    if published.epoch > state.epoch or (published.epoch == state.epoch and published.size > size):
        raise LogRefusedError(
            _refusal(
                f"The log has {size} operations in epoch {state.epoch}, but {published.size}"
                f" in epoch {published.epoch} were published"
            )
        )
    if published.epoch == state.epoch and await root_at(session, published.size) != published.root:
        raise LogRefusedError(
            _refusal(f"The first {published.size} operations are not those that were published")
        )


def disagreement(notes: Sequence[str]) -> str | None:
    """Say which notes of a witness's last epoch cannot all be of one log; None when all can.

    They are in the order of their publication, so that none is smaller than one before it. What
    lies in epochs before was put on record. Signatures are not looked at.
    """
    stated = [_stated(note) for note in notes]
    epoch = max((each.epoch for each in stated), default=0)
    largest: Checkpoint | None = None
    for each in stated:
        if each.epoch != epoch:
            continue
        if largest is not None and (
            each.size < largest.size or (each.size == largest.size and each.root != largest.root)
        ):
            return f"the checkpoints of {largest.at} and {each.at}"
        largest = each
    return None


def check_agrees(notes: Sequence[str]) -> None:
    """Refuse a witness that holds two histories."""
    found = disagreement(notes)
    if found is not None:
        raise LogRefusedError(_refusal(f"A witness holds two histories of the log, {found}"))


def furthest_of(notes: Sequence[str], verifiers: Sequence[str]) -> Checkpoint | None:
    """Return the furthest state of the log that notes state; None without notes."""
    if not notes:
        return None
    furthest = max(notes, key=lambda note: (_stated(note).epoch, _stated(note).size))
    return published_of(furthest, verifiers)


def _stated(note: str) -> Checkpoint:
    """Read what a note states of the log, whoever signed it."""
    try:
        text = parse_note(note).text
        if not is_rollback(text):
            return parse_checkpoint(text)
        stated = parse_rollback(text)
    except MalformedNoteError as error:
        raise LogRefusedError(f"A witness holds what is no note: {error}.") from error
    return Checkpoint(stated.log_id, stated.size, stated.root, stated.at, stated.epoch)


def _refusal(fault: str) -> str:
    return (
        f"{fault}: the database was restored or changed, so nothing is sealed. Find out which with"
        " msc-icaht verify-audit; a restore is put on record with msc-icaht seal"
        " --acknowledge-rollback REASON, and false nodes of the tree are mended with"
        " msc-icaht seal --rebuild-nodes."
    )


async def lacking(session: AsyncSession, published: Checkpoint | None) -> list[str]:
    """Return the notes that a witness lacks after the last it holds, in the order to publish."""
    epoch, size = (published.epoch, published.size) if published else (-1, 0)
    rollbacks = await session.execute(
        select(SealRollback.epoch, SealRollback.note).where(SealRollback.epoch > epoch)
    )
    checkpoints = await session.execute(
        select(SealCheckpoint.epoch, SealCheckpoint.size, SealCheckpoint.note).where(
            tuple_(SealCheckpoint.epoch, SealCheckpoint.size) > (epoch, size)
        )
    )
    notes = [(epoch, -1, note) for epoch, note in rollbacks]
    notes += [(epoch, size, note) for epoch, size, note in checkpoints]
    return [note for _, _, note in sorted(notes)]


async def acknowledge(
    session: AsyncSession,
    key: SealKey,
    held: Sequence[Sequence[str]],
    verifiers: Sequence[str],
    reason: str,
) -> str:
    """Sign that the log goes on from a restored database; return the statement.

    `held` is all that each witness holds. Raises LogRefusedError when the log does extend that
    and none holds two histories: there is nothing to state.
    """
    published = furthest_of([note for notes in held for note in notes], verifiers)
    if published is None:
        raise LogRefusedError("The witnesses hold nothing that could be acknowledged.")
    try:
        for notes in held:
            check_agrees(notes)
        await check_extends(session, published)
    except LogRefusedError:
        return await _begin_epoch(session, key, published, reason)
    raise LogRefusedError("The log extends what was published; there is nothing to acknowledge.")


async def _begin_epoch(
    session: AsyncSession, key: SealKey, published: Checkpoint, reason: str
) -> str:
    state: SealState = await hold_state(session)
    size, now = await log_size(session), await database_time(session)
    epoch = max(published.epoch, state.epoch) + 1
    statement = Rollback(
        epoch=epoch,
        published=published,
        log_id=str(state.log_id),
        size=size,
        root=await root_at(session, size),
        at=moment_text(now),
        reason=reason,
    )
    note = key.note(origin(statement.log_id), rollback_text(statement))
    session.add(SealRollback(epoch=epoch, note=note, signed_at=now))
    state.epoch = epoch
    await session.flush()
    return note
