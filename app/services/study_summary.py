"""Where a study stands: its subjects, its open cohort, and what its ladder recommends."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.vocabulary import SubjectStatus
from app.models import Disposition, Infusion, Study
from app.schemas.studies import DecisionState, OpenCohort, StudySummary
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.ladder import Ladder, read_ladder
from app.services.subjects import status_of


async def read_summary(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> StudySummary:
    """Sum up the study as known at `past` (None is now)."""
    study = await session.get_one(Study, actor.study_id)
    ladder = await read_ladder(session, actor, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    subjects = await load_subjects(session, scope, (Infusion, Disposition))
    found = Counter(status_of(evidence, ladder.protocol.rules) for evidence in subjects)
    recommended = ladder.recommendation
    return StudySummary(
        study_id=study.study_id,
        key=study.key,
        title=study.title,
        time_zone=study.time_zone,
        registered_enrolment=ladder.protocol.rules.study.registered_enrolment,
        subjects={status: found[status] for status in SubjectStatus},
        open_cohort=_open_cohort(ladder),
        recommendation=recommended.action,
        level=recommended.level,
        target_level=recommended.target_level,
        permitted=recommended.permitted,
        decisions=_decisions(ladder),
        study_day=recommended.today,
        **ladder.protocol.basis(at),
    )


def _open_cohort(ladder: Ladder) -> OpenCohort | None:
    """Name the cohort that decisions have opened, with the places that are free right now."""
    place = ladder.open_place
    if place is None:
        return None
    dose_level, phase = place
    free = ladder.recommendation.slots_open_now
    return OpenCohort(dose_level=dose_level, phase=phase, slots_open_now=free)


def _decisions(ladder: Ladder) -> DecisionState:
    state = ladder.state
    return DecisionState(
        on_hold=state.on_hold,
        stopped=state.stopped,
        closed_levels=state.closed,
        declared_mtd=state.declared_mtd,
        expansion_level=state.expansion_level,
        proposal_open=ladder.open_proposal is not None,
    )
