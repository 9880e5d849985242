"""The grades that an adverse event had on record, and which of them was the worst."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import invalid

_DEATH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeStated:
    """The grade in one version of an event; `source` names what recorded it."""

    version: int
    grade: int
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeStep:
    """A grade, from the version on in which it was first stated until another one was.

    `mistaken` says that a later version corrected it: the event never had this grade.
    """

    grade: int
    version: int
    since: datetime
    until: datetime | None
    mistaken: bool
    source: str


def grade_steps(
    stated: Sequence[GradeStated], corrections: Collection[int]
) -> tuple[GradeStep, ...]:
    """List the grades in the order of versions, equal ones that follow each other as one.

    `corrections` are the versions that say of the grade before them that it was never right.
    """
    firsts = [
        each
        for before, each in zip((None, *stated), stated, strict=False)
        if before is None or before.grade != each.grade
    ]
    followers = (*firsts[1:], None)
    return tuple(
        GradeStep(
            grade=each.grade,
            version=each.version,
            since=each.at,
            until=follower.at if follower else None,
            mistaken=follower is not None and follower.version in corrections,
            source=each.source,
        )
        for each, follower in zip(firsts, followers, strict=True)
    )


def worst_grade(steps: Sequence[GradeStep]) -> int:
    """Return the worst grade that an event had; one that was never right does not count."""
    return max(step.grade for step in steps if not step.mistaken)


def corrected_by(
    steps: Sequence[GradeStep], grade: int, version: int, term_grades: Collection[int], stated: bool
) -> frozenset[int]:
    """List the versions before which a grade was never right, as a new version tells.

    `stated` says that the last grade was not, and with it any worse one that the term lacks:
    another term may have had it. Nobody gets better from death, so grade 5 is only left by a
    correction. Raises invalid for a worst grade that the term lacks, and for a correction without
    another grade.
    """
    before = steps[-1].grade
    own = {version} if before != grade and (stated or before == _DEATH) else set()
    followers = (*(step.version for step in steps[1:]), version)
    lacking = {
        follower
        for step, follower in zip(steps, followers, strict=True)
        if step.grade > grade and step.grade not in term_grades and not step.mistaken
    }
    if not stated and lacking - own:
        raise invalid(
            "worst_grade_not_in_term",
            "This term lacks the worst grade on record; say with corrects_grade that the event"
            " never had it.",
            "/body/corrects_grade",
        )
    if stated and not own | lacking:
        raise invalid(
            "no_other_grade",
            "A correction of the grade needs another grade; give it, or leave the correction out.",
            "/body/corrects_grade",
        )
    return frozenset(own | lacking)
