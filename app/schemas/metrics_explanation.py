"""What the numbers of the metrics rest on, on the wire: rules, participants and their records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from app.domain.protocol import AssumptionSource


class RecordOrigin(StrEnum):
    """How a record came in: by a person's form, or in a laboratory system's message."""

    FORM = "form"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A record and where it comes from; `operation_id` wrote the version that counts.

    `source` is the laboratory that a result is from, `message_id` the message that it came in.
    """

    id: UUID
    kind: str
    operation_id: UUID
    recorded_at: datetime
    origin: RecordOrigin
    source: str | None
    message_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedParticipant:
    """A participant who counts in at least one number, with the records that any of them names."""

    subject_id: UUID
    number: str
    records: tuple[RecordView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeView:
    """A participant's own time in days; without an event it is censored, `reason` says why."""

    days: int
    event: bool
    reason: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributionView:
    """What the participant with this `number` adds to a count, or is where it is a median or a sum.

    `records` are those that by themselves make the participant count, or that the conclusion that
    counts names as its evidence.
    """

    number: str
    adds: int | Decimal
    records: tuple[UUID, ...]
    time: TimeView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersView:
    """Participants whom the reader may not see one by one, and the kinds of the hidden records."""

    participants: int
    records: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedMetric:
    """One number of the answer, at the pointer `metric`, and who adds to it.

    The pointer names members and, for the rows of a list, what tells them apart, as in
    `/groups/level=A/incidences/basis=related/serious/events`. `rule` is the place of its rule,
    `records` are those that count and are of no participant yet: items of the inbox.
    """

    metric: str
    value: int | Decimal
    rule: str
    participants: tuple[ContributionView, ...]
    records: tuple[UUID, ...]
    others: OthersView


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAssumption:
    """A named reading of the protocol version in force."""

    id: str
    question: str
    reading: str
    source: AssumptionSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """How all numbers below the place `metrics` are counted, and what that rests on.

    `rules` are keys of the protocol definition or names of derivations, `record` quotes the
    registered record, `reading` names a section of the protocol's documentation.
    """

    metrics: str
    rules: tuple[str, ...]
    sentence: str
    record: str | None
    assumptions: tuple[NamedAssumption, ...]
    reading: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the numbers whose pointer begins with `metric` rest on.

    A number to which nobody adds is not listed: it is none, or what the protocol fixes. Whoever may
    not read the participants' records, as a sponsor, gets rules and numbers of records alone.
    """

    metric: str
    rules: tuple[ExplainedRule, ...]
    participants: tuple[ExplainedParticipant, ...]
    records: tuple[RecordView, ...]
    metrics: tuple[ExplainedMetric, ...]
