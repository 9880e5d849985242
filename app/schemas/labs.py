"""Laboratory results on the wire: sent in the sender's unit, shown in both."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AliasPath,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from app.domain.quantities import Comparator
from app.domain.reported_results import LabEntry, RecordingOutcome, ReportedResult
from app.domain.vocabulary import Finding, LabStatus, TimePrecision
from app.schemas.ctcae import ComparatorWord, GradeView
from app.schemas.types import LAX, Body, Change, Code, Id, Instant, Number, StudyDate, View, example

MAX_RESULTS = 10_000
FindingWord = Annotated[Finding, LAX]
StatusWord = Annotated[LabStatus, LAX]
_INSTANT, _DATE = TypeAdapter[datetime](Instant), TypeAdapter[date](StudyDate)


def _day_or_instant(value: Any) -> date | datetime:
    """Read a bound of a period; only an instant has a `T`."""
    is_instant = isinstance(value, str) and "T" in value
    return (_INSTANT if is_instant else _DATE).validate_python(value)


DayOrInstant = Annotated[
    date | datetime,
    PlainValidator(_day_or_instant),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]}
    ),
]


class LabCreate(Body):
    """One result: a value with its unit, a finding, or both; limits are in the value's unit."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        analyte="ANC",
        value=1.2,
        unit="10*9/L",
        lln=1.8,
        uln=6.3,
        collected_at="2026-06-20T08:00:00+08:00",
        reported_at="2026-06-20T11:00:00+08:00",
        accession="A-2620-0117",
    )

    subject_id: Id
    analyte: Code = Field(examples=["HGB"], description="Key or alias of the catalogue.")
    value: Number | None = None
    comparator: ComparatorWord | None = Field(
        default=None, description="The value is only a bound, such as <0.1."
    )
    unit: Code | None = Field(default=None, examples=["g/dL"])
    lln: Number | None = Field(default=None, description="Lower limit of normal.")
    uln: Number | None = Field(default=None, description="Upper limit of normal.")
    finding: FindingWord | None = None
    collected_at: Instant
    reported_at: Instant | None = None
    accession: Code | None = Field(
        default=None, description="Number of the specimen; without it the collection tells it."
    )
    status: StatusWord = LabStatus.FINAL
    source: Code | None = Field(
        default=None,
        examples=["ward"],
        description="Where the result comes from; left out, it is `manual`, or the code of a"
        " registered laboratory system, which may give no other.",
    )

    def entry(self) -> LabEntry:
        """Return what is to be recorded."""
        result = ReportedResult(
            analyte=self.analyte,
            value=self.value,
            comparator=self.comparator,
            unit=self.unit,
            lln=self.lln,
            uln=self.uln,
            finding=self.finding,
            status=self.status,
            collected_at=self.collected_at,
            reported_at=self.reported_at,
        )
        return LabEntry(
            subject_id=self.subject_id,
            source=self.source,
            accession=self.accession,
            result=result,
        )


class LabBatchCreate(Body):
    """Many results; each is stored, found to be here already, or refused, on its own."""

    model_config = example(
        results=[
            {
                "subject_id": "01930000-0000-7000-8000-000000000001",
                "analyte": "HGB",
                "value": 102,
                "unit": "g/L",
                "collected_at": "2026-06-20T08:00:00+08:00",
            },
            {
                "subject_id": "01930000-0000-7000-8000-000000000001",
                "analyte": "HBSAG",
                "finding": "negative",
                "collected_at": "2026-06-20T08:00:00+08:00",
            },
        ],
    )

    results: Annotated[list[LabCreate], Field(min_length=1, max_length=MAX_RESULTS)]


def _one_or_many(value: Any, _: ValidatorFunctionWrapHandler) -> LabCreate | LabBatchCreate:
    """Validate as what it calls itself, so that errors point into the body that was sent."""
    if isinstance(value, dict) and "results" in value:
        return LabBatchCreate.model_validate(value)
    return LabCreate.model_validate(value)


LabBody = Annotated[LabCreate | LabBatchCreate, WrapValidator(_one_or_many)]


