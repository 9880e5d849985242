"""Who may do what: the role matrix as one table, and the grants that put people in roles.

A token only says who somebody is. What they may do is read from the grants inside the request's
own transaction, so that a revoked grant is gone with the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden, invalid, not_found
from app.domain.vocabulary import Role
from app.models import Principal, RoleGrant, Study


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
    SENDER = "sender"
    INBOX = "inbox"


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
    Area.ESCALATION: {_PI: "RC", _DM: "R", _CRA: "R", _DMC: "RCS", _AUDITOR: "R"},
    Area.METRICS: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _SPONSOR: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.AUDIT: {_PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _AUDITOR: "R"},
    Area.IDENTITY: {_PI: "R", _SUB: "R", _CRC: "RCU"},
    Area.SENDER: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "RCU", _CRA: "R", _AUDITOR: "R", _ADMIN: "RCU",
    },
    Area.INBOX: {_PI: "RU", _SUB: "RU", _CRC: "RU", _DM: "RU", _CRA: "R", _AUDITOR: "R"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or machine behind a request, in the role that allows it, in one study."""

    study_id: UUID
    study_key: str
    time_zone: str
    principal_id: UUID
    display_name: str
    organisation: str
    role: Role
    request_id: str


def allows(role: Role, area: Area, right: Right) -> bool:
    """Tell whether the matrix gives a role a right in an area."""
    return right.value in MATRIX[area].get(role, "")


async def study_by_key(session: AsyncSession, key: str) -> Study:
    """Find a study by its key; raise not_found."""
    study = await session.scalar(select(Study).where(Study.key == key))
    if study is None:
        raise not_found("study")
    return study


async def only_study_of(session: AsyncSession, identity: tuple[str, str], now: datetime) -> str:
    """Return the key of the one study an identity has a role in.

    Raises not_found for none, and invalid `study_needed` for several.
    """
    keys = {study.key for study, _, _ in await grants_of(session, identity, None, now)}
    if not keys:
        raise not_found("study")
    if len(keys) > 1:
        raise invalid(
            "study_needed", "You have roles in several studies; name one as `study`.",
            "/query/study",
        )  # fmt: skip
    return keys.pop()


async def grants_of(
    session: AsyncSession, identity: tuple[str, str], study_key: str | None, now: datetime
) -> list[tuple[Study, Principal, Role]]:
    """List the roles an identity (issuer, subject) holds at a moment, in one study or in all."""
    issuer, subject = identity
    query = (
        select(Study, Principal, RoleGrant.role)
        .join(Principal, Principal.study_id == Study.study_id)
        .join(
            RoleGrant,
            (RoleGrant.study_id == Principal.study_id) & (RoleGrant.principal_id == Principal.id),
        )
        .where(
            Principal.issuer == issuer,
            Principal.subject == subject,
            RoleGrant.valid_from <= now,
            or_(RoleGrant.valid_until.is_(None), RoleGrant.valid_until > now),
        )
        .order_by(Study.key, RoleGrant.id)
    )
    if study_key is not None:
        query = query.where(Study.key == study_key)
    return [(study, principal, role) for study, principal, role in await session.execute(query)]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants to do, and for whom the trail should keep it."""

    area: Area
    right: Right
    request_id: str


async def authorize(
    session: AsyncSession, identity: tuple[str, str], study_key: str, wish: Wish, now: datetime
) -> Actor:
    """Find the role that allows a wish.

    Raises not_found for a study that is absent or in which the person has no role, alike, and
    forbidden when none of the person's roles allows the act.
    """
    held = await grants_of(session, identity, study_key, now)
    if not held:
        raise not_found("study")
    for study, principal, role in held:
        if allows(role, wish.area, wish.right):
            return Actor(
                study_id=study.study_id,
                study_key=study.key,
                time_zone=study.time_zone,
                principal_id=principal.id,
                display_name=principal.display_name,
                organisation=principal.organisation,
                role=role,
                request_id=wish.request_id,
            )
    raise forbidden(
        "role_not_allowed",
        "Your role in this study does not allow this; ask the principal investigator who may.",
    )
