"""A subject's response on the wire: the engine's record with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.domain.response import LineageResponse, SensitivityReading, TimeToEvent
from app.domain.response_endpoints import EndpointReading, Standing
from app.domain.response_episodes import Course
from app.domain.response_rules import LineageRule, TransfusionScope
from app.domain.response_treatment import ObservationEnd, Treatment


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseView:
    """The response of one subject as known on `study_day`.

    Before the first infusion `treatment` is null and every category is `not_due`. `endpoints` has
    each week in all four readings, of which `primary` marks the registered one; `sensitivity` has
    the other values of the debatable rules, and `without_confounded` reads every week as if no
    flagged count showed a response. `evidence_digest` names the facts that all of it rests on.
    """

    subject_id: UUID
    number: str
    dose_level: str | None
    treatment: Treatment | None
    observation_end: ObservationEnd | None
    lineage_rule: LineageRule
    transfusion_scope: TransfusionScope
    best: Standing
    endpoints: tuple[EndpointReading, ...]
    complete: Course | None
    lineages: tuple[LineageResponse, ...]
    time_to_response: TimeToEvent | None
    sensitivity: tuple[SensitivityReading, ...]
    without_confounded: tuple[EndpointReading, ...]
    rule: str
    study_day: date
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime
