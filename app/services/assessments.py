"""Assessments: their content is read by the rules of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import forbidden
from app.models import Assessment, Signature
from app.schemas.assessments import parse_content
from app.services.access import Actor
from app.services.care import CareChange, OnDay, change_record, create_record
from app.services.signed_records import may_sign


async def create_assessment(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> OnDay:
    """Record an assessment; raise invalid, naming each entry that does not fit its kind."""
    return await create_record(session, actor, Assessment, values, now, _read_content)


async def change_assessment(
    session: AsyncSession, actor: Actor, change: CareChange, now: datetime
) -> OnDay:
    """Change the given fields of an assessment; new content replaces all that was there.

    What an investigator signed stays as it is for those who do not sign: raises forbidden.
    """
    await _leave_what_is_signed(session, actor, change.record_id)
    settle = _read_content if "content" in change.values else None
    return await change_record(session, actor, Assessment, change, now, settle)


async def _leave_what_is_signed(session: AsyncSession, actor: Actor, assessment_id: UUID) -> None:
    signed = select(Signature.id).where(
        Signature.study_id == actor.study_id,
        Signature.record_type == Assessment.__tablename__,
        Signature.record_id == assessment_id,
    )
    if await session.scalar(signed.limit(1)) is None:
        return
    if not await may_sign(session, actor, Assessment.__tablename__, assessment_id):
        raise forbidden(
            "assessment_is_signed",
            "An investigator signed this; ask one to change it, or record a proposal of your own.",
        )


def _read_content(row: Assessment) -> None:
    row.content = parse_content(row.kind, row.content)
