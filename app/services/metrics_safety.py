"""Safety: whose events, dose-limiting toxicities and infusions count, and what they add up to."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.metrics_levels import exposures, level_toxicities
from app.domain.metrics_safety import (
    group_incidences,
    interest_incidences,
    safety_set,
    term_incidences,
    untreated,
)
from app.schemas.metrics import SafetyMetricsView
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.metrics_levels import COUNTED_TABLES, enrolled_subjects, level_names
from app.services.protocols import active_protocol


async def read_safety(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> SafetyMetricsView:
    """Count the participants of the safety set by their events, and what they received."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    rules, levels = protocol.rules, level_names(protocol.rules)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    found = await load_subjects(session, scope, COUNTED_TABLES)
    enrolled = enrolled_subjects(found, rules, protocol.local_day(at))
    subjects = list(enrolled.values())
    inside = {subject_id for subject_id, subject in enrolled.items() if subject.treated}
    outside = [evidence.events for evidence in found if evidence.subject_id not in inside]
    treated = safety_set(subjects, levels, rules.dlt.relatedness, rules.outcomes)
    return SafetyMetricsView(
        treated=len(treated.participants),
        ctcae_version=rules.study.ctcae_version,
        groups=group_incidences(treated),
        terms=term_incidences(treated),
        special_interest=interest_incidences(treated),
        dose_limiting_toxicities=level_toxicities(subjects, levels, rules.outcomes),
        exposure=exposures(subjects, levels),
        untreated=untreated(outside),
        interval_method=rules.outcomes.proportion_interval,
        confidence=rules.outcomes.confidence,
        study_day=protocol.local_day(at),
        evidence_digest=digest(
            {"subjects": [(x.phase, x.facts) for x in subjects], "outside": outside}
        ),
        **protocol.basis(at) | {"as_of": past},
    )
