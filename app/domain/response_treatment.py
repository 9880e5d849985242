"""What response counts from and until: the infusions given and the end of observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.domain.facts import Disposition, Infusion, LabResult, Medication, Transfusion
from app.domain.response_rules import Anchor, Censoring
from app.domain.vocabulary import DispositionEvent, MedicationClass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFacts:
    """All facts of one subject that response rests on; their order does not matter."""

    subject_id: str
    planned_infusions: int
    infusions: tuple[Infusion, ...] = ()
    labs: tuple[LabResult, ...] = ()
    transfusions: tuple[Transfusion, ...] = ()
    medications: tuple[Medication, ...] = ()
    dispositions: tuple[Disposition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """The infusions given so far, and whether planned ones are still to come.

    `first_start` is None when the instant of the first infusion is not recorded; `evidence` names
    the infusions given, in order.
    """

    first_day: date
    first_start: datetime | None
    last_day: date
    to_come: bool
    evidence: tuple[str, ...]

    def anchor_day(self, anchor: Anchor) -> date:
        """Give the local day that an endpoint counts from."""
        return self.first_day if anchor is Anchor.FIRST else self.last_day

    def is_after(self, at: datetime, day: date) -> bool:
        """Tell whether this begins after a moment; without its own instant, after its day."""
        return day < self.first_day if self.first_start is None else at < self.first_start


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationEnd:
    """What ended the observation of response (C19); later facts no longer count.

    `before` is the instant from which a therapy excludes; a departure excludes later days only,
    because a count on the day of an exit visit or a death was taken before it.
    """

    day: date
    reason: DispositionEvent | MedicationClass
    before: datetime | None
    evidence: tuple[str, ...]

    def excludes(self, at: datetime, day: date) -> bool:
        """Tell whether a moment lies after the end."""
        return day > self.day if self.before is None else at >= self.before


def find_treatment(facts: ResponseFacts, as_of_day: date) -> Treatment | None:
    """Sum up the infusions given by `as_of_day` (C10); None before the first.

    No infusion is to come once all planned ones are given or cancelled, or the subject has left.
    """
    given = sorted(_given_by(facts, as_of_day), key=lambda pair: (pair[0], pair[1].number))
    if not given:
        return None
    first_day = given[0][0]
    starts = [infusion.started_at for day, infusion in given if day == first_day]
    known_starts = [at for at in starts if at is not None]
    has_left = any(entry.day <= as_of_day for entry in facts.dispositions)
    infusions = [infusion for _, infusion in given]
    return Treatment(
        first_day=first_day,
        first_start=min(known_starts) if len(known_starts) == len(starts) else None,
        last_day=given[-1][0],
        to_come=not has_left and _any_to_come(facts, infusions),
        evidence=tuple(infusion.id for infusion in infusions),
    )


def _given_by(facts: ResponseFacts, as_of_day: date) -> list[tuple[date, Infusion]]:
    return [
        (infusion.day, infusion)
        for infusion in facts.infusions
        if infusion.given and infusion.day is not None and infusion.day <= as_of_day
    ]


def _any_to_come(facts: ResponseFacts, given: list[Infusion]) -> bool:
    done = {infusion.number for infusion in given}
    # One that was begun and gave nothing is made up for by another.
    called_off = {
        infusion.number
        for infusion in facts.infusions
        if infusion.cancelled and not infusion.voided
    }
    prescribed = {infusion.number for infusion in facts.infusions if not infusion.cancelled}
    return bool(prescribed - done) or len(done | called_off) < facts.planned_infusions


def find_observation_end(
    facts: ResponseFacts, treatment: Treatment, rules: Censoring, as_of_day: date
) -> ObservationEnd | None:
    """Find the first end of observation after the first infusion began.

    On one day a therapy, which has an instant, comes before a departure.
    """
    therapies = [
        ObservationEnd(
            day=entry.start_day,
            reason=entry.medication_class,
            before=entry.start_at,
            evidence=(entry.id,),
        )
        for entry in sorted(facts.medications, key=lambda entry: (entry.start_at, entry.id))
        if entry.medication_class in rules.medications
        and entry.start_day <= as_of_day
        and not treatment.is_after(entry.start_at, entry.start_day)
    ]
    departures = [
        ObservationEnd(day=entry.day, reason=entry.event, before=None, evidence=(entry.id,))
        for entry in sorted(facts.dispositions, key=lambda entry: (entry.day, entry.id))
        if entry.event in rules.dispositions and entry.day <= as_of_day
    ]
    return min((*therapies, *departures), key=lambda end: end.day, default=None)
