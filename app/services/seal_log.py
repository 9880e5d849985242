"""The log as it is kept: how long it is, its root at any size, and its proofs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_tree import (
    Node,
    Part,
    consistency_parts,
    fold,
    frontier,
    inclusion_parts,
    nodes_of,
    proof_of,
)
from app.models import SealLeaf, SealNode


async def log_size(session: AsyncSession) -> int:
    """Return how many leaves the log has."""
    last = await session.scalar(select(func.max(SealLeaf.index)))
    return 0 if last is None else last + 1


async def peaks_at(session: AsyncSession, size: int) -> list[bytes]:
    """Return the hashes of the frontier of the log at a size."""
    wanted = frontier(size)
    hashes = await subtrees(session, wanted)
    # One that was taken away has no root that anybody published.
    return [hashes.get(node, b"") for node in wanted]


async def root_at(session: AsyncSession, size: int) -> bytes:
    """Return the root of the log at a size that it has, or had."""
    return fold(await peaks_at(session, size))


async def inclusion_proof(session: AsyncSession, index: int, size: int) -> list[bytes]:
    """Return the proof that a leaf is in the log at a size."""
    return await _proof(session, inclusion_parts(index, size))


async def consistency_proof(session: AsyncSession, old: int, new: int) -> list[bytes]:
    """Return the proof that the log at a size extends the log at a smaller one."""
    return await _proof(session, consistency_parts(old, new))


async def _proof(session: AsyncSession, parts: Sequence[Part]) -> list[bytes]:
    return proof_of(parts, await subtrees(session, nodes_of(parts)))


async def subtrees(session: AsyncSession, nodes: Iterable[Node]) -> dict[Node, bytes]:
    """Return the hashes of complete subtrees; one that is missing is left out."""
    wanted = set(nodes)
    leaves = [index for level, index in wanted if level == 0]
    found: dict[Node, bytes] = {}
    if leaves:
        rows = await session.execute(
            select(SealLeaf.index, SealLeaf.hash).where(SealLeaf.index.in_(leaves))
        )
        found |= {(0, index): digest for index, digest in rows}
    above = [node for node in wanted if node[0]]
    if above:
        key = tuple_(SealNode.level, SealNode.index)
        rows_above = await session.execute(
            select(SealNode.level, SealNode.index, SealNode.hash).where(key.in_(above))
        )
        found |= {(level, index): digest for level, index, digest in rows_above}
    return found
