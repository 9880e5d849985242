"""Concomitant medications: courses that do not contradict themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import invalid
from app.models import ConcomitantMedication
from app.services.access import Actor
from app.services.care import CareChange, OnDay, change_record, create_record


async def create_medication(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> OnDay:
    """Record a medication; raise invalid if its course contradicts itself."""
    return await create_record(session, actor, ConcomitantMedication, values, now, _check_course)


async def change_medication(
    session: AsyncSession, actor: Actor, change: CareChange, now: datetime
) -> OnDay:
    """Change the given fields of a medication."""
    return await change_record(session, actor, ConcomitantMedication, change, now, _check_course)


def _check_course(row: ConcomitantMedication) -> None:
    """Refuse a course that ends before it began or goes on after its end, and a bare dose."""
    if row.ended_at is not None:
        if row.started_at is not None and row.ended_at < row.started_at:
            raise invalid(
                "ends_before_start", "The medication ends before it began.", "/body/ended_at"
            )
        if row.ongoing:
            raise invalid(
                "ended_and_ongoing",
                "A medication that has ended does not go on; send ongoing false with its end.",
                "/body/ongoing",
            )
    if (row.dose is None) != (row.dose_unit is None):
        raise invalid("dose_without_unit", "Give a dose with its unit, or neither.", "/body/dose")
