"""Verification for an auditor: of the studies where the caller is one, and of the whole tree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden
from app.domain.vocabulary import Role
from app.schemas.verification import VerificationView
from app.services.access import Actor, grants_of
from app.services.verification import Evidence, verify
from app.services.walls import enter


async def audited_studies(
    session: AsyncSession, identity: tuple[str, str], now: datetime, request_id: str
) -> list[Actor]:
    """Return the caller as auditor of each study that they audit as a whole; forbidden if none."""
    auditors = {
        held.study.study_id: Actor(
            study_id=held.study.study_id,
            study_key=held.study.key,
            time_zone=held.study.time_zone,
            principal_id=held.principal.id,
            display_name=held.principal.display_name,
            organisation=held.principal.organisation,
            role=held.role,
            request_id=request_id,
        )
        for held in await grants_of(session, identity, None, now)
        if held.role is Role.AUDITOR and held.site_id is None
    }
    if not auditors:
        raise forbidden("role_not_allowed", "Verification is for auditors of a whole study.")
    return list(auditors.values())


async def verify_studies(session: AsyncSession, auditors: Sequence[Actor]) -> VerificationView:
    """Verify what these auditors may see, in a session that holds one snapshot."""
    await enter(session, *(actor.study_id for actor in auditors))
    report = await verify(session, Evidence())
    return VerificationView(
        at=report.at,
        verified=report.verified,
        studies=[actor.study_key for actor in auditors],
        complete=report.complete,
        size=report.size,
        root=report.root,
        pending=report.pending,
        checks=report.checks,
        redactions=report.redactions,
        notices=report.notices,
    )
