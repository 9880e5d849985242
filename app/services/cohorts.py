"""Cohorts: the places that decisions have opened, who holds them, and how each counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.ladder import LevelTally, tally
from app.domain.vocabulary import CohortPhase
from app.models import Cohort
from app.schemas.cohorts import CohortListing, CohortStatus, CohortSubject, CohortView
from app.services.access import Actor
from app.services.escalation import dosing_refusals
from app.services.history import as_of
from app.services.ladder import CountedSubject, Ladder, read_ladder
from app.services.paging import PageRequest, page


async def list_cohorts(
    session: AsyncSession, actor: Actor, wanted: PageRequest, at: datetime
) -> CohortListing:
    """List a page of cohorts in the order in which they were opened."""
    entity = as_of(Cohort, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    ladder = await read_ladder(session, actor, at, wanted.moment)
    return CohortListing(
        items=[_view(cohort, ladder, actor) for cohort in found.items],
        next=found.next,
        **ladder.protocol.basis(at),
    )


def _view(cohort: Cohort, ladder: Ladder, actor: Actor) -> CohortView:
    """Count one cohort; its status is the level's, the expansion has one of its own.

    Everybody counts; who works at one site is shown its own subjects.
    """
    subjects = [each for each in ladder.subjects if each.place.cohort_id == cohort.id]
    counts = tally(cohort.dose_level, (each.evaluability for each in subjects))
    status, slots, free = _standing(cohort, counts, ladder)
    refusals = dosing_refusals(ladder, cohort.dose_level, cohort.phase)
    return CohortView(
        id=cohort.id,
        dose_level=cohort.dose_level,
        phase=cohort.phase,
        status=status,
        is_open=(cohort.dose_level, cohort.phase) == ladder.open_place,
        dosing_blocked=bool(refusals),
        slots=slots,
        free_slots=free,
        enrolled=len(subjects),
        dosed=len(counts.first_infusion_days),
        in_window=counts.in_window,
        unresolved=counts.unresolved,
        evaluable=counts.evaluable,
        not_evaluable=counts.not_evaluable,
        dlts=counts.dlts,
        pending=counts.open_items,
        subjects=tuple(_subject(each) for each in subjects if actor.sees(each.site_id)),
        decision_id=cohort.decision_id,
        opened_at=cohort.recorded_at,
    )


def _standing(cohort: Cohort, counts: LevelTally, ladder: Ladder) -> tuple[CohortStatus, int, int]:
    """Give a cohort's status, its places, and how many of them are free."""
    if cohort.phase is CohortPhase.ESCALATION:
        level = ladder.recommendation.levels[ladder.state.index(cohort.dose_level)]
        return CohortStatus(level.status.value), level.capacity, level.free_slots
    slots = ladder.protocol.rules.escalation.expansion.size
    if ladder.state.expansion_level != cohort.dose_level:
        return CohortStatus.CLOSED, slots, 0
    free = max(0, slots - counts.slots_held)
    if free:
        return CohortStatus.ENROLLING, slots, free
    return (CohortStatus.COMPLETE if counts.settled else CohortStatus.WAITING), slots, 0


def _subject(counted: CountedSubject) -> CohortSubject:
    """Show one subject's place and how it counts."""
    judged = counted.evaluability
    window = judged.window
    return CohortSubject(
        subject_id=counted.subject_id,
        number=counted.number,
        enrolment_id=counted.place.enrolment_id,
        slot=counted.place.slot,
        replaces_id=counted.place.replaces_id,
        state=judged.state,
        has_dlt=judged.has_dlt,
        open_items=judged.open_items,
        window_start=window.start_day if window else None,
        window_end=(window.end_day or window.projected_end_day) if window else None,
        window_end_projected=window is not None and window.end_day is None,
        reasons=judged.reasons,
        evidence=judged.evidence,
    )
