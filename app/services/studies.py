"""Studies: set up from a protocol definition, with the people who may enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.serialization import digest
from app.domain.errors import conflict, forbidden, invalid, not_found
from app.domain.vocabulary import CohortPhase, Role
from app.models import (
    Cohort,
    Operation,
    Principal,
    ProtocolActivation,
    ProtocolVersion,
    RoleGrant,
    Site,
    Study,
)
from app.protocols import read_definition
from app.schemas.protocols import parse_definition
from app.services.access import grants_of
from app.services.role_matrix import Area, Right, allows
from app.services.walls import enter

SITE_CODE = "01"
SHIPPED_STUDY = "NCT07212335"
# The start date of the registry record, from which its protocol is in force.
_SHIPPED_START = date(2025, 10, 1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is to have roles in a study."""

    issuer: str
    subject: str
    display_name: str
    organisation: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class NewStudy:
    """What a study starts with: its protocol and the people; the first person sets it up."""

    document: dict[str, Any]
    effective_from: date
    people: tuple[Person, ...]
    site_name: str
    request_id: str
    reason: str


def shipped_study(people: tuple[Person, ...], request_id: str, reason: str) -> NewStudy:
    """Return the study that comes with the service, under its first protocol version."""
    return NewStudy(
        document=read_definition(SHIPPED_STUDY, 1),
        effective_from=_SHIPPED_START,
        people=people,
        site_name=f"Site {SITE_CODE}",
        request_id=request_id,
        reason=reason,
    )


async def list_studies(
    session: AsyncSession, identity: tuple[str, str], now: datetime
) -> Sequence[Study]:
    """List the studies in which the identity holds a role."""
    held = await grants_of(session, identity, None, now)
    return list({each.study.study_id: each.study for each in held}.values())


async def only_study_of(session: AsyncSession, identity: tuple[str, str], now: datetime) -> str:
    """Return the key of the one study an identity has a role in.

    Raises not_found for none, and invalid `study_needed` for several.
    """
    keys = {held.study.key for held in await grants_of(session, identity, None, now)}
    if not keys:
        raise not_found("study")
    if len(keys) > 1:
        raise invalid(
            "study_needed", "You have roles in several studies; name one as `study`.",
            "/query/study",
        )  # fmt: skip
    return keys.pop()


async def administrator(
    session: AsyncSession, identity: tuple[str, str], now: datetime
) -> Principal:
    """Return who may set up studies under this identity; raise forbidden."""
    held = await grants_of(session, identity, None, now)
    able = [each for each in held if allows(each.role, Area.STUDY, Right.CREATE)]
    if not able:
        raise forbidden("role_not_allowed", "Only an administrator sets up a study.")
    for each in able:
        if each.site_id is None:
            return each.principal
    raise forbidden(
        "whole_study_needed",
        "Only an administrator of a whole study sets up another; ask one of those.",
    )


async def create_study_by(
    session: AsyncSession, identity: tuple[str, str], new: NewStudy, now: datetime
) -> Study:
    """Create a study on behalf of an administrator of another one, who administers it, too.

    Its other people get their roles from the operators (`msc-icaht grant`): an administrator
    grants nobody a clinical role, least of all themselves.
    """
    known = await administrator(session, identity, now)
    person = Person(
        known.issuer,
        known.subject,
        known.display_name,
        known.organisation,
        (Role.ADMINISTRATOR,),
    )
    with_creator = NewStudy(
        new.document, new.effective_from, (person, *new.people), new.site_name,
        new.request_id, new.reason,
    )  # fmt: skip
    return await create_study(session, with_creator, now)


async def create_study(session: AsyncSession, new: NewStudy, now: datetime) -> Study:
    """Write a study with its site, people, first protocol version and first open cohort.

    Raises invalid for a definition that does not fit and conflict for a key that is taken.
    """
    rules = parse_definition(new.document)
    if await session.scalar(select(Study.study_id).where(Study.key == rules.study.key)):
        raise conflict("study_exists", "A study with this key exists already.")
    study = Study(
        study_id=new_id(),
        key=rules.study.key,
        title=rules.study.title,
        time_zone=rules.study.time_zone,
    )
    await enter(session, study.study_id)
    session.add(study)
    await session.flush()
    first, first_id = new.people[0], new_id()
    await _open_first_operation(session, study, new, first_id)
    session.add(Site(study_id=study.study_id, code=SITE_CODE, name=new.site_name))
    signer = await add_person(session, study, first, now, first_id)
    for person in new.people[1:]:
        await add_person(session, study, person, now)
    await _add_protocol(session, study, new, signer)
    lowest = rules.dosing.levels[0].name
    session.add(Cohort(study_id=study.study_id, dose_level=lowest, phase=CohortPhase.ESCALATION))
    await session.flush()
    return study


async def _open_first_operation(
    session: AsyncSession, study: Study, new: NewStudy, first_id: UUID
) -> None:
    """Open the operation that sets the study up, by its first person, who comes with it."""
    first = new.people[0]
    operation = Operation(
        study_id=study.study_id,
        actor_id=first_id,
        actor_name=first.display_name,
        role=first.roles[0].value,
        organisation=first.organisation,
        command="create_study",
        reason=new.reason,
        request_id=new.request_id,
    )
    session.add(operation)
    await session.flush()
    await session.execute(
        text("SELECT set_config('app.operation_id', :id, true)"), {"id": str(operation.id)}
    )


async def add_person(
    session: AsyncSession,
    study: Study,
    person: Person,
    now: datetime,
    principal_id: UUID | None = None,
) -> Principal:
    """Make a person known to a study and grant the roles from now on."""
    principal = Principal(
        study_id=study.study_id,
        id=principal_id or new_id(),
        issuer=person.issuer,
        subject=person.subject,
        display_name=person.display_name,
        organisation=person.organisation,
    )
    session.add(principal)
    await session.flush()
    session.add_all(
        RoleGrant(study_id=study.study_id, principal_id=principal.id, role=role, valid_from=now)
        for role in person.roles
    )
    await session.flush()
    return principal


async def _add_protocol(
    session: AsyncSession, study: Study, new: NewStudy, signer: Principal
) -> None:
    """Write the first protocol version and put it into force."""
    version = ProtocolVersion(
        study_id=study.study_id,
        id=new_id(),
        number=1,
        definition=new.document,
        digest=digest(new.document),
        summary="First version.",
    )
    session.add(version)
    await session.flush()
    session.add(
        ProtocolActivation(
            study_id=study.study_id,
            protocol_version_id=version.id,
            effective_from=new.effective_from,
            activated_by=signer.id,
            reason=new.reason,
        )
    )
    await session.flush()
