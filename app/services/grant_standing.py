"""Grants as they are read: whose each is, where it stands, and who did what about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.granting import GrantFacts, GrantStatus, grant_status
from app.domain.vocabulary import Role
from app.models import GrantConfirmation, GrantEnd, Operation, Principal, RoleGrant, Site
from app.services.access import Actor
from app.services.history import as_of
from app.services.paging import Page, PageRequest, page


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did about a grant, and why."""

    by: str
    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantWithStanding:
    """A grant's row beside whose it is, where it stands, and who did what about it."""

    row: RoleGrant
    person: Principal
    site: str | None
    status: GrantStatus
    granted: Act
    confirmed: Act | None
    revoked: Act | None

    @property
    def facts(self) -> GrantFacts:
        """What the rules read of the grant."""
        return _facts(self.row, self.confirmed is not None, self.revoked is not None)

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the grant's."""
        return getattr(self.row, name)


async def list_grants(
    session: AsyncSession, actor: Actor, wanted: PageRequest, at: datetime
) -> Page:
    """List a page of grants, the first given first, with those that have ended."""
    entity = as_of(RoleGrant, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id, *shown(actor, entity))
    found = await page(session, query, entity.id, wanted)
    return Page(await with_standing(session, actor, found.items, at, wanted.moment), found.next)


async def granted_to(
    session: AsyncSession, actor: Actor, person_id: UUID, now: datetime
) -> list[GrantWithStanding]:
    """List the grants of a person that have not ended, as far as the actor sees them."""
    query = select(RoleGrant).where(
        RoleGrant.study_id == actor.study_id,
        RoleGrant.principal_id == person_id,
        or_(RoleGrant.valid_until.is_(None), RoleGrant.valid_until > now),
        *shown(actor, RoleGrant),
    )
    rows = (await session.scalars(query.order_by(RoleGrant.id))).all()
    found = await with_standing(session, actor, rows, now, None)
    return [each for each in found if each.status is not GrantStatus.REVOKED]


def shown(actor: Actor, entity: Any) -> list[Any]:
    """Say which grants an administrator of single sites sees."""
    return [] if actor.site_ids is None else [entity.site_id.in_(actor.site_ids)]


async def with_standing(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[RoleGrant],
    at: datetime,
    past: datetime | None,
) -> list[GrantWithStanding]:
    """Put beside each grant what was done about it, as known at `past` (None is now)."""
    ids = [row.id for row in rows]
    confirmed = await _about(session, actor, GrantConfirmation, ids, past)
    ended = await _about(session, actor, GrantEnd, ids, past)
    facts = [*rows, *confirmed.values(), *ended.values()]
    operations = await _by_id(session, actor, Operation, {each.operation_id for each in facts})
    people = await _by_id(session, actor, Principal, {row.principal_id for row in rows})
    sites = await _by_id(session, actor, Site, {row.site_id for row in rows if row.site_id})

    def act(row: Any) -> Act:
        operation = operations[row.operation_id]
        return Act(operation.actor_name, row.recorded_at, operation.reason)

    return [
        GrantWithStanding(
            row=row,
            person=people[row.principal_id],
            site=sites[row.site_id].code if row.site_id else None,
            status=grant_status(_facts(row, row.id in confirmed, row.id in ended), at),
            granted=act(row),
            confirmed=act(confirmed[row.id]) if row.id in confirmed else None,
            revoked=act(ended[row.id]) if row.id in ended else None,
        )
        for row in rows
    ]


def _facts(row: RoleGrant, confirmed: bool, ended: bool) -> GrantFacts:
    return GrantFacts(
        role=Role(row.role),
        principal_id=row.principal_id,
        granted_by=row.granted_by,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        confirmed=confirmed,
        ended=ended,
    )


async def _about(
    session: AsyncSession,
    actor: Actor,
    model: type[Any],
    grant_ids: Collection[UUID],
    past: datetime | None,
) -> dict[UUID, Any]:
    entity = as_of(model, actor.study_id, past)
    query = select(entity).where(entity.study_id == actor.study_id, entity.grant_id.in_(grant_ids))
    return {row.grant_id: row for row in await session.scalars(query)}


async def _by_id(
    session: AsyncSession, actor: Actor, model: type[Any], ids: Collection[UUID]
) -> dict[UUID, Any]:
    query = select(model).where(model.study_id == actor.study_id, model.id.in_(ids))
    return {row.id: row for row in await session.scalars(query)}
