"""Hospital identifiers on the wire: the only place where a value leaves, for who may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from app.domain.vocabulary import IdentifierKind
from app.schemas.types import LAX, Body, Change, Code, View, example


class IdentifierCreate(Body):
    """What the hospital calls the subject, or a specimen of the subject."""

    model_config = example(kind="patient", value="MRN-0042")

    kind: Annotated[IdentifierKind, LAX]
    value: Code = Field(
        description="As laboratory messages state it: the patient's number, or an accession number."
    )
    authority: Code | None = Field(
        default=None,
        description="Who gave the patient's number (PID-3.4, FHIR system); null for whoever.",
        examples=["HOSPITAL-A"],
    )
    type: Code | None = Field(
        default=None,
        description="The type of the patient's number (PID-3.5, FHIR type); null for whichever.",
        examples=["MR"],
    )

    @model_validator(mode="after")
    def _of_a_patient(self) -> IdentifierCreate:
        if self.kind is IdentifierKind.SPECIMEN and (self.authority or self.type):
            raise ValueError("Only a patient's number has an authority and a type.")
        return self


class IdentifierRetraction(Change):
    """The end of an identifier; the same value can be recorded again."""

    model_config = example(retracted=True, reason="It belongs to another person.")

    retracted: Literal[True]


class IdentifierView(View):
    """An identifier without its value."""

    id: UUID
    subject_id: UUID
    kind: IdentifierKind
    retracted: bool
    version: int
    recorded_at: datetime


class OpenedIdentifierView(IdentifierView):
    """An identifier with its value."""

    value: str | None = Field(description="Null where the identity key does not open it.")
    authority: str | None
    type: str | None
