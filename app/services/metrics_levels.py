"""Enrolled subjects for the aggregates: their facts, and how each counts for its level."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from uuid import UUID

from app.domain.evaluability import evaluability
from app.domain.metrics_levels import EnrolledSubject
from app.domain.protocol import ProtocolDefinition
from app.models import Disposition, Infusion
from app.services.evidence import SubjectEvidence

COUNTED_TABLES = (Infusion, Disposition)


def level_names(rules: ProtocolDefinition) -> tuple[str, ...]:
    """Name the dose levels, lowest first."""
    return tuple(level.name for level in rules.dosing.levels)


def enrolled_subjects(
    found: Collection[SubjectEvidence], rules: ProtocolDefinition, today: date
) -> dict[UUID, EnrolledSubject]:
    """Judge everybody who is enrolled, from evidence with at least `COUNTED_TABLES`."""
    places = {evidence.subject_id: evidence.place for evidence in found if evidence.place}
    replaced = {place.replaces_id for place in places.values()}
    subjects = {}
    for evidence in found:
        place = places.get(evidence.subject_id)
        if place is not None:
            facts = evidence.dlt_facts(rules.dosing.level(place.dose_level))
            subjects[evidence.subject_id] = EnrolledSubject(
                phase=place.phase,
                replaced=place.enrolment_id in replaced,
                facts=facts,
                evaluability=evaluability(
                    facts, today, rules.dlt, rules.schedule.infusion_window_days
                ),
            )
    return subjects
