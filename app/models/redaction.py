"""Lawful redactions: asked for by one person, carried out by another, and what each left behind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from app.domain.redaction import targets
from app.models.base import Fact, scoped

_TARGETS = ", ".join(f"'{target}'" for target in targets())


class RedactionRequest(Fact):
    """The principal investigator's word that a value has to go, and why.

    `site_id` is where the record is; the database finds it, and leaves it empty for what belongs to
    no site or to several: that is for roles for the whole study.
    """

    __tablename__ = "redaction_request"
    __table_args__ = (
        *scoped(requested_by="principal", site_id="site"),
        UniqueConstraint("study_id", "id", "requested_by"),
        CheckConstraint(f"record_type || '.' || field IN ({_TARGETS})", name="free_text"),
    )

    record_type: Mapped[str]
    record_id: Mapped[UUID]
    field: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[UUID]
    site_id: Mapped[UUID | None]


class Redaction(Fact):
    """A redaction as it was carried out; the database's function `redact` alone writes it.

    `scrubbed` lists each sealed row that held the value: [table, record id, number, SHA-256 of
    what is left of its text], so that the rest of the row stays under the seal. `signatures` are
    those whose signed document showed the value.
    """

    __tablename__ = "redaction"
    __table_args__ = (
        *scoped(executed_by="principal"),
        ForeignKeyConstraint(
            ["study_id", "request_id", "requested_by"],
            [
                "redaction_request.study_id",
                "redaction_request.id",
                "redaction_request.requested_by",
            ],
        ),
        UniqueConstraint("study_id", "request_id"),
        Index(None, "study_id", "record_id"),
        CheckConstraint("executed_by <> requested_by", name="two_persons"),
    )

    request_id: Mapped[UUID]
    record_type: Mapped[str]
    record_id: Mapped[UUID]
    field: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[UUID]
    executed_by: Mapped[UUID]
    scrubbed: Mapped[list[Any]]
    signatures: Mapped[list[Any]]
