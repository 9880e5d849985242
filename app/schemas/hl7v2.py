"""The dry run of HL7 v2 messages on the wire: what would become of each, and of each result."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.domain.inbound import InboundOutcome, InboxReason
from app.domain.quantities import Comparator
from app.domain.vocabulary import Finding, LabStatus
from app.schemas.types import Number, View


class ReasonView(View):
    """Why a result would wait for a person: a stable code and a sentence."""

    code: str = Field(examples=["unmapped_code"])
    message: str


class ForeseenReadingView(View):
    """What would be stored of a result; numbers are in the canonical unit of the analyte."""

    status: LabStatus
    value: Number | None
    comparator: Comparator | None
    unit: str | None
    lln: Number | None
    uln: Number | None
    finding: Finding | None
    flags: list[str] = Field(description="OBX-8 in the words of the profile; decides nothing.")
    collected_at: datetime
    reported_at: datetime | None


class ForeseenResultView(View):
    """What would become of one result."""

    position: int = Field(description="Place of the OBX among those of the message, from 0.")
    outcome: InboundOutcome
    analyte: str | None = Field(examples=["PLT"])
    reasons: list[ReasonView]
    reading: ForeseenReadingView | None = Field(
        description="Null for who may not read results, and where it cannot be read."
    )


class ForeseenMessageView(View):
    """What would become of one message; received = filed + duplicates + inbox + refused."""

    control_id: str | None = Field(description="MSH-10.")
    message_type: str | None = Field(description="MSH-9.", examples=["ORU^R01^ORU_R01"])
    version: str | None = Field(description="MSH-12.", examples=["2.5.1"])
    charset: str | None = Field(description="How the bytes were read; null where nothing does.")
    flags: list[str]
    refusal: str | None = Field(description="Why the message can never be taken: answered AR.")
    waits_as_whole: InboxReason | None = Field(description="Why all of it would wait.")
    repeated: bool = Field(description="These bytes came before; the counts are from then.")
    received: int
    filed: int
    duplicates: int
    inbox: int
    refused: int
    results: list[ForeseenResultView]
    acknowledgement: str = Field(description="What would be answered; the ids in it are invented.")


class MessageForecast(View):
    """What would become of the messages of a body, each looked at on its own."""

    messages: list[ForeseenMessageView]
