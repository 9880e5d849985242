"""Roles given by an operator at the console: how a deployment gets its first people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import not_found
from app.models import Operation, Principal, RoleGrant, Study
from app.services.access import in_force
from app.services.studies import SHIPPED_STUDY, Person, add_person, create_study, shipped_study

_OPERATOR = "operator"


async def grant_roles(
    session: AsyncSession, study_key: str, person: Person, operator: str, now: datetime
) -> bool:
    """Give a person the roles they do not hold yet; tell whether there was anything to give.

    The study that comes with the service is set up first when it is not there; any other that is
    absent raises not_found. `operator` is the account at the console, kept in the audit trail.
    """
    query = select(Study).where(Study.key == study_key).with_for_update(key_share=True)
    study = await session.scalar(query)
    reason = f"Granted at the console by {operator}."
    if study is None:
        if study_key != SHIPPED_STUDY:
            raise not_found("study")
        await create_study(session, shipped_study((person,), str(new_id()), reason), now)
        return True
    principal = await _known(session, study, person)
    held = await _held(session, principal, now) if principal else set()
    missing = tuple(role for role in person.roles if role not in held)
    if not missing:
        return False
    await _begin_operation(session, study, operator, reason)
    if principal is None:
        await add_person(session, study, person, now)
    else:
        session.add_all(
            RoleGrant(study_id=study.study_id, principal_id=principal.id, role=role, valid_from=now)
            for role in missing
        )
        await session.flush()
    return True


async def _known(session: AsyncSession, study: Study, person: Person) -> Principal | None:
    """Find the person by the identity that their tokens carry."""
    query = select(Principal).where(
        Principal.study_id == study.study_id,
        Principal.issuer == person.issuer,
        Principal.subject == person.subject,
    )
    found: Principal | None = await session.scalar(query)
    return found


async def _held(session: AsyncSession, principal: Principal, now: datetime) -> set[str]:
    """List the roles that the person holds now, at every site."""
    query = select(RoleGrant.role).where(
        RoleGrant.study_id == principal.study_id,
        RoleGrant.principal_id == principal.id,
        RoleGrant.site_id.is_(None),
        in_force(now),
    )
    return set((await session.scalars(query)).all())


async def _begin_operation(session: AsyncSession, study: Study, operator: str, reason: str) -> None:
    """Open the operation that the new rows name; nobody of the study acts here."""
    operation = Operation(
        study_id=study.study_id,
        actor_id=None,
        actor_name=operator,
        role=_OPERATOR,
        organisation=_OPERATOR,
        command="grant_roles",
        reason=reason,
        request_id=str(new_id()),
    )
    session.add(operation)
    await session.flush()
    await session.execute(
        text("SELECT set_config('app.operation_id', :id, true)"), {"id": str(operation.id)}
    )
