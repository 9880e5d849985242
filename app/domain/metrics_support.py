"""Which records of one participant a number of the metrics rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from app.domain.facts import AdverseEvent, Infusion
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_durations import ResponseKind
from app.domain.metrics_efficacy import TreatedSubject
from app.domain.metrics_levels import EnrolledSubject
from app.domain.metrics_numbers import Leaf
from app.domain.metrics_support_conduct import (
    CountedRecords,
    Ids,
    laboratory_records,
    operations_records,
)
from app.domain.response_durations import TimeToEvent
from app.domain.response_endpoints import EndpointReading


class MetricFamily(StrEnum):
    """The answers that the metrics are given in."""

    ENROLMENT = "enrolment"
    SAFETY = "safety"
    EFFICACY = "efficacy"
    LABORATORY = "laboratory"
    OPERATIONS = "operations"


# Members of the safety metrics in which single events, or single infusions, are looked for.
_OF_EVENTS = frozenset({"groups", "terms", "special_interest", "untreated"})
_OF_INFUSIONS = frozenset({"exposure"})
# Members that count whoever is looked at, whatever happened to them.
_DENOMINATORS = frozenset({"n", "treated", "infusions_planned"})


def with_one_record(
    family: MetricFamily, subject: MetricSubject
) -> Iterator[tuple[str, frozenset[str], MetricSubject]]:
    """Give the participant with one record alone, its id, and the members it is looked for in.

    Only safety counts single events and infusions; all else rests on conclusions of many records.
    """
    if family is not MetricFamily.SAFETY:
        return
    for event in subject.events:
        yield event.id, _OF_EVENTS, _with_event(subject, event)
    if subject.enrolled is not None:
        for infusion in subject.enrolled.facts.started:
            yield infusion.id, _OF_INFUSIONS, _with_infusion(subject, subject.enrolled, infusion)


def is_shown_by(leaf: Leaf, sections: frozenset[str]) -> bool:
    """Tell whether a record alone can be what makes a participant count in a number."""
    return leaf.section in sections and leaf.names[-1] not in _DENOMINATORS


def _with_event(subject: MetricSubject, event: AdverseEvent) -> MetricSubject:
    enrolled = subject.enrolled
    if enrolled is not None:
        enrolled = replace(enrolled, facts=replace(enrolled.facts, events=(event,)))
    return replace(subject, enrolled=enrolled, events=(event,))


def _with_infusion(
    subject: MetricSubject, enrolled: EnrolledSubject, infusion: Infusion
) -> MetricSubject:
    facts = replace(enrolled.facts, infusions=(infusion,))
    return replace(subject, enrolled=replace(enrolled, facts=facts))


def supporting(
    family: MetricFamily, subject: MetricSubject, counted: CountedRecords, leaf: Leaf
) -> Ids:
    """Name the records that the participant's conclusion behind a number rests on."""
    if family is MetricFamily.LABORATORY:
        return laboratory_records(subject, counted, leaf)
    if family is MetricFamily.OPERATIONS:
        return operations_records(subject, counted, leaf)
    return _SUPPORT[family](subject, leaf)


def time_behind(family: MetricFamily, subject: MetricSubject, leaf: Leaf) -> TimeToEvent | None:
    """Give the participant's own time, where a number is about times; None for all others."""
    if family is not MetricFamily.EFFICACY or subject.treated is None:
        return None
    response, lineage = subject.treated.response, leaf.keys.get("lineage")
    if leaf.section == "times_to_response" and lineage is None:
        return response.time_to_response
    for entry in response.lineages:
        if entry.lineage is lineage:
            if leaf.section == "times_to_response":
                return entry.time_to_response
            if leaf.keys["kind"] is ResponseKind.RESPONSE:
                return entry.duration_of_response
            return entry.duration_of_complete_response
    return None


def _enrolment(subject: MetricSubject, leaf: Leaf) -> Ids:
    """Name the registration, the place, the infusion, or how the participant left."""
    counted, left = leaf.names[-1], tuple(fact.id for fact in subject.dispositions)
    if leaf.section == "dispositions":
        wanted = leaf.keys["dispositions"]
        return tuple(fact.id for fact in subject.dispositions if fact.event == wanted)
    if leaf.section in ("statuses", "screen_failures"):
        return (subject.subject_id, *_place(subject), *left)
    if counted == "screened":
        return (subject.subject_id,)
    if counted == "enrolled":
        return _place(subject)
    if counted in ("treated", "first_treated"):
        return _first_infusion(subject)
    return (*_place(subject), *_evaluability(subject))


def _safety(subject: MetricSubject, leaf: Leaf) -> Ids:
    """Name what makes a participant treated, evaluable or a DLT; single records name themselves."""
    counted, enrolled = leaf.names[-1], subject.enrolled
    if enrolled is None:
        return ()
    if leaf.section == "dose_limiting_toxicities" and counted != "treated":
        status = enrolled.evaluability.status
        if counted == "events":
            return tuple(
                each
                for ruling in status.dlts
                for each in (ruling.adverse_event_id, ruling.adjudication_id)
                if each
            )
        if counted == "open_items":
            left = tuple(fact.id for fact in subject.dispositions)
            return (*(ruling.adverse_event_id for ruling in status.pending), *left)
        return enrolled.evaluability.evidence
    if counted == "infusions_planned":
        return _place(subject)
    return _first_infusion(subject) if counted in _DENOMINATORS else ()


def _efficacy(subject: MetricSubject, leaf: Leaf) -> Ids:
    """Name the evidence of the response, as its derivation does, or the infusions without any."""
    treated = subject.treated
    if treated is None or treated.response.treatment is None:
        return ()
    infusions = treated.response.treatment.evidence
    time = time_behind(MetricFamily.EFFICACY, subject, leaf)
    if time is not None:
        return time.evidence
    if leaf.names[-1] in _DENOMINATORS:
        return infusions
    found = [each for entry in _readings(treated, leaf) for each in entry.standing.evidence]
    return tuple(dict.fromkeys(found)) or infusions


def _readings(treated: TreatedSubject, leaf: Leaf) -> Iterable[EndpointReading]:
    """Pick the readings of the number; the other values of debatable rules share the registered.

    They are read from the same counts, of which the engine names the evidence once.
    """
    keys = leaf.keys
    if leaf.section == "readings":
        wanted = keys["week"], keys["mode"], keys["anchor"]
        for entry in treated.response.endpoints:
            reading = entry.reading
            if (reading.week, reading.mode, reading.anchor) == wanted:
                yield entry
    else:
        trusted = treated.response.endpoints
        for entry in trusted if keys["counts_confounded"] else treated.without_confounded:
            if entry.reading.primary and keys.get("week") in (None, entry.reading.week):
                yield entry


def _place(subject: MetricSubject) -> Ids:
    return (subject.enrolment_id,) if subject.enrolment_id else ()


def _first_infusion(subject: MetricSubject) -> Ids:
    started = subject.enrolled.facts.started if subject.enrolled else ()
    return tuple(infusion.id for infusion in started[:1])


def _evaluability(subject: MetricSubject) -> Ids:
    return subject.enrolled.evaluability.evidence if subject.enrolled else ()


_SUPPORT: Mapping[MetricFamily, Callable[[MetricSubject, Leaf], Ids]] = {
    MetricFamily.ENROLMENT: _enrolment,
    MetricFamily.SAFETY: _safety,
    MetricFamily.EFFICACY: _efficacy,
}