class LabCorrection(Change):
    """What a further version says; the value is stated with its unit, what is left out stays."""

    model_config = example(
        value=1.4,
        unit="10*9/L",
        reason="The laboratory sent a corrected report.",
    )

    status: StatusWord = LabStatus.CORRECTED
    value: Number | None = None
    comparator: ComparatorWord | None = None
    unit: Code | None = None
    lln: Number | None = None
    uln: Number | None = None
    finding: FindingWord | None = None
    collected_at: Instant | None = None
    reported_at: Instant | None = None


class OriginalView(View):
    """The sender's own words, letter for letter; null for what was not said."""

    value: str | None = Field(examples=["10.2"])
    unit: str | None = Field(examples=["g/dL"])
    lln: str | None
    uln: str | None
    code: str | None = Field(examples=["751-8^LN"])
    range: str | None = Field(examples=["1.8 - 6.3"])
    flags: str | None = Field(examples=["L"], description="Shown only; nothing rests on them.")
    status: str | None = Field(examples=["F"])
    collected: str | None = Field(examples=["20260520080000"])


class BaselineView(View):
    """The last usable value before the first infusion, in the canonical unit."""

    id: UUID
    value: Number = Field(validation_alias=AliasPath("measurement", "value"))
    comparator: Comparator | None = Field(validation_alias=AliasPath("measurement", "comparator"))
    uln: Number | None
    day: date


class UsedRangeView(View):
    """The version of a laboratory's reference range that filled limits of a result."""

    id: UUID = Field(validation_alias="range_id")
    number: int
    filled: list[str] = Field(
        validation_alias="names", examples=[["lln", "uln"]], description="`lln`, `uln` or both."
    )


class AppliedLimitsView(View):
    """The limits that the grades were judged by: those sent, and from the register what lacked."""

    lln: Number | None
    uln: Number | None
    reference_range: UsedRangeView | None = Field(description="Null where none was filled.")


class LabView(View):
    """One version of a result; numbers are in the canonical unit, `original` is as sent.

    `result_id` is the id of the first version and stays the same.
    """

    id: UUID
    result_id: UUID
    result_version: int
    is_current: bool = Field(description="This is the version that counts.")
    subject_id: UUID
    source: str
    accession: str | None
    analyte: str
    status: LabStatus
    collected_at: datetime
    collected_precision: TimePrecision = Field(description="How precisely that was told.")
    day: date = Field(description="Day of the collection in the study's zone.")
    reported_at: datetime | None
    stated_at: datetime = Field(description="When this was said; the last statement counts.")
    value: Number | None
    comparator: Comparator | None
    unit: str | None
    lln: Number | None = Field(description="As it came with the result.")
    uln: Number | None = Field(description="As it came with the result.")
    applied_limits: AppliedLimitsView | None = Field(
        description="The limits that count; null for a sender that may not read results."
    )
    finding: Finding | None
    original: OriginalView
    reason: str | None = Field(description="Why this version replaced the one before.")
    message_id: UUID | None = Field(description="The message of a laboratory system that said it.")
    position: int | None = Field(description="Its place among the results of that message, from 0.")
    recorded_at: datetime
    grades: list[GradeView] | None = Field(
        description="CTCAE grades; null for a sender that may not read results."
    )
    baseline: BaselineView | None = Field(description="What the grades were compared with.")


class LabReceipt(LabView):
    """A result that was sent, and whether it was new."""

    outcome: RecordingOutcome


class LateReceipt(View):
    """A result that came too late for the subject's casebook, and waits in the inbox."""

    outcome: RecordingOutcome
    inbox_item_id: UUID
    code: str = Field(examples=["casebook_locked"])
    message: str


class ItemOutcome(View):
    """What became of one result of a batch; one that is not filed has a code and a sentence."""

    index: int = Field(description="Position in the batch, from 0.")
    outcome: RecordingOutcome
    id: UUID | None = Field(description="The result that is stored; null for a refused one.")
    code: str | None
    message: str | None
    inbox_item_id: UUID | None = Field(
        default=None, description="Where it waits, if it came too late for a closed casebook."
    )


class LabBatchReceipt(View):
    """What became of a batch; received = created + duplicates + refused + inbox."""

    received: int
    created: int
    duplicates: int
    refused: int
    inbox: int
    results: list[ItemOutcome]
