"""Grants, people and sites on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from app.domain.granting import GrantStatus
from app.domain.vocabulary import Role
from app.schemas.types import LAX, Body, Change, Code, Id, Instant, Name, StudyDate, View, example


class PersonCreate(Body):
    """Somebody new, by the identity that their tokens carry."""

    issuer: Name = Field(description="The `iss` of the person's access tokens.")
    subject: Name = Field(description="The `sub` of the person's access tokens.")
    display_name: Name = Field(description="As it is printed beside signatures.")
    organisation: Name


class GrantCreate(Change):
    """A role for somebody, at one site or in the whole study."""

    model_config = example(
        person={
            "issuer": "https://id.hospital.example",
            "subject": "8f3c2a",
            "display_name": "Dr. Example",
            "organisation": "Example Hospital",
        },
        role="sub_investigator",
        site="01",
        valid_until="2027-05-31T16:00:00Z",
        delegation_log="DL-017",
        trained_on="2026-05-20",
        reason="Joins the study team.",
    )

    person_id: Id | None = Field(default=None, description="Somebody whom the study knows.")
    person: PersonCreate | None = Field(default=None, description="Somebody new.")
    role: Annotated[Role, LAX]
    site: Code | None = Field(
        default=None, description="Code of the only site it is for; empty is the whole study."
    )
    valid_from: Instant | None = Field(default=None, description="Empty is now.")
    valid_until: Instant | None = Field(default=None, description="Empty is until revoked.")
    delegation_log: Code | None = Field(
        default=None, description="The entry of the delegation log that this follows."
    )
    trained_on: StudyDate | None = Field(default=None, description="Day of the protocol training.")

    @model_validator(mode="after")
    def _one_person(self) -> GrantCreate:
        """Ask for exactly one way to name the person."""
        if (self.person_id is None) == (self.person is None):
            raise ValueError("Name the person by `person_id`, or give a new one as `person`.")
        return self


class GrantConfirmation(Change):
    """The second administrator's yes, and what it rests on."""

    model_config = example(reason="Seen the appointment letter.")


class Revocation(Change):
    """Why a grant ends."""

    model_config = example(reason="Left the hospital.")


class ActView(View):
    """Who did it, when and why."""

    by: str
    at: datetime
    reason: str | None


class PersonView(View):
    """A person or a machine that the study knows."""

    id: UUID
    issuer: str
    subject: str
    display_name: str
    organisation: str
    recorded_at: datetime


class GrantView(View):
    """A grant, where it stands, and who did what about it."""

    id: UUID
    person: PersonView
    role: Role
    site: str | None = Field(description="Code of the site; null is the whole study.")
    status: GrantStatus
    valid_from: datetime
    valid_until: datetime | None
    delegation_log: str | None
    trained_on: date | None
    granted: ActView
    confirmed: ActView | None = Field(description="By a second administrator, where it takes two.")
    revoked: ActView | None


class SiteCreate(Body):
    """A hospital that takes part."""

    model_config = example(code="02", name="Second hospital")

    code: Code
    name: Name


class SiteView(View):
    """A site."""

    id: UUID
    code: str
    name: str
    recorded_at: datetime
