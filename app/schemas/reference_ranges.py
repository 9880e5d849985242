"""Reference ranges on the wire: versions, when each counts, and which grades it changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from app.domain.vocabulary import Sex
from app.schemas.types import LAX, Body, Change, Code, Number, StudyDate, View, example

_MOST_YEARS = 150
AgeYears = Annotated[int, Field(ge=0, le=_MOST_YEARS)]


def _trimmed(name: Any) -> Any:
    """Take away the white space around a name, which would make it another laboratory's."""
    return name.strip() if isinstance(name, str) else name


LaboratoryName = Annotated[Code, BeforeValidator(_trimmed)]


class ReferenceRangeCreate(Body):
    """A version of a range; one for the same people closes the one before."""

    model_config = example(
        laboratory="CENTRAL-LAB",
        analyte="ALT",
        sex="male",
        age_from=18,
        unit="U/L",
        low=9,
        high=50,
        effective_from="2026-06-01",
    )

    laboratory: LaboratoryName = Field(
        description="What the laboratory's results carry as their `source`, in the same letters."
    )
    analyte: Code = Field(examples=["ALT"], description="Key or alias of the catalogue.")
    sex: Annotated[Sex, LAX] | None = Field(default=None, description="Null is for both.")
    age_from: AgeYears | None = Field(
        default=None, description="In completed years, included; null is from birth on."
    )
    age_to: AgeYears | None = Field(
        default=None, description="In completed years, included; null has no end."
    )
    unit: Code | None = Field(default=None, description="Left out only where there is none.")
    low: Number | None = Field(default=None, description="Lower limit of normal.")
    high: Number | None = Field(default=None, description="Upper limit of normal.")
    effective_from: StudyDate = Field(
        description="The first day of collection, in the study's zone, for which it counts."
    )

    @model_validator(mode="after")
    def _check(self) -> ReferenceRangeCreate:
        if self.low is None and self.high is None:
            raise ValueError("Give the lower limit, the upper limit, or both.")
        if self.age_to is not None and self.age_to < (self.age_from or 0):
            raise ValueError("The ages end before they begin; exchange age_from and age_to.")
        return self


class RangeRetractionCreate(Change):
    """From which day on a range counts no more; null takes it back whole, as a mistake."""

    model_config = example(
        from_day="2026-07-01", reason="The laboratory splits the range by age from July on."
    )

    from_day: StudyDate | None = None


class ReferenceRangeView(View):
    """One version of a range, with the limits in both units."""

    id: UUID
    laboratory: str
    analyte: str
    number: int = Field(description="Counts this laboratory's ranges of the analyte.")
    sex: Sex | None
    age_from: int | None
    age_to: int | None
    unit: str | None
    low: Number | None
    high: Number | None
    lln: Number | None = Field(description="In the analyte's canonical unit, as is `uln`.")
    uln: Number | None
    canonical_unit: str
    effective_from: date
    effective_until: date | None = Field(
        description="The first day for which it counts no more, because a later version begins or"
        " it was ended; null while it is open."
    )
    retracted: bool = Field(description="It was recorded by mistake and never counts.")
    retraction_reason: str | None = Field(description="Why it was taken back or ended.")
    recorded_at: datetime


class GradeReadView(View):
    """A grade as it is read with some register."""

    grade: int | None
    grade_min: int
    grade_max: int
    rests_on: list[str]


class ChangedGradeView(View):
    """A grade that reads differently because of a range."""

    lab_id: UUID
    subject_id: UUID
    subject_number: str
    analyte: str
    day: date = Field(description="Day of the collection in the study's zone.")
    term: str
    before: GradeReadView
    after: GradeReadView


class ReferenceRangeReceipt(ReferenceRangeView):
    """A version, and the grades of the subjects you see that read differently because of it."""

    changed: list[ChangedGradeView]
    known_laboratory: bool = Field(
        description="False if no result and no sender of the study is of this laboratory: compare"
        " the name, which is the same only in the same letters."
    )
