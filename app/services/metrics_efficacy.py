"""Efficacy: whose response counts, and the rates and times it adds up to."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.metrics_durations import response_durations, response_times
from app.domain.metrics_efficacy import TreatedSubject, alternative_rates, reading_rates
from app.domain.response import derive_response
from app.domain.response_confounded import read_without_confounded
from app.domain.response_treatment import ResponseFacts
from app.schemas.metrics import EfficacyMetricsView
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.response import RESPONSE_TABLES, response_analytes, response_facts

LevelFacts = tuple[str, ResponseFacts]
"""A dose level and the facts of one subject enrolled on it."""


async def read_efficacy(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> EfficacyMetricsView:
    """Sum up the responses of all treated subjects; a thread counts while others are served."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    zone, analytes = ZoneInfo(actor.time_zone), response_analytes(protocol.rules)
    scope = Scope(actor.study_id, zone, past, analytes=analytes)
    enrolled = [
        (evidence.place.dose_level, response_facts(evidence, protocol.rules))
        for evidence in await load_subjects(session, scope, RESPONSE_TABLES)
        if evidence.place
    ]
    return await asyncio.to_thread(_sum_up, enrolled, protocol, at, past)


def _sum_up(
    enrolled: list[LevelFacts], protocol: ActiveProtocol, at: datetime, past: datetime | None
) -> EfficacyMetricsView:
    rules, outcomes = protocol.rules.response, protocol.rules.outcomes
    levels = tuple(level.name for level in protocol.rules.dosing.levels)
    subjects = _treated(enrolled, protocol, at)
    return EfficacyMetricsView(
        treated=len(subjects),
        readings=reading_rates(subjects, levels, rules, outcomes),
        alternatives=alternative_rates(subjects, rules, outcomes),
        times_to_response=response_times(subjects, outcomes),
        durations_of_response=response_durations(subjects, outcomes),
        interval_method=outcomes.proportion_interval,
        confidence=outcomes.confidence,
        study_day=protocol.local_day(at),
        evidence_digest=digest(enrolled),
        **protocol.basis(at) | {"as_of": past},
    )


def _treated(
    enrolled: list[LevelFacts], protocol: ActiveProtocol, at: datetime
) -> list[TreatedSubject]:
    """Derive the response of everybody who received an infusion."""
    rules, today = protocol.rules.response, protocol.local_day(at)
    derived = ((level, facts, derive_response(facts, rules, today)) for level, facts in enrolled)
    return [
        TreatedSubject(
            level=level,
            response=response,
            without_confounded=read_without_confounded(facts, rules, today),
        )
        for level, facts, response in derived
        if response.treatment is not None
    ]
