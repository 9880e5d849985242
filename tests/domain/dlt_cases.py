"""Subjects, infusions, events and adjudications for the tests of dose-limiting toxicity."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.domain.dlt import DltFacts
from app.domain.dlt_rules import DltRules
from app.domain.dosing import DoseLevel
from app.domain.facts import AdverseEvent, Disposition, DltAdjudication, Infusion
from app.domain.vocabulary import Causality, DispositionEvent
from tests.protocol_data import section

RULES = section("dlt", DltRules)
START = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 4, tzinfo=UTC)
CELLS = Decimal(120_000_000)
LEVELS = {
    name: DoseLevel(
        name=name, planned_infusions=count, interval_days=7, cells_per_kg=Decimal(2_000_000)
    )
    for name, count in (("A", 1), ("B", 2), ("C", 4))
}


def day(offset: int) -> date:
    """Give a day counted from the first infusion."""
    return START + timedelta(days=offset)


def given_infusion(number: int, offset: int, **changes) -> Infusion:
    """Make an infusion that was given in full."""
    return replace(
        Infusion(
            id=f"inf-{number}",
            number=number,
            planned_day=day(offset),
            planned_cells=CELLS,
            started_at=NOON + timedelta(days=offset),
            day=day(offset),
            volume_ml=Decimal(120),
            cells=CELLS,
        ),
        **changes,
    )


def planned_infusion(number: int, offset: int, **changes) -> Infusion:
    """Make an infusion that is still to be given."""
    return replace(
        Infusion(id=f"inf-{number}", number=number, planned_day=day(offset), planned_cells=CELLS),
        **changes,
    )


def course(level: str, given_count: int | None = None) -> DltFacts:
    """Make a subject who received the level's first infusions on time."""
    planned = LEVELS[level].planned_infusions
    count = planned if given_count is None else given_count
    infusions = tuple(given_infusion(n + 1, 7 * n) for n in range(count))
    return DltFacts(level=LEVELS[level], infusions=infusions)


def event(offset: int = 10, **changes) -> AdverseEvent:
    """Make a severe event that may be related."""
    base = AdverseEvent(
        id="ae-1",
        term="Hypertension",
        soc="Vascular disorders",
        grade=3,
        onset_at=NOON + timedelta(days=offset),
        onset_day=day(offset),
        causality=Causality.POSSIBLE,
    )
    return replace(base, **changes)


def adjudication(is_dlt: bool, version: int = 1, number: int = 1) -> DltAdjudication:
    """Make a signed adjudication; a higher number is later."""
    return DltAdjudication(
        id=f"adj-{number}",
        adverse_event_id="ae-1",
        adverse_event_version=version,
        is_dlt=is_dlt,
        at=NOON + timedelta(days=20 + number),
    )


def left(kind: DispositionEvent, offset: int) -> Disposition:
    """Make a disposition."""
    return Disposition(id="dis-1", event=kind, day=day(offset))
