"""How the active protocol's design behaves under assumed true DLT rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import operating_characteristics as exact
from app.domain.errors import invalid
from app.domain.escalation_rules import Variant
from app.domain.operating_characteristics import LevelCharacteristics, rounded
from app.schemas.escalation import LevelCharacteristicsView, OperatingCharacteristicsView
from app.services.access import Actor
from app.services.protocols import active_protocol

NONE = "none"
PLACES = 12


async def operating_characteristics(
    session: AsyncSession,
    actor: Actor,
    rates: Sequence[Decimal],
    variant: Variant | None,
    now: datetime,
) -> OperatingCharacteristicsView:
    """Compute the exact characteristics; raises invalid unless there is one rate per level."""
    protocol = await active_protocol(session, actor.study_id, now)
    levels = protocol.rules.dosing.levels
    if len(rates) != len(levels):
        raise invalid(
            "one_rate_per_level",
            f"Give {len(levels)} rates, one for each level, lowest first.",
            "/body/true_dlt_rates",
        )
    design = protocol.rules.escalation.design
    if variant is not None:
        design = replace(design, variant=variant)
    by_name = {level.name: rate for level, rate in zip(levels, rates, strict=True)}
    found = exact.operating_characteristics(by_name, design)
    selected = {level.level: rounded(level.p_selected, PLACES) for level in found.by_level}
    return OperatingCharacteristicsView(
        select={NONE: rounded(found.p_none, PLACES), **selected},
        expected_n=rounded(found.expected_n, PLACES),
        expected_dlts=rounded(found.expected_dlts, PLACES),
        by_level=tuple(_view(level) for level in found.by_level),
        variant=design.variant,
        rule=found.rule,
        **protocol.basis(now),
    )


def _view(level: LevelCharacteristics) -> LevelCharacteristicsView:
    return LevelCharacteristicsView(
        level=level.level,
        true_dlt_rate=rounded(level.true_dlt_rate, PLACES),
        p_reached=rounded(level.p_reached, PLACES),
        p_refilled=rounded(level.p_refilled, PLACES),
        p_selected=rounded(level.p_selected, PLACES),
        expected_n=rounded(level.expected_n, PLACES),
        expected_dlts=rounded(level.expected_dlts, PLACES),
    )
