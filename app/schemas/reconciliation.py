"""The reconciliation report on the wire: what came in beside what became of it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.schemas.types import View


class BalanceView(View):
    """Counts of results; received = filed + duplicates + inbox + refused, or not `balanced`."""

    messages: int
    received: int
    filed: int
    duplicates: int
    inbox: int = Field(description="Still waiting for a person.")
    refused: int = Field(description="Never acceptable, or rejected by a person.")
    dead_letters: int = Field(description="Messages kept that were never acceptable.")
    balanced: bool
    unbalanced: list[UUID] = Field(description="Messages whose results are not all accounted for.")


class DayBalanceView(BalanceView):
    """The balance of one sender on one day of the study's calendar."""

    sender: str | None = Field(description="Null: uploads by people.", examples=["LIS-01"])
    day: date


class PeriodView(View):
    """The days of receipt, both included."""

    first: date
    last: date
    sender: str | None


class ReconciliationView(View):
    """The balance of a period by sender and day, and how long the oldest open item waits."""

    period: PeriodView
    days: list[DayBalanceView]
    total: BalanceView
    open_items: int = Field(description="All that wait now, whenever they came.")
    oldest_open_at: datetime | None
    oldest_open_seconds: int | None
