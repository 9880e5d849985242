"""What one subject adds to the metrics: the conclusions of its facts on one study day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.domain.facts import AdverseEvent, Disposition, Transfusion
from app.domain.metrics_conduct import SubjectConduct
from app.domain.metrics_efficacy import TreatedSubject
from app.domain.metrics_enrolment import ScreenedSubject
from app.domain.metrics_laboratory import SubjectLaboratory
from app.domain.metrics_levels import EnrolledSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSubject:
    """All that one subject adds to the metrics, and the digest of the facts that it rests on.

    `enrolled` is None before a place is taken, `treated` without an infusion of a recorded volume
    (C10). `enrolment_id` and `replaces_id` are those of the place.
    """

    subject_id: str
    number: str
    site_id: str
    enrolment_id: str | None
    replaces_id: str | None
    screened: ScreenedSubject
    enrolled: EnrolledSubject | None
    events: tuple[AdverseEvent, ...]
    dispositions: tuple[Disposition, ...]
    treated: TreatedSubject | None
    laboratory: SubjectLaboratory
    conduct: SubjectConduct
    transfusions: tuple[Transfusion, ...]
    digest: str


def with_replacements(subjects: Iterable[MetricSubject]) -> tuple[MetricSubject, ...]:
    """Mark whoever gave the place to another subject: the one thing that others' facts tell."""
    found = tuple(subjects)
    replaced = {subject.replaces_id for subject in found} - {None}
    return tuple(
        replace(subject, enrolled=replace(subject.enrolled, replaced=True))
        if subject.enrolled is not None and subject.enrolment_id in replaced
        else subject
        for subject in found
    )
