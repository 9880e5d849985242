"""Infusions as facts for tests: planned, given, stopped early or cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from app.domain.facts import Infusion
from app.domain.vocabulary import MedicationClass


def planned(number: int, day: date) -> Infusion:
    """Plan the infusion of a 60 kg subject."""
    return Infusion(
        id=f"infusion-{number}",
        number=number,
        planned_day=day,
        planned_cells=Decimal(120_000_000),
    )


def given(number: int, day: date) -> Infusion:
    """Give the infusion of a 60 kg subject exactly as the protocol wants it."""
    started_at = datetime.combine(day, time(9), UTC)
    return replace(
        planned(number, day),
        started_at=started_at,
        day=day,
        volume_ml=Decimal(120),
        cells=Decimal(120_000_000),
        premedication_drug=MedicationClass.DEXAMETHASONE,
        premedication_given_at=started_at - timedelta(minutes=30),
        premedication_dose_mg=Decimal(5),
    )


def cancelled(number: int, day: date) -> Infusion:
    """Cancel an infusion that was not given."""
    return replace(planned(number, day), cancelled=True)
