"""The CTCAE dictionary and its laboratory grades on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from app.domain.ctcae.dictionary import ValueToGrade
from app.domain.quantities import Comparator
from app.domain.vocabulary import SpecialInterest
from app.schemas.types import LAX, Body, Code, Name, Number, View, example

ComparatorWord = Annotated[Comparator, LAX]


class TermView(View):
    """One term of the dictionary; `analytes` are those that give it numeric grades."""

    term: str = Field(examples=["Neutrophil count decreased"])
    soc: str = Field(examples=["Investigations"], description="System organ class.")
    grades: list[int] = Field(examples=[[1, 2, 3, 4]], description="Grades that exist.")
    analytes: list[str] = Field(examples=[["ANC"]])
    special_interest: list[SpecialInterest]
    dictionary_version: str = Field(examples=["5.0"])


class GradeRequest(Body):
    """A value with what its grade depends on; limits and baseline are in the value's unit."""

    model_config = example(
        analyte="ANC",
        value=0.9,
        unit="10*9/L",
        lln=1.8,
        baseline=2.4,
    )

    analyte: Code | None = Field(
        default=None, examples=["ANC"], description="Key or alias; grades all its terms."
    )
    term: Name | None = Field(default=None, description="Grades this term alone.")
    value: Number
    comparator: ComparatorWord | None = None
    unit: Code | None = Field(
        default=None, examples=["10*9/L"], description="Left out only where there is none."
    )
    lln: Number | None = None
    uln: Number | None = None
    baseline: Number | None = Field(default=None, description="A missing one counts as normal.")
    on_anticoagulant: bool | None = None

    @model_validator(mode="after")
    def _name_one(self) -> GradeRequest:
        if (self.analyte is None) == (self.term is None):
            raise ValueError("Give either analyte or term, and not both.")
        return self

    def to_grade(self) -> ValueToGrade:
        """Return what the dictionary grades."""
        return ValueToGrade(**self.model_dump())


class GradeView(View):
    """The grade of one term; `grade` is null when data are missing that could change it.

    `grade_min` and `grade_max` bound the grade; `needs_clinical_input` says that symptoms or
    treatment could raise it. `rests_on` names the limits, baseline and threshold used.
    """

    term: str
    soc: str
    analyte: str
    grade: int | None
    grade_min: int
    grade_max: int
    gradable: bool
    needs_clinical_input: bool
    within_reference_range: bool | None
    rule: str = Field(examples=["ctcae5:Neutrophil count decreased:3:ANC:ABS"])
    missing: list[str] = Field(description="What could still change the answer.")
    rests_on: list[str]
    dictionary_version: str


class GradesView(View):
    """All grades of a value; empty when CTCAE v5.0 grades this analyte by no number."""

    results: list[GradeView]
