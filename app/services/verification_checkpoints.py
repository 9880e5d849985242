"""Whether the log has the root of every checkpoint ever published, and the key signed them all.

The roots are computed anew from the leaves, in one pass; memory grows with the checkpoints only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.seal_key import is_signed
from app.domain.seal_note import (
    Checkpoint,
    MalformedNoteError,
    Rollback,
    is_rollback,
    parse_checkpoint,
    parse_note,
    parse_rollback,
)
from app.domain.seal_tree import Node, append, fold
from app.models import SealCheckpoint, SealRollback, SealState
from app.services.seal_nodes import count_nodes, kept_nodes, read_leaves
from app.services.verification_report import Check
from app.services.verification_times import Timeline

OF_DATABASE = "the database"


@dataclass(frozen=True, slots=True)
class KeptNote:
    """A note as somebody kept it: a witness's file, an inspector's, or the database."""

    source: str
    note: str


@dataclass(slots=True)
class Tree:
    """What the leaves themselves say: how many there are, and the roots at the sizes asked for."""

    size: int
    root: bytes
    roots: dict[int, bytes]


async def check_checkpoints(
    session: AsyncSession,
    kept: Sequence[KeptNote],
    verifiers: Sequence[str],
    checks: tuple[Check, Check],
) -> tuple[Tree, Timeline, list[str]]:
    """Check signatures and roots of all notes; return the tree, when it was how long, and notices.

    What the leaves are is taken from themselves; the nodes that are kept are held against them.
    """
    signatures, roots = checks
    notes = [*await _of_database(session), *kept]
    checkpoints: list[tuple[str, Checkpoint]] = []
    rollbacks: list[Rollback] = []
    for each in notes:
        _open(each, verifiers, signatures, (checkpoints, rollbacks))
    sizes = {found.size for _, found in checkpoints} | {each.size for each in rollbacks}
    tree = await _grow(session, sizes, roots)
    state = await session.scalar(select(SealState))
    for rollback in rollbacks:
        roots.expect(
            tree.roots.get(rollback.size) == rollback.root,
            f"The log does not go on from where it was restored to on {rollback.at}.",
        )
    for source, found in checkpoints:
        if state is not None and found.log_id != str(state.log_id):
            roots.fail(f"The checkpoint of {found.at} in {source} is of another log.")
        _check_root((source, found), tree, rollbacks, roots)
    sound = [each for each in checkpoints if tree.roots.get(each[1].size) == each[1].root]
    _check_missing(sound, roots)
    await _check_latest(session, tree, roots)
    timeline = Timeline(found for _, found in sound)
    return tree, timeline, [_told(rollback) for rollback in _distinct(rollbacks)]


async def _of_database(session: AsyncSession) -> list[KeptNote]:
    """Read every note that the database keeps, as it keeps them."""
    rollbacks = await session.scalars(select(SealRollback.note).order_by(SealRollback.epoch))
    order = (SealCheckpoint.epoch, SealCheckpoint.size)
    checkpoints = await session.scalars(select(SealCheckpoint.note).order_by(*order))
    return [KeptNote(OF_DATABASE, note) for note in (*rollbacks, *checkpoints)]


def _open(
    kept: KeptNote,
    verifiers: Sequence[str],
    check: Check,
    opened: tuple[list[tuple[str, Checkpoint]], list[Rollback]],
) -> None:
    """Read a note and its signature; put what it states with the others of its kind."""
    check.looked_at += 1
    checkpoints, rollbacks = opened
    try:
        note = parse_note(kept.note)
        if not is_signed(note, verifiers):
            check.fail(f"A note in {kept.source} was not signed with the key of the seal.")
        elif is_rollback(note.text):
            rollbacks.append(parse_rollback(note.text))
        else:
            checkpoints.append((kept.source, parse_checkpoint(note.text)))
    except MalformedNoteError as error:
        check.fail(f"A note in {kept.source} is malformed: {error}.")


async def _grow(session: AsyncSession, sizes: Iterable[int], check: Check) -> Tree:
    """Compute the root of the log at these sizes and of all of it, and check the kept nodes."""
    wanted, roots = set(sizes), {}
    peaks: list[bytes] = []
    size = count = 0
    async for leaves in read_leaves(session):
        start, computed = size, dict[Node, bytes]()
        for leaf in leaves:
            if size in wanted:
                roots[size] = fold(peaks)
            peaks, nodes = append(peaks, size, leaf)
            computed |= {node: digest for node, digest in nodes if node[0]}
            size += 1
        kept = await kept_nodes(session, start, size)
        for level, index in sorted(node for node in computed if kept.get(node) != computed[node]):
            check.fail(f"Node {index} of level {level} is not the hash of what is below it.")
        count += len(computed)
    check.expect(await count_nodes(session) == count, "The tree has not the nodes of its leaves.")
    roots[size] = fold(peaks)
    return Tree(size, roots[size], roots)


def _check_missing(sound: Sequence[tuple[str, Checkpoint]], check: Check) -> None:
    """See that the database still has every checkpoint that was published of this log."""
    own = {(found.epoch, found.size) for source, found in sound if source == OF_DATABASE}
    for source, found in sound:
        check.expect(
            (found.epoch, found.size) in own,
            f"The checkpoint of {found.at} in {source} is missing from the database.",
        )


def _check_root(
    kept: tuple[str, Checkpoint], tree: Tree, rollbacks: Sequence[Rollback], check: Check
) -> None:
    """Hold the log against one checkpoint."""
    source, found = kept
    check.looked_at += 1
    if tree.roots.get(found.size) == found.root or any(
        _explains(rollback, found) for rollback in rollbacks
    ):
        return
    if found.size > tree.size:
        check.fail(
            f"The log has {tree.size} operations, but the checkpoint of {found.at} in {source}"
            f" had {found.size}: its end was cut off."
        )
    else:
        check.fail(
            f"The log was rewritten: its first {found.size} operations are not those of the"
            f" checkpoint of {found.at} in {source}."
        )


def _explains(rollback: Rollback, found: Checkpoint) -> bool:
    """Tell whether a checkpoint is of what a signed statement says was lost in a restore."""
    return (
        rollback.published.epoch >= found.epoch
        and rollback.epoch > found.epoch
        and rollback.size < found.size <= rollback.published.size
    )


async def _check_latest(session: AsyncSession, tree: Tree, check: Check) -> None:
    """See that the last checkpoint of the database covers the whole log, as its own columns say."""
    order = (SealCheckpoint.epoch.desc(), SealCheckpoint.size.desc())
    last = await session.scalar(select(SealCheckpoint).order_by(*order).limit(1))
    if last is None:
        check.expect(tree.size == 0, "No checkpoint of the log is left in the database.")
    else:
        check.expect(
            (last.size, last.root) == (tree.size, tree.root),
            "The last checkpoint of the database is not the one of the whole log.",
        )


def _distinct(rollbacks: Iterable[Rollback]) -> list[Rollback]:
    return list({each.epoch: each for each in rollbacks}.values())


def _told(rollback: Rollback) -> str:
    return (
        f"Epoch {rollback.epoch}: the log was restored to {rollback.size} operations on"
        f" {rollback.at}, after {rollback.published.size} had been published: {rollback.reason}"
    )
