"""The safety committee's dossier: what every part of the service says at one moment, in one piece.

It holds what the decision rests on, the same for whoever may read it. Of queries and of moved
evidence that is all there is, but none of the words that people wrote to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.canonical import canonical, canonical_digest
from app.domain.dlt_standing import DltState
from app.domain.errors import forbidden
from app.domain.evidence_moved import MovedType
from app.domain.queries import QueryOrigin
from app.domain.query_rules import QueryRule
from app.domain.safety_reporting import ReportStatus
from app.domain.visit_worklist import WorkKind, WorkStatus
from app.domain.vocabulary import Role
from app.schemas.dossier import (
    DossierContent,
    DossierEvent,
    DossierMove,
    DossierMovement,
    DossierQuery,
    DossierReport,
    DossierView,
    MissingItem,
)
from app.schemas.evidence_moved import EvidenceMovedView, MovedRecordView
from app.schemas.visits import VisitView
from app.services.access import Actor
from app.services.deviations import list_deviations
from app.services.dossier_subjects import (
    gaps,
    show_candidates,
    show_decision,
    show_events,
    show_levels,
    suppose,
)
from app.services.escalation import show_ladder
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.evidence_decisions import load_decisions
from app.services.evidence_moved import all_evidence_moved
from app.services.ladder import Ladder, draw_ladder
from app.services.protocols import active_protocol
from app.services.queries import QueryEntry, QueryFilter, all_queries
from app.services.safety_reports import DueOfSubject, list_safety_reports
from app.services.visits import VisitFilter, list_visits

# CTCAE v5.0: severe and worse.
_SEVERE = 3
# Of what the rules ask: what is not on record. A blood count that is missing is told by its visit.
_ASKED_FOR = (
    QueryRule.DEATH_WITHOUT_EVENT,
    QueryRule.VOLUME_MISSING,
    QueryRule.CAUSALITY_MISSING,
)
_LATE = (WorkStatus.OVERDUE, WorkStatus.MISSED)
_SEEN = (WorkStatus.DONE, WorkStatus.OUT_OF_WINDOW)


async def compile_dossier(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> DossierView:
    """Compile the dossier of a moment; raise forbidden for a role that is for some sites only."""
    if actor.site_ids is not None:
        raise forbidden(
            "whole_study_only",
            "Your role is for some sites; the dossier is read by roles for the whole study.",
        )
    # One reader for all: whatever else a person may be in the study adds nothing.
    reader = replace(actor, role=Role.SAFETY_COMMITTEE, held=())
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    found = await load_subjects(session, scope)
    decisions = await load_decisions(session, actor.study_id, past)
    ladder = draw_ladder(protocol, found, decisions, at.astimezone(scope.zone).date())
    content = await _content(session, reader, (ladder, found), at, past)
    return DossierView(
        **{field.name: getattr(content, field.name) for field in fields(content)},
        digest=canonical_digest(canonical(content)),
    )


async def _content(
    session: AsyncSession,
    reader: Actor,
    drawn: tuple[Ladder, Sequence[SubjectEvidence]],
    at: datetime,
    past: datetime | None,
) -> DossierContent:
    """Put beside the ladder what the other lists say, each as its own operation gives it."""
    ladder, found = drawn
    rules = ladder.protocol.rules
    events = list(show_events(found, rules))
    numbers = {each.subject_id: each.subject.number for each in found}
    overdue = (None, ReportStatus.OVERDUE)
    queries = await all_queries(session, reader, at, past, QueryFilter())
    moved = await all_evidence_moved(session, reader, past)
    visits = await list_visits(session, reader, VisitFilter(), at, past)
    return DossierContent(
        study=reader.study_key,
        title=rules.study.title,
        study_day=ladder.facts.today,
        ladder=show_ladder(ladder, at),
        decisions=tuple(show_decision(each) for each in ladder.decisions),
        levels=show_levels(ladder, found),
        events=tuple(each for each in events if _matters(each)),
        pending_adjudications=tuple(each for each in events if each.dlt.state is DltState.PENDING),
        candidates=tuple(show_candidates(found)),
        overdue_reports=tuple(
            _report(each) for each in await list_safety_reports(session, reader, overdue, at, past)
        ),
        deviations=tuple(await list_deviations(session, reader, None, at, past)),
        open_queries=tuple(_query(each) for each, _ in queries if each.is_pending),
        missing_data=(*gaps(ladder), *_unrecorded(queries), *_missed(visits)),
        evidence_moved=tuple(_movement(each, numbers) for each in moved),
        what_if=suppose(ladder, found),
        **ladder.protocol.basis(at),
    )


def _matters(event: DossierEvent) -> bool:
    """Tell whether an event is severe, serious, or was ever a question of dose limitation."""
    proposed = event.dlt.state is not DltState.NOT_A_CANDIDATE
    return event.worst_grade >= _SEVERE or bool(event.seriousness) or proposed


def _report(due: DueOfSubject) -> DossierReport:
    return DossierReport(
        **{field.name: getattr(due, field.name) for field in fields(DossierReport)}
    )


def _query(entry: QueryEntry) -> DossierQuery:
    """Show a question; what people write to each other is not for the committee."""
    return DossierQuery(
        query_id=entry.id,
        subject_id=entry.subject_id,
        subject_number=entry.subject_number,
        record_type=entry.record_type,
        record_id=entry.record_id,
        field=entry.field,
        day=entry.day,
        origin=entry.origin,
        rule_key=entry.rule_key,
        status=entry.status,
        text=entry.text if entry.origin is QueryOrigin.RULE else None,
    )


def _unrecorded(queries: Iterable[tuple[QueryEntry, UUID]]) -> Iterator[MissingItem]:
    """Name what a rule asks for until it is on record, whatever people say to each other."""
    for entry, _ in queries:
        rule = (entry.rule_key or "").partition(":")[0]
        if rule in _ASKED_FOR and entry.day is not None:
            yield MissingItem(
                subject_id=entry.subject_id,
                subject_number=entry.subject_number,
                code=rule,
                message=entry.text,
                day=entry.day,
                rule=rule,
            )


def _movement(view: EvidenceMovedView, numbers: Mapping[UUID, str]) -> DossierMovement:
    """Show a movement and what was concluded about it as it stands; who signed is not named."""
    shown = {field.name for field in fields(DossierMovement)} - {"title", "moved", "reviews"}
    signed = f"Signature on {view.record_type.replace('_', ' ')}"
    return DossierMovement(
        **{name: getattr(view, name) for name in shown},
        title=signed if view.type is MovedType.SIGNATURE else view.title,
        moved=tuple(_move(each, numbers) for each in view.moved),
        reviews=tuple(review.conclusion for review in view.reviews if review.current),
    )


def _move(view: MovedRecordView, numbers: Mapping[UUID, str]) -> DossierMove:
    """Show which fields of a record moved; their content may be somebody's words."""
    return DossierMove(
        record_type=view.record_type,
        record_id=view.record_id,
        subject_number=numbers[view.subject_id] if view.subject_id else None,
        movement=view.movement,
        fields=tuple(change.field for change in view.changes),
        written_as=tuple(dict.fromkeys(write.role for write in view.writes)),
    )


def _missed(visits: Sequence[VisitView]) -> Iterator[MissingItem]:
    """Name the infusions and visits that are late, and the blood counts that were not taken."""
    for visit in visits:
        name = "Infusion" if visit.kind is WorkKind.INFUSION else "Visit"
        code = message = None
        if visit.status in _LATE:
            code = f"{visit.kind}_{visit.status}"
            message = f"{name} {visit.name} is {visit.status}."
        elif visit.status in _SEEN and visit.has_blood_count is False:
            code = "blood_count_missing"
            message = f"{name} {visit.name} took place without a complete blood count."
        if code and message:
            yield MissingItem(
                subject_id=visit.subject_id,
                subject_number=visit.subject_number,
                code=code,
                message=message,
                day=visit.window.end if visit.window else visit.target_day,
                rule=visit.rule,
            )
