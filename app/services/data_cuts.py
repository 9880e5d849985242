"""Data cuts: made once nothing can slip in any more, and derived again to the same bytes."""

from __future__ import annotations

import asyncio
from datetime import datetime
from time import monotonic
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.ids import new_id
from app.domain.errors import DomainError, ErrorKind, conflict, forbidden, invalid
from app.models import DataCut
from app.services.access import Actor
from app.services.data_cut_content import CutContent, derive_content, present_shape
from app.services.history import fetch, rows
from app.services.paging import Page, PageRequest, page

SETTLE_SECONDS = 10
_POLL_SECONDS = 0.02
# A row is dated when it is written and seen when its transaction commits; a transaction has its
# number before it reads the clock for its rows. So whoever dates before `at` has a lower number
# than the one that is taken here after it, and all of these have ended once none is running.
_NOW = text(
    "SELECT clock_timestamp() AS at, CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS number"
)
_HAS_SETTLED = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) >= :number"
)


async def settled(database: Database) -> datetime:
    """Wait until every transaction that runs now has ended; return the moment of now.

    What is dated up to that moment is final from then on. Waits in a transaction of its own, so of
    two who wait only the later waits for the earlier. Raises busy after SETTLE_SECONDS.
    """
    async with database.session() as session:
        at, number = (await session.execute(_NOW)).one()
        deadline = monotonic() + SETTLE_SECONDS
        while not await session.scalar(_HAS_SETTLED, {"number": number}):
            if monotonic() > deadline:
                raise DomainError(
                    ErrorKind.BUSY,
                    "records_in_flight",
                    "Somebody is still writing what began before the cut; try again in a moment.",
                )
            await asyncio.sleep(_POLL_SECONDS)
        moment: datetime = at
        return moment


def check_request(actor: Actor, moment: datetime, settled_at: datetime, pointer: str) -> None:
    """Refuse a moment after which records may still be dated, and whoever sees a part only."""
    _check_whole(actor)
    if moment > settled_at:
        raise invalid("future_moment", "as_of lies in the future.", pointer)


def _check_whole(actor: Actor) -> None:
    """A cut is of the whole study: of some sites it would be other bytes for each who asks."""
    if actor.site_ids is not None:
        raise forbidden(
            "whole_study_only",
            "Your role is for some sites; a data cut is read by roles for the whole study.",
        )


async def make_cut(
    session: AsyncSession, actor: Actor, as_of: datetime, name: str, purpose: str
) -> DataCut:
    """Keep what a cut at a settled moment holds: its digests, and its shape."""
    shape = present_shape()
    found = await derive_content(session, actor, as_of, shape)
    row = DataCut(
        study_id=actor.study_id,
        id=new_id(),
        name=name,
        purpose=purpose,
        as_of=as_of,
        shape=shape,
        records_digest=found.records_digest,
        digest=found.digest,
        size=len(found.content),
    )
    session.add(row)
    await session.flush()
    return row


async def list_cuts(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of cuts, the first made first."""
    query = rows(DataCut, actor.study_id, wanted.moment)
    return await page(session, query, query.column_descriptions[0]["entity"].id, wanted)


async def read_cut(session: AsyncSession, actor: Actor, cut_id: UUID) -> CutContent:
    """Derive the content of a cut again; raise not_found, or conflict when it is another one."""
    _check_whole(actor)
    cut = await fetch(session, DataCut, actor.study_id, cut_id)
    found = await derive_content(session, actor, cut.as_of, cut.shape)
    if found.records_digest != cut.records_digest:
        raise conflict(
            "data_cut_records_differ",
            "The records of this cut are not what they were: verify the audit trail; a redaction"
            " or tampering explains it.",
        )
    if found.digest != cut.digest:
        raise conflict(
            "data_cut_conclusions_differ",
            "The records of this cut are the same, but this release of the software draws other"
            " conclusions from them; read it with the release that made it.",
        )
    return found


async def cut_at(session: AsyncSession, actor: Actor, as_of: datetime) -> CutContent:
    """Derive what a cut at a settled moment would hold, without making one."""
    return await derive_content(session, actor, as_of, present_shape())
