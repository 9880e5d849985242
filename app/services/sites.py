"""The sites of a study: hospitals that take part, and at which of them somebody works."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import forbidden, invalid
from app.models import Site
from app.services.access import Actor
from app.services.history import as_of
from app.services.paging import Page, PageRequest, page


async def list_sites(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of the sites where the actor works, the first set up first."""
    entity = as_of(Site, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    if actor.site_ids is not None:
        query = query.where(entity.id.in_(actor.site_ids))
    return await page(session, query, entity.id, wanted)


async def create_site(session: AsyncSession, actor: Actor, code: str, name: str) -> Site:
    """Set up a site; raise forbidden for an administrator of single sites."""
    if actor.site_ids is not None:
        raise forbidden(
            "whole_study_needed",
            "Only an administrator of the whole study sets up a site; ask one of those.",
        )
    row = Site(study_id=actor.study_id, id=new_id(), code=code, name=name)
    session.add(row)
    await session.flush()
    return row


async def own_site(session: AsyncSession, actor: Actor, code: str | None) -> UUID:
    """Find the site of a code among those where the actor works; without one, the only one."""
    sites = await _own_sites(session, actor)
    if code is None and len(sites) == 1:
        return sites[0].id
    if code is None:
        raise invalid("site_needed", "Name the site by its code; there are several.", "/body/site")
    for site in sites:
        if site.code == code:
            return site.id
    raise invalid("unknown_site", "There is no such site, or not for you.", "/body/site")


async def _own_sites(session: AsyncSession, actor: Actor) -> Sequence[Site]:
    query = select(Site).where(Site.study_id == actor.study_id).order_by(Site.id)
    return [site for site in await session.scalars(query) if actor.sees(site.id)]
