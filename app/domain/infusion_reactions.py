"""Events that may be reactions to an infusion, by their term and by when they began."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.ctcae.terms import special_interest
from app.domain.dosing import DosingRules
from app.domain.facts import AdverseEvent, Infusion
from app.domain.vocabulary import SpecialInterest


@dataclass(frozen=True, slots=True, kw_only=True)
class InfusionReaction:
    """An event of the class of infusion reactions that began during an infusion or soon after."""

    adverse_event_id: str
    term: str
    grade: int
    onset_at: datetime


def infusion_reactions(
    infusion: Infusion, events: Iterable[AdverseEvent], rules: DosingRules
) -> tuple[InfusionReaction, ...]:
    """List the reactions from the start of an infusion until so many hours after it, by onset.

    Whether an event comes from the product is for its causality to say, not for this list.
    """
    if infusion.started_at is None or not infusion.given:
        return ()
    until = infusion.started_at + timedelta(hours=rules.reaction_hours)
    return tuple(
        InfusionReaction(
            adverse_event_id=event.id, term=event.term, grade=event.grade, onset_at=event.onset_at
        )
        for event in sorted(events, key=lambda each: (each.onset_at, each.id))
        if infusion.started_at <= event.onset_at <= until
        and SpecialInterest.INFUSION_REACTION in special_interest(event.term)
    )
