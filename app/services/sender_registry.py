"""Senders as people see them: registered, changed with a reason, listed, closed.

Registering gives the machine its identity and its role; a person's own identity stays a person's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import DomainError, conflict, forbidden, invalid
from app.domain.reported_results import known_analyte
from app.domain.vocabulary import Role
from app.models import Principal, RoleGrant, Sender, SenderProfileVersion, Site
from app.services.access import Actor, in_force
from app.services.grant_checks import check_one_kind
from app.services.history import as_of, fetch, lock
from app.services.locks import lock_study
from app.services.paging import Page, PageRequest, page
from app.services.sender_profiles import add_version

# Of senders that show a key or a certificate instead of a token.
OWN_ISSUER = "urn:msc-icaht:sender"
FIRST_PROFILE = "Registered with the sender."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSender:
    """A sender to be registered: `values` are its columns, `profile` the first version.

    `identity` is the (issuer, subject) of its tokens, None for one that only shows keys or
    certificates.
    """

    site: str
    identity: tuple[str, str] | None
    values: Mapping[str, Any]
    profile: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SenderWithBindings:
    """A sender's row beside its site, its identity and its last profile."""

    row: Sender
    site: str
    issuer: str
    subject: str
    profile_number: int

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the sender's."""
        return getattr(self.row, name)


async def register_sender(
    session: AsyncSession, actor: Actor, new: NewSender, now: datetime
) -> SenderWithBindings:
    """Register a sender with its identity, its grant and its first profile version.

    Raises forbidden for one's own identity, and conflict for that of any other person.
    """
    await lock_study(session, actor.study_id)
    site = await session.scalar(
        select(Site).where(Site.study_id == actor.study_id, Site.code == new.site)
    )
    if site is None or not actor.sees(site.id):
        raise invalid("unknown_site", "The study has no site of this code.", "/body/site")
    values = await _checked(session, actor, new.values)
    principal = await _bound_principal(session, actor, new, site)
    await _grant(session, principal, site, now)
    sender = Sender(
        study_id=actor.study_id, id=new_id(), site_id=site.id, principal_id=principal.id, **values
    )
    session.add(sender)
    await session.flush()
    first = await add_version(session, actor, sender.id, new.profile, FIRST_PROFILE)
    return SenderWithBindings(sender, site.code, principal.issuer, principal.subject, first.number)


async def change_sender(
    session: AsyncSession, actor: Actor, sender_id: UUID, version: int, values: Mapping[str, Any]
) -> SenderWithBindings:
    """Change the given fields; what is not active is turned away from its next message on."""
    row = await lock(session, Sender, actor.study_id, sender_id, version)
    for name, value in (await _checked(session, actor, values, sender_id)).items():
        setattr(row, name, value)
    await session.flush()
    (sender,) = await _with_bindings(session, actor, [row], None)
    return sender


async def read_sender(
    session: AsyncSession, actor: Actor, sender_id: UUID, past: datetime | None
) -> SenderWithBindings:
    """Read one sender, now or as it was."""
    row = await fetch(session, Sender, actor.study_id, sender_id, past)
    (sender,) = await _with_bindings(session, actor, [row], past)
    return sender


async def list_senders(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of senders in the order of their registration, closed ones too."""
    entity = as_of(Sender, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    return Page(await _with_bindings(session, actor, found.items, wanted.moment), found.next)


async def _checked(
    session: AsyncSession,
    actor: Actor,
    values: Mapping[str, Any],
    sender_id: UUID | None = None,
) -> dict[str, Any]:
    """Return the values with analytes by their key; refuse what is unknown or another's."""
    checked = dict(values)
    if checked.get("analytes"):
        checked["analytes"] = [_analyte(name, i) for i, name in enumerate(checked["analytes"])]
    if checked.get("certificates"):
        taken = await session.scalar(
            select(Sender.id).where(
                Sender.study_id == actor.study_id,
                Sender.certificates.bool_op("&&")(checked["certificates"]),
                Sender.id != sender_id if sender_id else Sender.id.is_not(None),
            )
        )
        if taken is not None:
            raise conflict(
                "certificate_bound",
                "One of these certificates belongs to another sender of the study; take it there"
                " first.",
            )
    return checked


def _analyte(name: str, position: int) -> str:
    try:
        return known_analyte(name).key
    except DomainError as error:
        raise invalid(error.code, error.message, f"/body/analytes/{position}") from None


async def _bound_principal(
    session: AsyncSession, actor: Actor, new: NewSender, site: Site
) -> Principal:
    """Find the principal of the sender's identity, or make it known to the study."""
    issuer, subject = new.identity or (OWN_ISSUER, new.values["code"])
    principal: Principal | None = await session.scalar(
        select(Principal).where(
            Principal.study_id == actor.study_id,
            Principal.issuer == issuer,
            Principal.subject == subject,
        )
    )
    if principal is not None and principal.id == actor.principal_id:
        raise forbidden(
            "own_identity",
            "Nobody registers themselves as a sender; give the system an identity of its own.",
        )
    if principal is None:
        principal = Principal(
            study_id=actor.study_id,
            id=new_id(),
            issuer=issuer,
            subject=subject,
            display_name=new.values["name"],
            organisation=site.name,
        )
        session.add(principal)
        await session.flush()
    await check_one_kind(session, actor, principal.id, Role.LABORATORY_SYSTEM)
    return principal


async def _grant(session: AsyncSession, principal: Principal, site: Site, now: datetime) -> None:
    """Give the principal the role of a laboratory system, unless it holds it at this site."""
    held = await session.scalar(
        select(RoleGrant.id).where(
            RoleGrant.study_id == principal.study_id,
            RoleGrant.principal_id == principal.id,
            RoleGrant.role == Role.LABORATORY_SYSTEM,
            or_(RoleGrant.site_id.is_(None), RoleGrant.site_id == site.id),
            in_force(now),
            RoleGrant.valid_until.is_(None),
        )
    )
    if held is None:
        session.add(
            RoleGrant(
                study_id=principal.study_id,
                principal_id=principal.id,
                site_id=site.id,
                role=Role.LABORATORY_SYSTEM,
                valid_from=now,
            )
        )
        await session.flush()


async def _with_bindings(
    session: AsyncSession, actor: Actor, rows: Sequence[Sender], past: datetime | None
) -> list[SenderWithBindings]:
    """Put beside each sender its site, its identity and the number of its last profile."""
    entity = as_of(SenderProfileVersion, actor.study_id, past)
    senders = [row.id for row in rows]
    numbers = select(entity.sender_id, func.max(entity.number)).where(
        entity.study_id == actor.study_id, entity.sender_id.in_(senders)
    )
    last = {row[0]: row[1] for row in await session.execute(numbers.group_by(entity.sender_id))}
    sites = await _of_study(session, Site, actor, {row.site_id for row in rows})
    people = await _of_study(session, Principal, actor, {row.principal_id for row in rows})
    return [
        SenderWithBindings(
            row,
            sites[row.site_id].code,
            people[row.principal_id].issuer,
            people[row.principal_id].subject,
            last[row.id],
        )
        for row in rows
    ]


async def _of_study(
    session: AsyncSession, model: type[Any], actor: Actor, ids: set[UUID]
) -> dict[UUID, Any]:
    condition: ColumnElement[bool] = model.study_id == actor.study_id
    found = await session.scalars(select(model).where(condition, model.id.in_(ids)))
    return {each.id: each for each in found}
