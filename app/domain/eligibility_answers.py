"""What a person's answer to a criterion does beside, without or against the recorded facts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from app.domain.eligibility_evidence import FlagCode, Reading
from app.domain.eligibility_rules import Criterion, Outcome, permits
from app.domain.facts import Attestation


def latest_answers(attestations: Iterable[Attestation]) -> dict[str, Attestation]:
    """Return the answer that counts for each criterion: the latest."""
    # Answers tell the study's time, and clocks that are set back show an hour twice.
    ordered = sorted(attestations, key=lambda answer: (answer.at.astimezone(UTC), answer.id))
    return {attestation.criterion: attestation for attestation in ordered}


def needs_reason(criterion: Criterion, computed: Outcome, met: bool) -> bool:
    """Tell whether an answer goes against, or without, what the facts say, so needs a reason."""
    if computed is Outcome.UNKNOWN:
        return not criterion.person_may_answer
    return not _agrees(criterion, computed, _outcome(met))


def hear(
    criterion: Criterion,
    computed: Outcome,
    readings: tuple[Reading, ...],
    answer: Attestation,
) -> tuple[Outcome, FlagCode | None]:
    """Return the outcome after an answer, and what to remark about that.

    A contradiction counts with a reason and as long as no fact has become known since, whenever
    that fact was collected. One that does not count never opens the door, and never closes the
    eyes either: an objection to a criterion that would let the subject in leaves it unknown.
    """
    said = _outcome(answer.met)
    if not needs_reason(criterion, computed, answer.met):
        return (said if computed is Outcome.UNKNOWN else computed), None
    refusal = _refusal(readings, answer)
    if refusal is None:
        without_data = computed is Outcome.UNKNOWN
        return said, FlagCode.ANSWERED_WITHOUT_DATA if without_data else FlagCode.CONTRADICTED
    return (Outcome.UNKNOWN if permits(criterion.kind, computed) else computed), refusal


def _outcome(met: bool) -> Outcome:
    return Outcome.MET if met else Outcome.NOT_MET


def _agrees(criterion: Criterion, computed: Outcome, said: Outcome) -> bool:
    if computed is Outcome.NOT_APPLICABLE:
        return permits(criterion.kind, said) is True
    return said is computed


def _refusal(readings: tuple[Reading, ...], answer: Attestation) -> FlagCode | None:
    if not (answer.reason or "").strip():
        return FlagCode.CONTRADICTION_WITHOUT_REASON
    if any(_known_after(reading, answer) for reading in readings):
        return FlagCode.CONTRADICTION_OUTDATED
    return None


def _known_after(reading: Reading, answer: Attestation) -> bool:
    """Tell whether the answer was given without the reading; the subject's record has no time."""
    known_at = reading.known_at or reading.at
    return known_at is not None and known_at > answer.at
