"""Data queries with what was said about them, and what was held against the source."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.queries import QueryAction, QueryOrigin, QueryStatus
from app.models.base import Fact, Record, choice, scoped


class Query(Record):
    """A question about a subject's records, opened by a person or taken up from a rule.

    What a rule asks is derived, and gets a row with the first word about it; `rule_key` tells which
    cause it is about. `answered_by` is who answered last, until the query is open again, and
    `answerers` are all who ever did; none of them ends it. `closed_by` is who closed or cancelled.
    """

    __tablename__ = "query"
    __table_args__ = (
        *scoped(subject_id="subject", answered_by="principal", closed_by="principal"),
        Index(None, "study_id", "subject_id"),
        CheckConstraint("(origin = 'rule') = (rule_key IS NOT NULL)", name="rule"),
        CheckConstraint("status <> 'resolved'", name="recorded"),
        CheckConstraint(
            "(answered_by IS NULL) >= (status = 'open')"
            " AND (answered_by IS NOT NULL) >= (status IN ('answered', 'closed'))",
            name="answered",
        ),
        CheckConstraint(
            "(closed_by IS NOT NULL) = (status IN ('closed', 'cancelled'))", name="closed"
        ),
        CheckConstraint("answered_by IS NULL OR answered_by = ANY (answerers)", name="answerer"),
        CheckConstraint("closed_by <> ALL (answerers)", name="two_persons"),
    )

    subject_id: Mapped[UUID]
    record_type: Mapped[str]
    record_id: Mapped[UUID | None]
    field: Mapped[str | None]
    text: Mapped[str]
    origin: Mapped[QueryOrigin] = mapped_column(choice(QueryOrigin, "origin"))
    rule_key: Mapped[str | None]
    status: Mapped[QueryStatus] = mapped_column(choice(QueryStatus, "status"))
    answered_by: Mapped[UUID | None]
    answerers: Mapped[list[UUID]] = mapped_column(default=list)
    closed_by: Mapped[UUID | None]


class QueryMessage(Fact):
    """What somebody said with a step of a query: the answer, or why it took that step."""

    __tablename__ = "query_message"
    __table_args__ = (
        *scoped(subject_id="subject", query_id="query"),
        Index(None, "study_id", "query_id"),
    )

    subject_id: Mapped[UUID]
    query_id: Mapped[UUID]
    action: Mapped[QueryAction] = mapped_column(choice(QueryAction, "action"))
    text: Mapped[str]


class SourceVerification(Fact):
    """A monitor's word that these fields of a record, in this version, say what the source says.

    A record that never changes has version 1.
    """

    __tablename__ = "source_verification"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "record_type", "record_id"),
        CheckConstraint("cardinality(fields) > 0", name="fields"),
    )

    subject_id: Mapped[UUID]
    record_type: Mapped[str]
    record_id: Mapped[UUID]
    record_version: Mapped[int]
    fields: Mapped[list[str]]
