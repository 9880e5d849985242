"""Which subjects of a study changed since a moment, told by the operations that were written.

A transaction that was not over at a snapshot has a number not below the snapshot's oldest running
one, so whatever the snapshot did not show is among the operations from that number on. What these
wrote names the subjects; a table that nobody has thought about counts for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, case, cast, null, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AdverseEvent, Change, Fact, Operation, StudyRecord, Subject
from app.models.base import Base

# More operations than these are not looked at one by one: everything is drawn anew.
MOST_OPERATIONS = 500
# What is in these tables is read by no metric, or read anew each time it is asked for.
_WITHOUT_EFFECT = frozenset(
    {
        "bag_movement", "casebook", "data_cut", "decision_verdict", "deviation_note",
        "escalation_decision", "evidence_review", "follow_up", "grant_confirmation", "grant_end",
        "inbound_message", "inbox_item", "machine_client", "person", "principal", "product_bag",
        "product_lot", "protocol_activation", "protocol_version", "query", "query_message",
        "redaction_request", "reference_safety_information", "reported_deviation", "role_grant",
        "safety_report", "safety_retraction", "security_event", "sender", "sender_key",
        "sender_profile", "signature", "site", "source_verification", "study",
        "subject_identifier", "unlock_request", "unlock_verdict", "vault_access",
    }
)  # fmt: skip
_OLDEST_RUNNING = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
)


async def oldest_running(session: AsyncSession) -> int:
    """Return the number from which on transactions may not be seen yet."""
    number: int = (await session.execute(_OLDEST_RUNNING)).scalar_one()
    return number


async def changed_subjects(
    session: AsyncSession, study_id: UUID, since: int
) -> frozenset[UUID] | None:
    """Name the subjects whose facts may differ from those seen when `since` was the oldest.

    None says that all may. Sees the whole study, so it is asked across the sites.
    """
    written = (
        select(Operation.id)
        .where(Operation.study_id == study_id, Operation.transaction >= since)
        .limit(MOST_OPERATIONS + 1)
    )
    operations = (await session.scalars(written)).all()
    if len(operations) > MOST_OPERATIONS:
        return None
    if not operations:
        return frozenset()
    found = (await session.execute(_touched(study_id, operations))).scalars().all()
    return None if None in found else frozenset(each for each in found if each is not None)


def _touched(study_id: UUID, operations: Sequence[UUID]) -> Any:
    """Select the subjects of all that some operations wrote; NULL is what has none."""
    queries = [_of_changes(study_id, operations)]
    queries += [_of_facts(model, study_id, operations) for model in _facts()]
    return union_all(*queries)


def _facts() -> Iterable[type[Fact]]:
    """Name the append-only tables that a metric may rest on."""
    models = (mapper.class_ for mapper in Base.registry.mappers)
    return sorted(
        (
            model
            for model in models
            if issubclass(model, Fact) and model.__tablename__ not in _WITHOUT_EFFECT
        ),
        key=lambda model: model.__tablename__,
    )


def _of_facts(model: type[Fact], study_id: UUID, operations: Sequence[UUID]) -> Select[Any]:
    query = select(_subject_of(model)).distinct()
    return query.where(model.study_id == study_id, model.operation_id.in_(operations))


def _subject_of(model: type[StudyRecord]) -> Any:
    """Return the column or query that tells whose a row is, NULL where it is nobody's."""
    columns = model.__table__.c
    if "subject_id" in columns:
        return columns["subject_id"].label("subject_id")
    if "adverse_event_id" in columns:
        event = AdverseEvent.__table__.alias("its_event")
        return (
            select(event.c.subject_id)
            .where(
                event.c.study_id == columns["study_id"], event.c.id == columns["adverse_event_id"]
            )
            .scalar_subquery()
            .label("subject_id")
        )
    return cast(null(), Uuid).label("subject_id")


def _of_changes(study_id: UUID, operations: Sequence[UUID]) -> Select[Any]:
    named = cast(Change.new["subject_id"].astext, Uuid)
    subject = case((Change.table_name == Subject.__tablename__, Change.record_id), else_=named)
    return (
        select(subject.label("subject_id"))
        .distinct()
        .where(
            Change.study_id == study_id,
            Change.operation_id.in_(operations),
            Change.table_name.not_in(_WITHOUT_EFFECT),
        )
    )
