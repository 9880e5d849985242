"""Who a subject is, on the wire: for the few who may know, each time on the record."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from app.schemas.identifiers import OpenedIdentifierView
from app.schemas.types import Body, Name, Rationale, StudyDate, View, example

Initials = Annotated[str, StringConstraints(pattern=r"^[A-Z](-|[A-Z]){0,3}$", max_length=4)]


class IdentityPut(Body):
    """Who the subject is, as identity documents say; all of it replaces what was recorded."""

    model_config = example(
        family_name="Example",
        given_name="Person",
        birth_date="1962-03-04",
        initials="PE",
        reason="Passport seen at screening.",
    )

    family_name: Name
    given_name: Name
    birth_date: StudyDate = Field(description="Of the year that the subject's record states.")
    initials: Initials = Field(description="As on bag labels: up to four capitals or hyphens.")
    reason: Rationale | None = Field(default=None, description="Needed to change what is recorded.")


class IdentityReceipt(View):
    """That an identity is recorded, without it."""

    subject_id: UUID
    version: int
    recorded_at: datetime


class InitialsView(View):
    """What a bag label says of a subject; null where the identity key does not open it."""

    subject_id: UUID
    subject_number: str
    initials: str | None


class IdentityView(InitialsView):
    """Who a subject is; null where the identity key does not open it."""

    family_name: str | None
    given_name: str | None
    birth_date: date | None
    version: int
    recorded_at: datetime


class DisclosureCreate(Body):
    """Why somebody whose role does not see identity has to see it."""

    model_config = example(reason="Inspection of source documents required by the authority.")

    reason: Rationale


class DisclosureView(View):
    """What was disclosed; a repeated request is not told again."""

    identity: IdentityView | None = Field(description="Null where none is recorded.")
    identifiers: list[OpenedIdentifierView]
