"""Doses: what a weight means at a level, under the protocol version in force."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.dosing import calculate_dose
from app.domain.errors import DomainError
from app.services.access import Actor
from app.services.protocols import active_protocol


async def read_dose(
    session: AsyncSession,
    actor: Actor,
    weight_kg: Decimal,
    dose_level: str,
    at: datetime,
    past: datetime | None,
) -> dict[str, Any]:
    """Calculate a dose; raise invalid for an unknown level or an implausible weight."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    try:
        dose = calculate_dose(weight_kg, dose_level, protocol.rules.dosing)
    except DomainError as error:
        raise error.below("/query") from None
    return asdict(dose) | protocol.basis(at)
