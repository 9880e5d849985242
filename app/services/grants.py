"""Grants and people: given, confirmed by a second administrator, ended; never changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import conflict, not_found
from app.domain.granting import (
    check_confirmation,
    check_granter,
    check_revocation,
    check_training,
    check_validity,
)
from app.domain.vocabulary import Role
from app.models import GrantConfirmation, GrantEnd, Principal, RoleGrant
from app.services.access import Actor
from app.services.evidence_mapping import local_day
from app.services.grant_checks import check_one_kind, check_somebody_administers
from app.services.grant_standing import GrantWithStanding, granted_to, shown, with_standing
from app.services.history import as_of, fetch
from app.services.locks import lock_study
from app.services.paging import Page, PageRequest, page
from app.services.sites import own_site


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """Somebody whom the study does not know yet, by the identity that their tokens carry."""

    issuer: str
    subject: str
    display_name: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """What is to be given to whom: to somebody known by id, or to a new person."""

    person_id: UUID | None
    person: NewPerson | None
    role: Role
    site: str | None
    valid_from: datetime | None
    valid_until: datetime | None
    delegation_log: str | None
    trained_on: date | None


async def create_grant(
    session: AsyncSession, actor: Actor, new: NewGrant, now: datetime
) -> GrantWithStanding:
    """Give a role; one that takes two persons waits for its confirmation.

    Raises forbidden for a grant to oneself, conflict for one that is there or that would make one
    identity a person's and a machine's, and invalid.
    """
    await lock_study(session, actor.study_id)
    valid_from = new.valid_from or now
    check_validity(valid_from, new.valid_until, now)
    check_training(new.trained_on, local_day(now, ZoneInfo(actor.time_zone)))
    site_id = await _site(session, actor, new.site)
    person = await _person(session, actor, new)
    check_granter(person.id, actor.principal_id)
    row = RoleGrant(
        study_id=actor.study_id,
        id=new_id(),
        principal_id=person.id,
        site_id=site_id,
        role=new.role,
        valid_from=valid_from,
        valid_until=new.valid_until,
        granted_by=actor.principal_id,
        delegation_log=new.delegation_log,
        trained_on=new.trained_on,
    )
    await _check_new(session, actor, row, now)
    session.add(row)
    await session.flush()
    return await _one(session, actor, row, now)


async def confirm_grant(
    session: AsyncSession, actor: Actor, grant_id: UUID, now: datetime
) -> GrantWithStanding:
    """Put a proposed grant into force, as the second administrator."""
    grant = await _locked(session, actor, grant_id, now)
    check_confirmation(grant.facts, actor.principal_id, now)
    session.add(
        GrantConfirmation(
            study_id=actor.study_id,
            grant_id=grant_id,
            principal_id=grant.row.principal_id,
            granted_by=grant.row.granted_by,
            confirmed_by=actor.principal_id,
        )
    )
    await session.flush()
    return await _one(session, actor, grant.row, now)


async def revoke_grant(
    session: AsyncSession, actor: Actor, grant_id: UUID, reason: str, now: datetime
) -> GrantWithStanding:
    """End a grant, or turn a proposed one down; the next request has it no more.

    Raises conflict for a grant that has ended, and for the last administrator's.
    """
    grant = await _locked(session, actor, grant_id, now)
    check_revocation(grant.facts, now)
    await _end(session, actor, [grant], reason, now)
    return await _one(session, actor, grant.row, now)


async def list_people(session: AsyncSession, actor: Actor, wanted: PageRequest) -> Page:
    """List a page of the people and machines that the study, or one's sites, know."""
    entity = as_of(Principal, actor.study_id, wanted.moment)
    return await page(session, _people(actor, entity), entity.id, wanted)


def _people(actor: Actor, entity: Any) -> Select[Any]:
    """Select whom the actor may know of: an administrator of sites, who holds something there."""
    query = select(entity).where(entity.study_id == actor.study_id)
    if actor.site_ids is not None:
        there = select(RoleGrant.principal_id).where(*shown(actor, RoleGrant))
        query = query.where(entity.id.in_(there))
    return query


async def _known(session: AsyncSession, actor: Actor, person_id: UUID | None) -> Principal:
    query = _people(actor, Principal).where(Principal.id == person_id)
    person: Principal | None = await session.scalar(query)
    if person is None:
        raise not_found("principal")
    return person


async def disable_person(
    session: AsyncSession, actor: Actor, person_id: UUID, reason: str, now: datetime
) -> list[GrantWithStanding]:
    """End everything that somebody was given.

    Raises conflict when there is nothing to end, and for the last administrator.
    """
    await lock_study(session, actor.study_id)
    person = await _known(session, actor, person_id)
    held = await granted_to(session, actor, person.id, now)
    if not held:
        raise conflict("nothing_granted", "This person holds nothing that could be ended.")
    await _end(session, actor, held, reason, now)
    rows = [each.row for each in held]
    return await with_standing(session, actor, rows, now, None)


async def _site(session: AsyncSession, actor: Actor, code: str | None) -> UUID | None:
    """Find the site a grant is for; who works for the whole study may grant for all of it."""
    if code is None and actor.site_ids is None:
        return None
    return await own_site(session, actor, code)


async def _person(session: AsyncSession, actor: Actor, new: NewGrant) -> Principal:
    """Find who is named by id, or make somebody known; raise conflict for a known identity."""
    if new.person is None:
        return await _known(session, actor, new.person_id)
    person = new.person
    known = select(Principal.id).where(
        Principal.study_id == actor.study_id,
        Principal.issuer == person.issuer,
        Principal.subject == person.subject,
    )
    if await session.scalar(known) is not None:
        raise conflict(
            "person_known", "The study knows this identity; name the person by `person_id`."
        )
    row = Principal(
        study_id=actor.study_id,
        id=new_id(),
        issuer=person.issuer,
        subject=person.subject,
        display_name=person.display_name,
        organisation=person.organisation,
    )
    session.add(row)
    await session.flush()
    return row


async def _check_new(session: AsyncSession, actor: Actor, row: RoleGrant, now: datetime) -> None:
    """Refuse to give what is there already or waits to be confirmed, or fits not who gets it."""
    await check_one_kind(session, actor, row.principal_id, row.role)
    for each in await granted_to(session, actor, row.principal_id, now):
        if (each.row.role, each.row.site_id) == (row.role, row.site_id):
            raise conflict(
                "grant_exists", "The person has this grant; revoke it before you give another."
            )


async def _locked(
    session: AsyncSession, actor: Actor, grant_id: UUID, now: datetime
) -> GrantWithStanding:
    """Read a grant while nobody else acts on grants of the study; raise not_found."""
    await lock_study(session, actor.study_id)
    row = await fetch(session, RoleGrant, actor.study_id, grant_id)
    if actor.site_ids is not None and row.site_id not in actor.site_ids:
        raise not_found("role grant")
    return await _one(session, actor, row, now)


async def _end(
    session: AsyncSession,
    actor: Actor,
    grants: Collection[GrantWithStanding],
    reason: str,
    now: datetime,
) -> None:
    """End grants, unless nobody could administer without them."""
    await check_somebody_administers(session, actor, [each.row.id for each in grants], now)
    session.add_all(
        GrantEnd(
            study_id=actor.study_id,
            grant_id=each.row.id,
            ended_by=actor.principal_id,
            reason=reason,
        )
        for each in grants
    )
    await session.flush()


async def _one(
    session: AsyncSession, actor: Actor, row: RoleGrant, at: datetime
) -> GrantWithStanding:
    (grant,) = await with_standing(session, actor, [row], at, None)
    return grant
