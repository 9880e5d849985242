"""Hospital identifiers on the wire: the only place where a value leaves, for who may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import IdentifierKind
from app.schemas.types import LAX, Body, Change, Code, View, example


class IdentifierCreate(Body):
    """What the hospital calls the subject, or a specimen of the subject."""

    model_config = example(kind="patient", value="MRN-0042")

    kind: Annotated[IdentifierKind, LAX]
    value: Code = Field(
        description="As laboratory messages state it: the patient's number, or an accession number."
    )


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
