"""The nodes of the tree: what follows from the leaves, kept; compared with them and rebuilt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_note import Checkpoint
from app.domain.seal_tree import Node, append, fold
from app.models import SealLeaf, SealNode
from app.services.seal_restore import LogRefusedError

BATCH = 10_000
_LEVELS = range(1, 63)


async def read_leaves(session: AsyncSession) -> AsyncIterator[Sequence[bytes]]:
    """Read the leaves in their order, in batches; a gap is told by the check of the leaves."""
    after = -1
    while True:
        query = select(SealLeaf.index, SealLeaf.hash).where(SealLeaf.index > after)
        found = (await session.execute(query.order_by(SealLeaf.index).limit(BATCH))).all()
        if not found:
            return
        after = found[-1][0]
        yield [digest for _, digest in found]


async def kept_nodes(session: AsyncSession, start: int, end: int) -> dict[Node, bytes]:
    """Return the nodes above the leaves that are kept and become complete with these leaves."""
    ranges = [(level, start >> level, end >> level) for level in _LEVELS]
    wanted = [
        and_(SealNode.level == level, SealNode.index >= first, SealNode.index < last)
        for level, first, last in ranges
        if first < last
    ]
    if not wanted:
        return {}
    query = select(SealNode.level, SealNode.index, SealNode.hash).where(or_(*wanted))
    return {(level, index): digest for level, index, digest in await session.execute(query)}


async def count_nodes(session: AsyncSession) -> int:
    """Count the nodes that are kept."""
    return (await session.scalars(select(func.count()).select_from(SealNode))).one()


async def rebuild(session: AsyncSession, published: Checkpoint | None) -> int:
    """Compute every node anew from the leaves; return how many were false.

    Raises LogRefusedError when the leaves themselves are not those that were published last.
    """
    size, peaks = 0, list[bytes]()
    async for leaves in read_leaves(session):
        for leaf in leaves:
            peaks, _ = append(peaks, size, leaf)
            size += 1
    if published is None or (published.size, published.root) != (size, fold(peaks)):
        raise LogRefusedError(
            "The leaves themselves are not those that were published last, so nodes made of them"
            " would be false as well; nothing was changed."
        )
    return int((await session.scalars(select(func.rebuild_nodes()))).one())
