"""The inbox on the wire: items and their reasons, what was sent, what a person does about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, Field, ValidatorFunctionWrapHandler, WrapValidator

from app.domain.inbound import Door, InboxKind, InboxReason, InboxStatus
from app.domain.sender_profile import StatusMeaning, ValueWord
from app.schemas.types import LAX, Change, Code, Id, View, example

Settlement = Literal["separate", "accept_sender", "retry", "reject", "done"]


class MapCode(Change):
    """From now on this code of the sender reports this analyte."""

    model_config = example(
        action="map_code", analyte="ANC", reason="By the laboratory's list of codes of June 2026."
    )

    action: Literal["map_code"]
    analyte: Code = Field(description="Key or alias of the catalogue.", examples=["ANC"])


class MapUnit(Change):
    """From now on this unit text of the sender, for this analyte, means this unit."""

    model_config = example(
        action="map_unit", unit="10*9/L", reason="The laboratory confirmed what it means by G/l."
    )

    action: Literal["map_unit"]
    unit: Code = Field(description="One that the catalogue takes for the analyte.")


class MapStatus(Change):
    """From now on this status word of the sender has this meaning."""

    model_config = example(
        action="map_status", meaning="final", reason="The laboratory sends only final results."
    )

    action: Literal["map_status"]
    meaning: Annotated[StatusMeaning, LAX]


class MapWord(Change):
    """From now on this word of the sender, in the place of a value, has this meaning."""

    model_config = example(
        action="map_word", meaning="negative", reason="The laboratory's word for not found."
    )

    action: Literal["map_word"]
    meaning: Annotated[ValueWord, LAX]


class Assign(Change):
    """The result is this subject's."""

    model_config = example(
        action="assign",
        subject_id="01930000-0000-7000-8000-000000000001",
        reason="The hospital gave the subject a second number on admission.",
    )

    action: Literal["assign"]
    subject_id: Id
    remember: bool = Field(
        default=True,
        description="Whether the patient's identifiers in the message lead to the subject now.",
    )


class Settle(Change):
    """What needs no more than a reason.

    `retry` reads the item again as its sender is read now, `separate` files a result whose
    accession number was used before as one of another specimen, `accept_sender` takes this one
    message although it names another system than its sender is registered as, `reject` leaves it
    unfiled for good, `done` closes a task.
    """

    model_config = example(action="reject", reason="A quality control; no patient's result.")

    action: Settlement


ProfileStep = MapCode | MapUnit | MapStatus | MapWord
Step = ProfileStep | Assign | Settle
_STEPS: dict[str, type[Step]] = {
    "map_code": MapCode,
    "map_unit": MapUnit,
    "map_status": MapStatus,
    "map_word": MapWord,
    "assign": Assign,
    **dict.fromkeys(get_args(Settlement), Settle),
}


class _Named(BaseModel):
    action: Literal[
        "map_code", "map_unit", "map_status", "map_word", "assign",
        "separate", "accept_sender", "retry", "reject", "done",
    ]  # fmt: skip


def _by_action(value: Any, _: ValidatorFunctionWrapHandler) -> Step:
    """Validate as what the action says, so that errors point into the body that was sent."""
    return _STEPS[_Named.model_validate(value).action].model_validate(value)


ResolutionBody = Annotated[Step, WrapValidator(_by_action)]


class InboxReasonView(View):
    """Why an item waits."""

    code: InboxReason
    message: str


class InboxItemView(View):
    """An item without anything that identifies a patient; `subject_id` where it is known."""

    id: UUID
    kind: InboxKind
    status: InboxStatus
    reasons: list[InboxReasonView]
    sender: str | None = Field(
        description="Code of the sender, null for what a person uploaded.", examples=["LIS-01"]
    )
    sender_id: UUID | None
    message_id: UUID
    door: Door
    received_at: datetime
    position: int | None = Field(description="Place of the result in its message, from 0.")
    results: int = Field(description="How many results the item stands for.")
    analyte: str | None
    code: str | None
    code_system: str | None
    unit: str | None
    specimen: str | None = Field(description="The accession number, or what else tells it apart.")
    stated_at: datetime | None
    subject_id: UUID | None
    lab_result_id: UUID | None = Field(description="The version that was filed or was here.")
    resolved_at: datetime | None
    resolution: str | None = Field(description="What was done about it, as an action's name.")
    version: int
    recorded_at: datetime


class SentCodeView(View):
    """A code as it was sent."""

    code: str
    system: str
    text: str


class SentIdentifierView(View):
    """An identifier of the patient as it was sent."""

    value: str
    authority: str
    kind: str


class SentResultView(View):
    """A result in its sender's own words; an empty text is what was not said."""

    codes: list[SentCodeView]
    panel: SentCodeView | None
    accession: str
    value_type: str
    values: list[list[str]] = Field(description="The components of each repetition.")
    unit: str
    reference_range: str
    low: str
    high: str
    flags: list[str]
    status: str
    collected: str
    reported: str
    stated: str


class SentMessageView(View):
    """The message behind an item; its text only for roles that may see who somebody is."""

    size: int = Field(description="In bytes.")
    digest: str = Field(description="SHA-256 of the bytes.")
    charset: str | None
    flags: list[str]
    text: str | None


class OpenedItemView(InboxItemView):
    """An item with what was sent, as its sender is read now."""

    sent: SentResultView | None = Field(
        description="Null for a whole message, and where the result is not found in it any more."
    )
    patients: list[SentIdentifierView] | None = Field(
        description="Null for roles that may not see who somebody is."
    )
    message: SentMessageView


class TallyView(View):
    """What became of results that were read again."""

    filed: int
    duplicates: int
    open: int


class ResolutionView(View):
    """What a resolution brought about."""

    item: InboxItemView
    results: TallyView = Field(description="What became of the item's own results.")
    others: TallyView = Field(description="What became of others that waited for the same.")
    remaining: int = Field(description="Others that were not read again yet; retry one of them.")
    profile_number: int | None = Field(description="The sender's new profile version, if any.")
