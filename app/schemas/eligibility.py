"""Eligibility on the wire: every criterion with what it rests on, and people's answers."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from pydantic import Field

from app.domain.eligibility import EligibilityFlag, Verdict
from app.domain.eligibility_rules import CriterionKind, CriterionType, Outcome
from app.domain.quantities import Comparator, Relation
from app.schemas.types import Body, Number, Rationale, View, example


class AttestationCreate(Body):
    """A person's answer to a criterion, and the reason where it needs one."""

    model_config = example(
        met=True,
    )

    met: bool = Field(
        description="True says that the statement is true, which for an exclusion shuts out."
    )
    reason: Rationale | None = Field(
        default=None, description="Needed to contradict what the records say or leave open."
    )


class ReadingView(View):
    """One fact as a criterion read it, and the limit it was held against, if any."""

    name: str
    evidence: str = Field(description="Id of the record.")
    holds: bool | None = Field(description="Whether it bears the criterion's statement out.")
    value: Number | str | None
    comparator: Comparator | None
    unit: str | None
    date: dt.date | None
    at: dt.datetime | None
    known_at: dt.datetime | None = Field(description="When the record was made.")
    relation: Relation | None
    limit: Number | None


class AnswerView(View):
    """A person's answer."""

    id: UUID
    criterion: str
    met: bool
    at: dt.datetime
    reason: str | None


class CriterionView(View):
    """A criterion's outcome and what it rests on.

    `outcome` says whether the statement is true; `permits_entry` what that means for the subject,
    the same way round for inclusions and exclusions. `computed_outcome` is what the records say.
    """

    id: str = Field(examples=["I4"])
    kind: CriterionKind
    type: CriterionType
    text: str
    rule: str
    outcome: Outcome
    permits_entry: bool | None
    computed_outcome: Outcome
    attestation: AnswerView | None
    value: Number | str | None = Field(description="Of the reading that decided.")
    comparator: Comparator | None
    unit: str | None
    date: dt.date | None
    readings: list[ReadingView]
    evidence: list[str]
    note: str


class EligibilityView(View):
    """The verdict, all criteria in the record's order, and which of them stand in the way."""

    subject_id: UUID
    number: str = Field(examples=["S-001"])
    verdict: Verdict
    reference_date: dt.date = Field(
        description="The first infusion, given or planned, that windows count back from."
    )
    criteria: list[CriterionView]
    failed: list[str]
    unknown: list[str]
    flags: list[EligibilityFlag]
    protocol_version: int
    protocol_digest: str
    as_of: dt.datetime
