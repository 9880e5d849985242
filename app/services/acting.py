"""In which of several roles somebody acts, and what may be repeated: by the sites that are named.

Rights are checked elsewhere, against the site of each record. Here is decided what the trail names.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.services.access import Actor, Wish
from app.services.record_sites import Named, site_with_code, sites_of


async def in_fitting_role(session: AsyncSession, actor: Actor, wish: Wish, named: Named) -> Actor:
    """Let somebody of several roles act in the one held at the sites of what a request names.

    Without such a role, as for a batch over sites of different ones, the first stays.
    """
    if len(actor.roles) == 1:
        return actor
    sites = await sites_of(session, actor.study_id, named.ids)
    if named.site is not None:
        site_id = await site_with_code(session, actor.study_id, named.site)
        sites |= {site_id} if site_id else set()
    return actor.acting(wish.area, wish.right, *sites) or actor


async def check_seen(session: AsyncSession, actor: Actor, ids: Collection[UUID]) -> None:
    """Refuse to repeat an answer about a site that the actor does not see any more."""
    if actor.site_ids is None:
        return
    if not await sites_of(session, actor.study_id, ids) <= actor.site_ids:
        raise not_found("record")
