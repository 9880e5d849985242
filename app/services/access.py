"""Who may do what: the role matrix as one table, and the grants that put people in roles.

A token only says who somebody is. What they may do is read from the grants inside the request's
own transaction, so that a revoked grant is gone with the next request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden, not_found
from app.domain.vocabulary import Role
from app.models import Principal, RoleGrant, Study
from app.services.role_matrix import Area, Right, allows
from app.services.site_wall import Sites, bind_to_sites
from app.services.walls import enter_by_identity


class Held(NamedTuple):
    """A role that somebody holds; without `site_id` at every site."""

    study: Study
    principal: Principal
    role: Role
    site_id: UUID | None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or machine behind a request, in the role that allows it, in one study.

    `site_ids` are the sites of all roles that allow the request, None for the whole study; `held`
    is all that the person holds in the study, empty for who is of one role at every site.
    """

    study_id: UUID
    study_key: str
    time_zone: str
    principal_id: UUID
    display_name: str
    organisation: str
    role: Role
    request_id: str
    site_ids: Sites | None = None
    held: tuple[Held, ...] = ()

    @property
    def roles(self) -> tuple[Role, ...]:
        """Give the person's roles, the one that is acted in first."""
        return tuple(dict.fromkeys((self.role, *(each.role for each in self.held))))

    def sees(self, site_id: UUID) -> bool:
        """Tell whether what is of a site concerns this actor."""
        return self.site_ids is None or site_id in self.site_ids

    def holds(self, role: Role, site_id: UUID | None) -> bool:
        """Tell whether the person has a role at a site; None is what is of no site."""
        sites = [each.site_id for each in self.held if each.role is role]
        return not self.held or bool(sites if site_id is None else {None, site_id} & {*sites})

    def acting(self, area: Area, right: Right, *sites: UUID | None) -> Actor | None:
        """Return the person in a role with a right at all of these sites, None without one."""
        for role in self.roles:
            if allows(role, area, right) and all(self.holds(role, site) for site in sites):
                return replace(self, role=role)
        return None

    def may(self, area: Area, right: Right, site_id: UUID | None) -> bool:
        """Tell whether the person has a right about a record of a site, in whichever role."""
        return self.acting(area, right, site_id) is not None

    def sites_as(self, roles: Collection[Role]) -> Sites | None:
        """Return the sites at which the person has one of some roles, None for the whole study."""
        if not self.held:
            return self.site_ids if self.role in roles else frozenset()
        return _sites(each for each in self.held if each.role in roles)


def in_force(moment: Any) -> ColumnElement[bool]:
    """Return the condition on RoleGrant that it counts at a moment, as the database judges it."""
    table: Any = RoleGrant.__table__
    condition: ColumnElement[bool] = func.in_force(table.table_valued(), moment, type_=Boolean)
    return condition


async def grants_of(
    session: AsyncSession, identity: tuple[str, str], study_key: str | None, now: datetime
) -> list[Held]:
    """List the roles an identity (issuer, subject) holds at a moment, in one study or in all.

    From here on the transaction sees the rows of these studies, and of no others.
    """
    await bind_to_sites(session, None)
    await enter_by_identity(session, identity, study_key)
    issuer, subject = identity
    query = (
        select(Study, Principal, RoleGrant.role, RoleGrant.site_id)
        .join(Principal, Principal.study_id == Study.study_id)
        .join(
            RoleGrant,
            (RoleGrant.study_id == Principal.study_id) & (RoleGrant.principal_id == Principal.id),
        )
        .where(Principal.issuer == issuer, Principal.subject == subject, in_force(now))
        .order_by(Study.key, RoleGrant.id)
    )
    if study_key is not None:
        query = query.where(Study.key == study_key)
    return [Held(*row) for row in await session.execute(query)]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants to do, and for whom the trail should keep it."""

    area: Area
    right: Right
    request_id: str


async def authorize(
    session: AsyncSession, identity: tuple[str, str], study_key: str, wish: Wish, now: datetime
) -> Actor:
    """Find the role that allows a wish; the session then sees the sites it is given for.

    Of several roles that allow it the first given is named until it is known what is asked for,
    and the sites are those of all. Raises not_found for a study that is absent or in which the
    person has no role, alike, and forbidden when none of the person's roles allows the act.
    """
    held = await grants_of(session, identity, study_key, now)
    if not held:
        raise not_found("study")
    fitting = [each for each in held if allows(each.role, wish.area, wish.right)]
    if not fitting:
        raise forbidden(
            "role_not_allowed",
            "Your role in this study does not allow this; ask the principal investigator who may.",
        )
    sites = _sites(fitting)
    await bind_to_sites(session, sites)
    study, principal, role, _ = fitting[0]
    return Actor(
        study_id=study.study_id,
        study_key=study.key,
        time_zone=study.time_zone,
        principal_id=principal.id,
        display_name=principal.display_name,
        organisation=principal.organisation,
        role=role,
        request_id=wish.request_id,
        site_ids=sites,
        held=tuple(held),
    )


def _sites(held: Iterable[Held]) -> Sites | None:
    """Put the sites of roles together; one that is given for the whole study gives all."""
    sites = {each.site_id for each in held}
    return None if None in sites else frozenset(site for site in sites if site is not None)
