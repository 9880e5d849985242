"""Assessments: their content is read by the rules of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Assessment
from app.schemas.assessments import parse_content
from app.services.access import Actor
from app.services.care import CareChange, OnDay, change_record, create_record


async def create_assessment(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> OnDay:
    """Record an assessment; raise invalid, naming each entry that does not fit its kind."""
    return await create_record(session, actor, Assessment, values, now, _read_content)


async def change_assessment(
    session: AsyncSession, actor: Actor, change: CareChange, now: datetime
) -> OnDay:
    """Change the given fields of an assessment; new content replaces all that was there."""
    settle = _read_content if "content" in change.values else None
    return await change_record(session, actor, Assessment, change, now, settle)


def _read_content(row: Assessment) -> None:
    row.content = parse_content(row.kind, row.content)
