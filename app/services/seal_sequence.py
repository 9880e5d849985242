"""The running number of an operation within its study, so that one that is left out is missed.

The leaves do not tell whose they are. What was sealed of a study is therefore counted in its
headers, and whoever reads them sees a gap where one was taken away.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.seal_format import parse_header
from app.models import SealEntry


class Sequences:
    """Counts on from what the log holds, for as long as the sealer works.

    Nobody can tell any more whose a leaf was that lost its header, so behind it every study goes
    on with a gap: better one that has to be explained than one that nobody sees.
    """

    def __init__(self, last: Mapping[UUID, tuple[int, int]], holes: Sequence[int]) -> None:
        """Take the place and the number of each study's last operation, and the holes."""
        self._last = dict(last)
        self._holes = sorted(holes)

    def take(self, study_id: UUID, index: int) -> int:
        """Return the number of the study's next operation, which goes to a place of the log."""
        before, number = self._last.get(study_id, (-1, 0))
        lost = len(self._holes) - bisect_right(self._holes, before)
        self._last[study_id] = (index, number + lost + 1)
        return number + lost + 1


async def holes_of(session: AsyncSession) -> list[int]:
    """Return the places of the log, of all studies, that no operation accounts for."""
    return list(await session.scalars(select(func.seal_holes())))


async def read_sequences(session: AsyncSession) -> Sequences:
    """Read how far each study was counted, from headers that are the ones that were sealed."""
    holes = await holes_of(session)
    sound = SealEntry.index.not_in(holes) if holes else SealEntry.index >= 0
    newest = select(func.max(SealEntry.index)).where(sound).group_by(SealEntry.study_id)
    entries = await session.execute(
        select(SealEntry.study_id, SealEntry.index, SealEntry.header).where(
            SealEntry.index.in_(newest)
        )
    )
    last = {study: (index, parse_header(text).sequence) for study, index, text in entries}
    return Sequences(last, holes)
