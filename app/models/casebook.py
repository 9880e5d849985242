"""Casebooks, what it took to open a locked one again, and which tables a casebook holds."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.casebook import CasebookState
from app.domain.vocabulary import Role
from app.models.adverse_event import AdverseEvent, DltAdjudication
from app.models.base import Fact, Record, StudyRecord, choice, scoped
from app.models.care import Assessment, ConcomitantMedication, Transfusion
from app.models.infusion import Infusion
from app.models.lab import LabResult
from app.models.product import BagMovement, ProductBag
from app.models.subject import Attestation, Disposition, Enrolment, Subject

# What is recorded of a subject: the casebook's content, closed by the database while it is closed.
OF_CASEBOOK: tuple[type[StudyRecord], ...] = (
    AdverseEvent,
    Assessment,
    Attestation,
    ConcomitantMedication,
    Disposition,
    DltAdjudication,
    Enrolment,
    Infusion,
    LabResult,
    ProductBag,
    Subject,
    Transfusion,
)
# Closed with it, though a signature is on the bags themselves and not on how they came to be so.
CLOSED_WITH_CASEBOOK: tuple[type[StudyRecord], ...] = (*OF_CASEBOOK, BagMovement)
_NOT_EMPTY = "btrim(reason) <> ''"


class Casebook(Record):
    """How far a subject's casebook is closed; a subject without a row has an open one.

    `digest` is the SHA-256 of what it held when it was frozen last. A frozen casebook counts as
    signed while a valid signature on this digest exists, so `signed` is never stored.
    """

    __tablename__ = "casebook"
    __table_args__ = (*scoped(subject_id="subject"), UniqueConstraint("study_id", "subject_id"))

    subject_id: Mapped[UUID]
    state: Mapped[CasebookState] = mapped_column(choice(CasebookState, "state"))
    digest: Mapped[str]


class UnlockRequest(Fact):
    """Somebody's request to open a casebook, in the version in which it was locked."""

    __tablename__ = "unlock_request"
    __table_args__ = (
        *scoped(casebook_id="casebook", requested_by="principal"),
        UniqueConstraint("study_id", "id", "requested_by", "requested_role"),
        CheckConstraint(
            "requested_role IN ('principal_investigator', 'data_manager')", name="of_the_two_roles"
        ),
        CheckConstraint(_NOT_EMPTY, name="reason"),
    )

    casebook_id: Mapped[UUID]
    casebook_version: Mapped[int]
    requested_by: Mapped[UUID]
    requested_role: Mapped[Role] = mapped_column(choice(Role, "requested_role"))
    reason: Mapped[str]


class UnlockVerdict(Fact):
    """The answer to a request; it takes another person of the other role to approve it."""

    __tablename__ = "unlock_verdict"
    __table_args__ = (
        *scoped(given_by="principal"),
        ForeignKeyConstraint(
            ["study_id", "request_id", "requested_by", "requested_role"],
            [
                "unlock_request.study_id",
                "unlock_request.id",
                "unlock_request.requested_by",
                "unlock_request.requested_role",
            ],
        ),
        UniqueConstraint("study_id", "request_id"),
        CheckConstraint(
            "given_role IN ('principal_investigator', 'data_manager')", name="of_the_two_roles"
        ),
        CheckConstraint(
            "NOT approved OR (given_by <> requested_by AND given_role <> requested_role)",
            name="two_persons",
        ),
        CheckConstraint(_NOT_EMPTY, name="reason"),
    )

    request_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    requested_role: Mapped[Role] = mapped_column(choice(Role, "requested_role"))
    given_by: Mapped[UUID]
    given_role: Mapped[Role] = mapped_column(choice(Role, "given_role"))
    approved: Mapped[bool]
    reason: Mapped[str]
