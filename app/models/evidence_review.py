"""What people concluded after evidence had moved under a decision or a signature."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.evidence_moved import MovedType, ReviewConclusion
from app.models.base import Fact, choice, scoped


class EvidenceReview(Fact):
    """A person's word on one movement, named by its digest; a later movement is another one.

    `record_type` and `record_id` say what rests on the evidence, `subject_id` whose it is, empty
    for what concerns nobody alone. That evidence moved is derived and stored nowhere.
    """

    __tablename__ = "evidence_review"
    __table_args__ = (
        *scoped(subject_id="subject", reviewed_by="principal"),
        CheckConstraint("btrim(text) <> ''", name="text"),
        Index(None, "study_id", "record_type", "record_id"),
        Index(None, "study_id", "subject_id"),
    )

    record_type: Mapped[MovedType] = mapped_column(choice(MovedType, "record_type"))
    record_id: Mapped[UUID]
    subject_id: Mapped[UUID | None]
    moved_digest: Mapped[str]
    conclusion: Mapped[ReviewConclusion] = mapped_column(choice(ReviewConclusion, "conclusion"))
    text: Mapped[str]
    reviewed_by: Mapped[UUID]
