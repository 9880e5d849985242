"""What an assessment of each kind holds; the eligibility rules read it by these names.

Ranges say what a living person can have, not what is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from app.domain.eligibility_assessments import fridericia
from app.domain.vocabulary import AssessmentKind, Finding
from app.schemas.types import LAX, Body, LongText, Number

FindingWord = Annotated[Finding, LAX]
# Whole milliseconds of QT, RR and QTcF can put the two sides apart by 1.4 ms at 150 beats a minute;
# what differs by more was not rounded but mistaken.
QTCF_ROUNDING_MS = Decimal(2)


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included."""

    low: int
    high: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the number after it was read."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the bounds."""
        return {**handler(schema), "minimum": self.low, "maximum": self.high}

    def check(self, number: Decimal) -> Decimal:
        """Refuse a number beyond the bounds."""
        if not self.low <= number <= self.high:
            raise ValueError(f"This must be between {self.low} and {self.high}.")
        return number


Percent = Annotated[Number, Between(0, 100)]


class Content(Body):
    """What every assessment may hold beside its findings."""

    note: LongText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Content:
        if not set(self.model_dump(exclude_none=True)) - {"note"}:
            raise ValueError("Give at least one finding.")
        return self


class VitalSigns(Content):
    """Vital signs."""

    temperature_c: Annotated[Number, Between(25, 45)] | None = None
    systolic_mmhg: Annotated[Number, Between(30, 300)] | None = None
    diastolic_mmhg: Annotated[Number, Between(10, 200)] | None = None
    pulse_per_min: Annotated[Number, Between(10, 350)] | None = None
    respiratory_rate_per_min: Annotated[Number, Between(2, 100)] | None = None
    oxygen_saturation_percent: Annotated[Number, Between(20, 100)] | None = None
    weight_kg: Annotated[Number, Between(20, 300)] | None = None
    height_cm: Annotated[Number, Between(50, 250)] | None = None

    @model_validator(mode="after")
    def _pressures_in_order(self) -> VitalSigns:
        low, high = self.diastolic_mmhg, self.systolic_mmhg
        if low is not None and high is not None and low >= high:
            raise ValueError("The diastolic pressure must lie below the systolic one.")
        return self


class PhysicalExamination(Content):
    """Findings of an examination; `nyha_class` is 1 also without any heart disease (E9d)."""

    nyha_class: Annotated[int, Field(ge=1, le=4)] | None = None
    fev1_percent_predicted: Annotated[Number, Between(1, 200)] | None = None
    normal: bool | None = None
    findings: LongText | None = None


class Ecog(Content):
    """ECOG performance status (I5)."""

    score: Annotated[int, Field(ge=0, le=5)]


class Ecg(Content):
    """An electrocardiogram with QTcF, or with QT and RR from which it follows (E9c)."""

    qt_ms: Annotated[Number, Between(100, 900)] | None = None
    rr_ms: Annotated[Number, Between(150, 3000)] | None = None
    qtcf_ms: Annotated[Number, Between(200, 900)] | None = None
    rhythm: LongText | None = None

    @model_validator(mode="after")
    def _intervals_agree(self) -> Ecg:
        qt, rr, reported = self.qt_ms, self.rr_ms, self.qtcf_ms
        if (qt is None) != (rr is None):
            raise ValueError("Give qt_ms and rr_ms together.")
        if qt is None or rr is None or reported is None:
            return self
        if abs(fridericia(qt, rr) - reported) > QTCF_ROUNDING_MS:
            raise ValueError(
                "qtcf_ms is not what Fridericia's formula makes of qt_ms and rr_ms; check all three"
                " and leave a QTc by another formula out."
            )
        return self


class BoneMarrow(Content):
    """Blasts by morphology, and disease by flow cytometry or immunohistochemistry (E2a-c)."""

    blasts_percent: Percent | None = None
    flow_mrd: FindingWord | None = None
    ihc_infiltration: FindingWord | None = None


class Chimerism(Content):
    """Donor chimerism after an allogeneic transplant (E13b)."""

    donor_percent: Percent


class PregnancyTest(Content):
    """Result of a pregnancy test, and whether the subject is lactating (I7, E15)."""

    result: FindingWord | None = None
    lactating: bool | None = None


class InfectionScreen(Content):
    """Viral and treponemal markers; a load counts as positive above its reference limit (C34)."""

    hiv_antibody: FindingWord | None = None
    treponemal_antibody: FindingWord | None = None
    hbsag: FindingWord | None = None
    hbcab: FindingWord | None = None
    hbv_dna: FindingWord | None = None
    hcv_rna: FindingWord | None = None
    cmv_dna: FindingWord | None = None
    b19_dna: FindingWord | None = None


class ResponseOpinion(Content):
    """An investigator's own view of the response at a week; the derived one stays beside it."""

    category: Literal["CR", "PR", "NR", "NE"]
    week: Annotated[int, Field(ge=1, le=104)]


CONTENTS: Mapping[AssessmentKind, type[Content]] = {
    AssessmentKind.VITAL_SIGNS: VitalSigns,
    AssessmentKind.PHYSICAL_EXAMINATION: PhysicalExamination,
    AssessmentKind.ECOG: Ecog,
    AssessmentKind.ECG: Ecg,
    AssessmentKind.BONE_MARROW: BoneMarrow,
    AssessmentKind.CHIMERISM: Chimerism,
    AssessmentKind.PREGNANCY_TEST: PregnancyTest,
    AssessmentKind.INFECTION_SCREEN: InfectionScreen,
    AssessmentKind.RESPONSE_OPINION: ResponseOpinion,
}
