"""Reference safety information on the wire: which events are expected, version by version."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.schemas.types import Body, Name, StudyDate, View, example

_MOST_ENTRIES = 500


class ReferenceEntryBody(Body):
    """A term that is expected, up to a grade."""

    term: Name = Field(description="A CTCAE v5.0 term in any case.")
    max_expected_grade: Annotated[int, Field(ge=1, le=5)] | None = Field(
        default=None,
        description="The highest expected grade. Null expects every grade but 5: a death is"
        " expected only where the list says 5.",
    )


class ReferenceCreate(Body):
    """A new version; it replaces the one before as a whole."""

    model_config = example(
        effective_on="2026-06-01",
        title="Investigator's brochure, edition 2, section 6",
        entries=[
            {"term": "Fever", "max_expected_grade": 3},
            {"term": "Infusion related reaction", "max_expected_grade": 2},
        ],
    )

    effective_on: StudyDate = Field(
        description="The first local day it is meant for; it counts from then on, but never for"
        " days before it was signed."
    )
    title: Name = Field(description="The document that the list is taken from.")
    entries: list[ReferenceEntryBody] = Field(max_length=_MOST_ENTRIES)


class ReferenceEntryView(View):
    """A term that is expected, up to a grade; null is every grade but death."""

    term: str
    max_expected_grade: int | None


class ReferenceView(View):
    """One version and since when it counts; `in_force` speaks of the day that was asked for."""

    id: UUID
    number: int
    effective_on: date
    title: str
    entries: list[ReferenceEntryView]
    signed_at: datetime | None = Field(
        description="When the principal investigator approved it first; null while it waits."
    )
    counts_from: date | None = Field(
        description="The first local day of awareness of the events it decides on."
    )
    in_force: bool
    recorded_at: datetime
