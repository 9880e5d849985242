"""Infusions that began on a level where, by what was known then, nobody was to be dosed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.deviations import Deviation, DeviationCode, DeviationRules
from app.domain.errors import Reason
from app.domain.facts import Infusion


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenDose:
    """A start, and what forbade dosing by the knowledge of that moment."""

    infusion: Infusion
    reasons: tuple[Reason, ...]


def forbidden_dosing(
    doses: Iterable[ForbiddenDose], rules: DeviationRules
) -> tuple[Deviation, ...]:
    """Report each start that something forbade; it is recorded all the same (no data is lost)."""
    code = DeviationCode.DOSED_WHILE_NOT_ALLOWED
    return tuple(
        Deviation(
            key=f"{code}:{dose.infusion.number}",
            code=code,
            severity=rules.weigh(code),
            day=dose.infusion.day,
            sentence=(
                f"Infusion {dose.infusion.number} began although dosing was not allowed: "
                + " ".join(reason.message for reason in dose.reasons)
            ),
            evidence=(dose.infusion.id,),
            rule="escalation",
        )
        for dose in doses
        if dose.reasons and dose.infusion.day is not None
    )
