"""Evidence moved: what became of a decision whose basis reads differently now."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class MovedType(StrEnum):
    """What rests on evidence."""

    DECISION = "escalation_decision"
    EXPANSION = "expansion"
    VERDICT = "decision_verdict"
    ENROLMENT = "enrolment"
    ADJUDICATION = "dlt_adjudication"
    SIGNATURE = "signature"


class MovedStatus(StrEnum):
    """Whether anybody has looked at a movement.

    `open` until somebody wrote a review of exactly this movement; `renewed` when the same was
    signed or judged anew later, so that nothing rests on the old one any more.
    """

    OPEN = "open"
    REVIEWED = "reviewed"
    RENEWED = "renewed"


class ReviewConclusion(StrEnum):
    """What a person concluded: it stands on the new evidence, or it has to be, or was, revised."""

    STANDS = "stands"
    TO_BE_REVISED = "to_be_revised"
    REVISED = "revised"


def status(moved_digest: str, reviewed: Collection[str], renewed: bool) -> MovedStatus:
    """Tell whether a movement waits for a person; a review counts for the movement it names."""
    if renewed:
        return MovedStatus.RENEWED
    return MovedStatus.REVIEWED if moved_digest in reviewed else MovedStatus.OPEN
