"""Casebooks on the wire: where they stand, and what is done about them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.domain.casebook import CasebookAction, CasebookState
from app.domain.vocabulary import Role
from app.schemas.signatures import MaybeStamped, SignatureStamp
from app.schemas.types import Change, Id, View, example

# A casebook is signed like any other record, at `/signatures`.
_Here = Literal[
    CasebookAction.FREEZE,
    CasebookAction.UNFREEZE,
    CasebookAction.LOCK,
    CasebookAction.REQUEST_UNLOCK,
    CasebookAction.APPROVE_UNLOCK,
    CasebookAction.REJECT_UNLOCK,
]


class LockCreate(Change):
    """What is done about a subject's casebook, and why."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        action="freeze",
        reason="All queries are closed.",
    )

    subject_id: Id
    action: _Here


class UnlockRequestView(View):
    """A request to open a locked casebook that nobody has answered yet."""

    id: UUID
    requested_by: UUID
    requested_role: Role
    reason: str
    recorded_at: datetime


class CasebookSignatureView(SignatureStamp):
    """The principal investigator's last signature on the casebook."""

    void: bool = Field(description="The records say something else now than what was signed.")


class CasebookStepView(View):
    """One thing that was done about the casebook."""

    action: CasebookAction
    actor_name: str
    role: Role
    reason: str
    recorded_at: datetime
    operation_id: UUID = Field(validation_alias="id")


class WaitingView(View):
    """One result of the subject that waits in the inbox."""

    id: UUID
    reasons: list[str] = Field(examples=[["casebook_locked"]])
    analyte: str | None
    recorded_at: datetime


class CasebookView(View):
    """Where a subject's casebook stands."""

    subject_id: UUID
    subject_number: str = Field(examples=["S-001"])
    state: CasebookState
    digest: str = Field(description="SHA-256 of the records as they are, as a signature names it.")
    frozen_digest: str | None = Field(
        description="The digest when it was frozen last; null if it never was."
    )
    signature: CasebookSignatureView | None
    unlock_request: UnlockRequestView | None
    history: list[CasebookStepView]
    waiting: list[WaitingView] = Field(description="Open inbox items of the subject.")


class LockView(MaybeStamped):
    """Where a casebook stands after a step, with the signature that the step needed, if any."""

    casebook: CasebookView


class CasebookSummary(View):
    """A casebook that was closed at least once, as a list shows it."""

    id: UUID
    subject_id: UUID
    state: CasebookState
    frozen_digest: str = Field(validation_alias="digest")
    unlock_request: UnlockRequestView | None
    version: int
    recorded_at: datetime
