"""People beyond the fixture ones: let in at the console or by an administrator, at sites."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import select

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.models import Principal, RoleGrant, Site
from app.services.console_grants import grant_roles
from app.services.studies import Person
from tests.conftest import NOW, STUDY, Api, FreshLogin
from tests.factories.rows import owners_session, writing
from tests.factories.subjects import created


def speaking_for(api: Api, subject: str) -> httpx.AsyncClient:
    """Return a client of whoever the development issuer knows by this subject."""
    client = api(Role.AUDITOR)
    login = client.auth
    assert isinstance(login, FreshLogin)
    client.auth = FreshLogin(subject, login._issuer, login._clock)
    return client


async def join_at_console(
    api: Api, subject: str, role: Role, study: str = STUDY
) -> httpx.AsyncClient:
    """Grant a role at the console and return the person's client."""
    person = Person(DEVELOPMENT_ISSUER, subject, subject.capitalize(), "Test", (role,))
    async with owners_session(api) as session:
        assert await grant_roles(session, STUDY, person, "root", NOW)
        await session.commit()
    return speaking_for(api, subject)


def newcomer(subject: str) -> dict[str, str]:
    """Return the body of somebody new."""
    return {
        "issuer": DEVELOPMENT_ISSUER,
        "subject": subject,
        "display_name": subject.capitalize(),
        "organisation": "Test",
    }


async def grant(api: Api, role: Role, **fields: Any) -> dict[str, Any]:
    """Grant a role as the administrator."""
    body = {"role": role.value, "reason": "Joins the study team."} | fields
    return created(await api(Role.ADMINISTRATOR).post("/grants", json=body))


async def set_up_site(api: Api, code: str) -> str:
    """Set up a site and return its id."""
    body = {"code": code, "name": f"Hospital {code}"}
    return str(created(await api(Role.ADMINISTRATOR).post("/sites", json=body))["id"])


async def working_at(api: Api, site: str, role: Role, subject: str) -> httpx.AsyncClient:
    """Let somebody new in at one site and return the client."""
    await grant(api, role, person=newcomer(subject), site=site)
    return speaking_for(api, subject)


async def holding(api: Api, subject: str, *held: tuple[Role, str | None]) -> httpx.AsyncClient:
    """Let somebody new in with several roles, each at a site or everywhere, given in this order."""
    async with writing(api) as (session, actor):
        person = Principal(
            study_id=actor.study_id,
            issuer=DEVELOPMENT_ISSUER,
            subject=subject,
            display_name=subject,
            organisation="Test",
        )
        session.add(person)
        await session.flush()
        sites = {site.code: site.id for site in await session.scalars(select(Site))}
        for role, code in held:
            session.add(
                RoleGrant(
                    study_id=actor.study_id,
                    principal_id=person.id,
                    site_id=sites[code] if code else None,
                    role=role,
                    valid_from=NOW,
                )
            )
            await session.flush()
    return speaking_for(api, subject)
