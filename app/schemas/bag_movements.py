"""The ledger of a bag on the wire, and the check before an infusion."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from app.domain.vocabulary import BagCheckMethod, BagStatus, BagStep
from app.schemas.types import LAX, Body, Id, Instant, Number, View, example

MethodWord = Annotated[BagCheckMethod, LAX]
# Two numbers of a hundred characters each, and what is between them.
ScannedCode = Annotated[str, StringConstraints(max_length=201, min_length=1)]


class BagCheckCreate(Body):
    """Somebody's word that a bag is one of an infusion, by its label or as the second person."""

    model_config = example(
        infusion_id="01930000-0000-7000-8000-000000000001",
        method="scan",
        scanned_code="MSC-26-014/MSC-26-014-03",
    )

    infusion_id: Id
    method: MethodWord = Field(
        description="`scan` compares the label's code with the bag; for `two_person` you are the "
        "second person, so somebody else allocated the bag."
    )
    scanned_code: ScannedCode | None = Field(
        default=None,
        description="What the label reads: the lot's number, a slash, the bag's number. "
        "Goes with `scan`.",
    )
    checked_at: Instant | None = Field(
        default=None,
        description="When it was checked, if not now; one after the start does not count, and "
        "one before the lot was made, or before an allocation that was recorded by the start, is "
        "refused. `recorded_at` says when it was entered.",
    )

    @model_validator(mode="after")
    def _code_of_a_scan(self) -> Self:
        if (self.scanned_code is None) != (self.method is BagCheckMethod.TWO_PERSON):
            raise ValueError("Give scanned_code with the method scan, and only then.")
        return self


class BagMovementView(View):
    """One step of a bag and how it stood after it; the ledger is only ever added to."""

    id: UUID
    bag_id: UUID
    step: BagStep = Field(
        description="`opened` stands for all before the ledger began, `recounted` for a content "
        "that was corrected, `infusion_retracted` for a bag that was recorded as infused by "
        "mistake."
    )
    status_after: BagStatus
    infusion_id: UUID | None = Field(
        description="The infusion concerned; a returned bag has left it."
    )
    volume_ml: Number = Field(
        description="What the bag gained by the step; below zero what it lost. A correction is a "
        "further line of the same step."
    )
    left_ml: Number = Field(
        description="What was in the bag after it by the ledger; below zero more was given than "
        "the bag held."
    )
    method: BagCheckMethod | None
    checked_at: datetime | None
    actor_name: str | None = Field(
        description="Null, with the role, the reason and the infusion, for a step of another "
        "site's infusion."
    )
    role: str | None
    reason: str | None
    recorded_at: datetime
