"""What no grant may do: make one identity person and machine, or end all administering.

Both are judged on every grant of the study, whichever sites the asking person sees; whoever asks
holds the study's lock, so that of two who ask at once the second sees what the first one did.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.granting import AdministratorGrant, check_administered, check_kind
from app.domain.vocabulary import Role
from app.models import RoleGrant
from app.services.access import Actor, in_force
from app.services.site_wall import across_sites


async def check_one_kind(
    session: AsyncSession, actor: Actor, principal_id: UUID, role: Role
) -> None:
    """Refuse a machine's role to who was ever given a person's, and the other way round."""
    query = select(RoleGrant.role).where(
        RoleGrant.study_id == actor.study_id, RoleGrant.principal_id == principal_id
    )
    async with across_sites(session):
        given = [Role(each) for each in await session.scalars(query)]
    check_kind(role, given)


async def check_somebody_administers(
    session: AsyncSession, actor: Actor, ending: Iterable[UUID], now: datetime
) -> None:
    """Refuse to end the grants without which nobody administers what they were for."""
    query = select(RoleGrant.id, RoleGrant.site_id).where(
        RoleGrant.study_id == actor.study_id,
        RoleGrant.role == Role.ADMINISTRATOR,
        in_force(now),
    )
    async with across_sites(session):
        held = [AdministratorGrant(*row) for row in await session.execute(query)]
    check_administered(held, frozenset(ending))
