"""Adverse events: recorded under the CTCAE dictionary, changed with their history kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.ctcae.terms import DICTIONARY_VERSION, Term, find_term, needs_specification
from app.domain.errors import DomainError, conflict, invalid
from app.domain.expectedness import word_lapses
from app.domain.grade_history import GradeStep, corrected_by, worst_grade
from app.domain.report_course import check_reassessed
from app.domain.safety_reporting import EventClaims, check_event
from app.models import AdverseEvent, ClassCorrection, DltAdjudication, GradeCorrection, Subject
from app.schemas.adverse_events import AdverseEventCreate
from app.services.access import Actor
from app.services.adverse_event_conclusions import AdverseEventWithConclusions, conclude
from app.services.event_trail import grades_of
from app.services.evidence_mapping import local_day
from app.services.history import as_of, fetch, lock
from app.services.locks import share_study
from app.services.observations import check_observed
from app.services.paging import Page, PageRequest, page

_ASSESSMENT = ("term", "grade", "seriousness", "causality", "expected", "aware_at")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None does not filter."""

    subject: UUID | None = None
    term: str | None = None
    grade: int | None = None
    serious: bool | None = None


async def list_adverse_events(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: EventFilter, at: datetime
) -> Page:
    """List a page of events, the first recorded first; retracted ones are marked."""
    entity = as_of(AdverseEvent, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    if only.subject is not None:
        query = query.where(entity.subject_id == only.subject)
    if only.term is not None:
        query = query.where(entity.term == _known_term(only.term, "/query/term").name)
    if only.grade is not None:
        query = query.where(entity.grade == only.grade)
    if only.serious is not None:
        query = query.where((func.cardinality(entity.seriousness) > 0) == only.serious)
    found = await page(session, query, entity.id, wanted)
    return Page(await conclude(session, actor, found.items, at, wanted.moment), found.next)


async def create_adverse_event(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> AdverseEventWithConclusions:
    """Record an event; the site is aware of it from now on unless it says since when."""
    await share_study(session, actor.study_id)
    stated = {**values, "aware_at": values["aware_at"] or now}
    await _check_moments(session, actor, stated, now)
    row = AdverseEvent(study_id=actor.study_id, id=new_id(), **_checked(stated))
    session.add(row)
    await session.flush()
    return await _one(session, actor, row, now)


async def read_adverse_event(
    session: AsyncSession, actor: Actor, event_id: UUID, at: datetime, past: datetime | None
) -> AdverseEventWithConclusions:
    """Read one event, now or as it was."""
    row = await fetch(session, AdverseEvent, actor.study_id, event_id, past)
    return await _one(session, actor, row, at, past)


async def change_adverse_event(
    session: AsyncSession,
    actor: Actor,
    event_id: UUID,
    version: int,
    values: dict[str, Any],
    now: datetime,
) -> AdverseEventWithConclusions:
    """Change the given fields; an adjudication of the earlier version becomes stale.

    A lower grade says that the event got better, unless `corrects_grade` says that the one on
    record was never right; a milder assessment stops no clock, unless `corrects_assessment` says
    the same of it. Raises conflict for a change to a retracted event, and for retracting
    one that is signed as dose-limiting.
    """
    await share_study(session, actor.study_id)
    row = await lock(session, AdverseEvent, actor.study_id, event_id, version)
    steps = (await grades_of(session, actor.study_id, [row.id], None))[row.id]
    before = _assessment(row)
    corrects_grade = values.pop("corrects_grade", False)
    corrects_assessment = values.pop("corrects_assessment", False)
    if values.get("retracted", row.retracted):
        await _check_retraction(session, row, values)
        row.retracted = True
    else:
        known = {name: getattr(row, name) for name in AdverseEventCreate.model_fields}
        stated = {**known, **values}
        await _check_moments(session, actor, stated, now)
        columns = _checked(stated)
        was, is_now = (row.term, worst_grade(steps)), (columns["term"], columns["grade"])
        if "expected" not in values and word_lapses(row.expected, was, is_now):
            columns["expected"] = None
        for name, value in columns.items():
            setattr(row, name, value)
    await session.flush()
    await _keep_grade_corrections(session, row, steps, corrects_grade)
    if corrects_assessment:
        check_reassessed(before, _assessment(row))
        await _keep(session, row, ClassCorrection, row.version)
    return await _one(session, actor, row, now)


def _assessment(row: AdverseEvent) -> tuple[Any, ...]:
    """Return what decides as what and since when an event is reported."""
    return tuple(getattr(row, name) for name in _ASSESSMENT)


async def _keep_grade_corrections(
    session: AsyncSession, row: AdverseEvent, steps: Sequence[GradeStep], stated: bool
) -> None:
    """Keep which grades of an event were never right, as its new version tells."""
    if row.retracted and not stated:
        return
    grades = _known_term(row.term, "/body/term").grades
    for version in sorted(corrected_by(steps, row.grade, row.version, grades, stated)):
        await _keep(session, row, GradeCorrection, version)


async def _keep(
    session: AsyncSession,
    row: AdverseEvent,
    model: type[GradeCorrection | ClassCorrection],
    version: int,
) -> None:
    """Keep that something was never right before this version of an event."""
    session.add(
        model(study_id=row.study_id, id=new_id(), adverse_event_id=row.id, event_version=version)
    )
    await session.flush()


async def _one(
    session: AsyncSession,
    actor: Actor,
    row: AdverseEvent,
    at: datetime,
    past: datetime | None = None,
) -> AdverseEventWithConclusions:
    (event,) = await conclude(session, actor, [row], at, past)
    return event


async def _check_retraction(
    session: AsyncSession, row: AdverseEvent, values: Mapping[str, Any]
) -> None:
    """Let a mistake be taken back, but not a signature with it: only a signed no undoes a yes."""
    if set(values) - {"retracted"}:
        raise conflict(
            "event_retracted",
            "A retracted event is not changed; take the retraction back with the change.",
        )
    query = (
        select(DltAdjudication.is_dlt)
        .where(DltAdjudication.study_id == row.study_id, DltAdjudication.adverse_event_id == row.id)
        .order_by(DltAdjudication.id.desc())
        .limit(1)
    )
    if await session.scalar(query):
        raise conflict(
            "signed_as_dlt",
            "The event is signed as dose-limiting; an investigator has to sign that it is not"
            " before it can be retracted.",
        )


def _known_term(name: str, pointer: str) -> Term:
    term = find_term(name)
    if term is None:
        raise invalid(
            "unknown_term",
            f"CTCAE v{DICTIONARY_VERSION} has no such term; find it with"
            " GET /studies/{study}/ctcae/terms.",
            pointer,
        )
    return term


def _checked(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of an event in the dictionary's words; raise invalid if it cannot be."""
    term = _known_term(stated["term"], "/body/term")
    _check_specification(term, stated["other_specification"])
    try:
        check_event(
            EventClaims(
                grade=stated["grade"],
                term_grades=frozenset(term.grades),
                seriousness=frozenset(stated["seriousness"]),
                outcome=stated["outcome"],
                onset_at=stated["onset_at"],
                ended_at=stated["ended_at"],
            )
        )
    except DomainError as error:
        raise error.below("/body") from None
    if stated["baseline_grade"] not in (None, 0, *term.grades):
        known = ", ".join(str(grade) for grade in term.grades)
        raise invalid(
            "grade_not_in_term",
            f"This term has only the grades {known}; 0 says that it was not there.",
            "/body/baseline_grade",
        )
    return {
        **stated,
        "term": term.name,
        "soc": term.soc,
        "ctcae_version": DICTIONARY_VERSION,
        "seriousness": sorted(set(stated["seriousness"])),
    }


def _check_specification(term: Term, specification: str | None) -> None:
    """Ask for words where the term has none of its own, and only there."""
    pointer = "/body/other_specification"
    if needs_specification(term.name) and specification is None:
        raise invalid("specification_missing", "Say what the event is for this term.", pointer)
    if not needs_specification(term.name) and specification is not None:
        raise invalid(
            "specification_not_needed",
            "This term says what the event is; put more in the narrative.",
            pointer,
        )


async def _check_moments(
    session: AsyncSession, actor: Actor, stated: Mapping[str, Any], now: datetime
) -> None:
    """Refuse an event of the future, before consent (C31), or after the subject's end.

    An event that ended is over before the subject is; awareness may come later.
    """
    moments = {name: stated[name] for name in ("onset_at", "ended_at")}
    await check_observed(session, actor, stated["subject_id"], moments, now)
    if stated["aware_at"] > now:
        raise invalid("future_moment", "aware_at lies in the future.", "/body/aware_at")
    if stated["aware_at"] < stated["onset_at"]:
        raise invalid(
            "aware_before_onset", "Nobody knows of an event before it begins.", "/body/aware_at"
        )
    consent = await session.scalar(
        select(Subject.consent_date).where(
            Subject.study_id == actor.study_id, Subject.id == stated["subject_id"]
        )
    )
    if consent is None:
        raise conflict(
            "no_consent", "Events are collected from consent on; record the consent first."
        )
    if local_day(stated["onset_at"], ZoneInfo(actor.time_zone)) < consent:
        raise invalid(
            "before_consent",
            "Events are collected from consent on; what was there before is medical history.",
            "/body/onset_at",
        )
