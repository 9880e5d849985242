"""The protocol definition: every number of a trial as one validated piece of data."""

from __future__ import annotations

import re
from enum import StrEnum
from zoneinfo import available_timezones

from app.domain.deviations import DeviationRules
from app.domain.disposition import DispositionRules
from app.domain.dlt_rules import DltRules
from app.domain.dosing import DosingRules
from app.domain.eligibility_rules import EligibilityRules
from app.domain.escalation_rules import EscalationRules
from app.domain.outcomes import OutcomeRules
from app.domain.response_rules import ResponseRules
from app.domain.rules import rule_set
from app.domain.safety_reporting import SafetyReportingRules
from app.domain.schedule import ScheduleRules

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)


class AssumptionSource(StrEnum):
    """What a reading rests on where the record does not settle it."""

    REGISTERED = "registered"
    LATER_VERSION = "later_version"
    CONVENTION = "convention"
    CTCAE = "ctcae"


@rule_set
class Assumption:
    """A named reading of the record, for the investigators and the committee to confirm."""

    id: str
    question: str
    reading: str
    source: AssumptionSource
    configuration: str


@rule_set
class StudyIdentity:
    """What the trial is called and where its days are counted."""

    key: str
    acronym: str
    title: str
    sponsor_protocol: str
    product: str
    time_zone: str
    ctcae_version: str
    registered_enrolment: int

    def __post_init__(self) -> None:
        """Refuse a key that no address can hold and a zone in which no day can be counted."""
        if not _KEY.fullmatch(self.key):
            raise ValueError(
                "the key has 1 to 40 letters, digits, - and _, a letter or digit first"
            )
        if self.time_zone not in available_timezones():
            raise ValueError("the time zone has to be one of the IANA database")


@rule_set
class ProtocolDefinition:
    """One version of a trial's protocol, complete."""

    study: StudyIdentity
    dosing: DosingRules
    schedule: ScheduleRules
    eligibility: EligibilityRules
    dlt: DltRules
    escalation: EscalationRules
    response: ResponseRules
    outcomes: OutcomeRules
    deviations: DeviationRules
    disposition: DispositionRules
    safety_reporting: SafetyReportingRules
    assumptions: tuple[Assumption, ...]

    def __post_init__(self) -> None:
        """Refuse an assumption named twice and deviations at visits that nobody makes."""
        ids = [assumption.id for assumption in self.assumptions]
        if len(ids) != len(set(ids)):
            raise ValueError("an assumption is named twice")
        visits = {visit.name for visit in self.schedule.visits.offsets}
        if not visits.issuperset(self.deviations.blood_count_visits):
            raise ValueError("deviations.blood_count_visits names a visit not in the schedule")
