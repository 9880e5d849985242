"""Who may do what: the role matrix as one table, and the grants that put people in roles.

A token only says who somebody is. What they may do is read from the grants inside the request's
own transaction, so that a revoked grant is gone with the next request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden, not_found
from app.domain.vocabulary import Role
from app.models import Principal, RoleGrant, Study
from app.services.site_wall import Sites, bind_to_sites
from app.services.walls import enter_by_identity


class Area(StrEnum):
    """What a right is about."""

    STUDY = "study"
    PROTOCOL = "protocol"
    REFERENCE = "reference"
    SCREENING = "screening"
    COHORT = "cohort"
    DOSE_ORDER = "dose_order"
    PRODUCT = "product"
    INFUSION = "infusion"
    LABORATORY = "laboratory"
    CARE = "care"
    ADVERSE_EVENT = "adverse_event"
    DLT = "dlt"
    RESPONSE = "response"
    ESCALATION = "escalation"
    METRICS = "metrics"
    AUDIT = "audit"
    IDENTITY = "identity"
    INITIALS = "initials"
    DISCLOSURE = "disclosure"
    SENDER = "sender"
    INBOX = "inbox"
    GRANT = "grant"
    SIGNATURE = "signature"
    SECURITY = "security"
    CASEBOOK = "casebook"
    SEAL = "seal"
    REDACTION = "redaction"
    EXPORT = "export"
    DATA_CUT = "data_cut"


class Right(StrEnum):
    """What may be done in an area; signing covers every decision that binds."""

    READ = "R"
    CREATE = "C"
    UPDATE = "U"
    SIGN = "S"


_PI, _SUB, _CRC = Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR
_DM, _CRA, _CELL = Role.DATA_MANAGER, Role.MONITOR, Role.CELL_LABORATORY
_LIS, _SPONSOR, _DMC = Role.LABORATORY_SYSTEM, Role.SPONSOR, Role.SAFETY_COMMITTEE
_AUDITOR, _ADMIN = Role.AUDITOR, Role.ADMINISTRATOR

MATRIX: dict[Area, dict[Role, str]] = {
    Area.STUDY: dict.fromkeys(Role, "R") | {_ADMIN: "RC"},
    Area.PROTOCOL: dict.fromkeys(Role, "R") | {_PI: "RS", _DM: "RC", _LIS: ""},
    Area.REFERENCE: dict.fromkeys(Role, "R"),
    Area.SCREENING: {
        _PI: "RCUS", _SUB: "RCUS", _CRC: "RCU", _DM: "R", _CRA: "R", _AUDITOR: "R",
    },
    Area.COHORT: {
        _PI: "RCS", _SUB: "RC", _CRC: "RC", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.DOSE_ORDER: {
        _PI: "RCS", _SUB: "RCS", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.PRODUCT: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "RCUS", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.INFUSION: {
        _PI: "RCUS", _SUB: "RCUS", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.LABORATORY: {
        _PI: "RCU", _SUB: "R", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "R", _LIS: "C",
        _DMC: "R", _AUDITOR: "R",
    },
    Area.CARE: {
        _PI: "RCU", _SUB: "RCU", _CRC: "RCU", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.ADVERSE_EVENT: {
        _PI: "RCU", _SUB: "RCU", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "C", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.DLT: {_PI: "RS", _SUB: "RS", _CRC: "R", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R"},
    Area.RESPONSE: {
        _PI: "RS", _SUB: "RS", _CRC: "R", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.ESCALATION: {_PI: "RC", _DMC: "RCS", _AUDITOR: "R"},
    Area.METRICS: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _SPONSOR: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.AUDIT: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "R", _AUDITOR: "R",
    },
    Area.IDENTITY: {_PI: "R", _SUB: "R", _CRC: "RCU"},
    Area.INITIALS: {_PI: "R", _SUB: "R", _CRC: "R", _CELL: "R"},
    Area.DISCLOSURE: {_CRA: "C", _AUDITOR: "C"},
    Area.SENDER: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "RCU", _CRA: "R", _AUDITOR: "R", _ADMIN: "RCU",
    },
    Area.INBOX: {_PI: "RU", _SUB: "RU", _CRC: "RU", _DM: "RU", _CRA: "R", _AUDITOR: "R"},
    Area.GRANT: {_AUDITOR: "R", _ADMIN: "RCU"},
    Area.SIGNATURE: {
        _PI: "RS", _SUB: "RS", _CRC: "R", _DM: "RS", _CRA: "R", _CELL: "RS", _DMC: "RS",
        _AUDITOR: "R",
    },
    Area.SECURITY: {_AUDITOR: "R", _ADMIN: "RU"},
    Area.CASEBOOK: {
        _PI: "RS", _SUB: "R", _CRC: "R", _DM: "RCUS", _CRA: "R", _AUDITOR: "R",
    },
    Area.SEAL: {
        _PI: "R", _SUB: "R", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.REDACTION: {_PI: "RS", _DM: "RC", _AUDITOR: "R"},
    Area.EXPORT: {_PI: "R", _DM: "R", _AUDITOR: "R"},
    Area.DATA_CUT: {_PI: "RC", _DM: "RC", _DMC: "RC", _AUDITOR: "R"},
}  # fmt: skip


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


def allows(role: Role, area: Area, right: Right) -> bool:
    """Tell whether the matrix gives a role a right in an area."""
    return right.value in MATRIX[area].get(role, "")


def roles_with(area: Area, right: Right) -> list[Role]:
    """List the roles that the matrix gives a right in an area."""
    return [role for role in Role if allows(role, area, right)]


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
