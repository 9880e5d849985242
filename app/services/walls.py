"""The wall between studies: which of them this transaction may see, opened by narrow doors.

The database shows a row only when its study was entered. Each door is a function that looks past
the wall for one question, opens the studies of who is asking, and returns nothing of them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.services.site_wall import bind_to_sites, bound_sites


async def enter_by_identity(
    session: AsyncSession, identity: tuple[str, str], study_key: str | None
) -> None:
    """Enter the studies that know an identity (issuer, subject), or the named one if it does."""
    await _open(session, func.enter_by_identity(*identity, study_key))


async def enter_by_key(session: AsyncSession, prefix: str) -> None:
    """Enter the studies of the senders whose API key begins so."""
    await _open(session, func.enter_by_key(prefix))


async def enter_by_client(session: AsyncSession, client_id: UUID) -> None:
    """Enter the study of a machine client."""
    await _open(session, func.enter_by_client(client_id))


async def enter_by_certificate(session: AsyncSession, digest_hex: str) -> None:
    """Enter the studies of the senders with a client certificate."""
    await _open(session, func.enter_by_certificate(digest_hex))


async def enter_by_study(session: AsyncSession, study_key: str) -> None:
    """Enter a study for a machine that an operator let in by its name."""
    await _open(session, func.enter_by_study(study_key))


async def enter(session: AsyncSession, *study_ids: UUID) -> None:
    """Enter exactly these studies: one that is being set up, or those known already."""
    await _open(session, func.enter(literal(list(study_ids), ARRAY(Uuid))))


async def _open(session: AsyncSession, door: Any) -> None:
    """Go through a door; whoever is bound to sites stays so in whatever is entered later."""
    await session.execute(select(door.cast(ARRAY(Uuid))))
    await bind_to_sites(session, bound_sites(session))
