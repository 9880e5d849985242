"""Adjudications of dose-limiting toxicity on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.schemas.signatures import Stamped
from app.schemas.types import Body, Rationale, View, example


class AdjudicationCreate(Body):
    """A signed answer to whether an event is dose-limiting."""

    model_config = example(
        is_dlt=True,
        adverse_event_version=1,
        rationale="Grade 3, within the window, and related to the cells.",
    )

    is_dlt: bool
    adverse_event_version: Annotated[
        int, Field(ge=1, description="The `version` of the event that was judged.")
    ]
    rationale: Rationale


class AdjudicationView(View):
    """A signed answer; the latest on the event's current version counts."""

    id: UUID
    adverse_event_id: UUID
    adverse_event_version: int
    is_dlt: bool
    rationale: str
    adjudicated_by: UUID
    adjudicated_by_name: str
    recorded_at: datetime


class SignedAdjudicationView(AdjudicationView, Stamped):
    """A signed answer beside its signature."""
