"""Eligibility rules on assessments: scores and percentages, marrow findings, the QTcF interval."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from app.domain.assessment_content import CONTENT_KEYS, ContentKey
from app.domain.eligibility_evidence import (
    Case,
    Flag,
    FlagCode,
    Judgement,
    Reading,
    Span,
    WindowName,
    exact,
    finding_truth,
    read_content,
)
from app.domain.facts import Assessment
from app.domain.quantities import Measurement, Relation, any_of
from app.domain.rules import rule_set
from app.domain.vocabulary import AssessmentKind, Finding


def _require_key(kind: AssessmentKind, key: ContentKey) -> None:
    if key not in CONTENT_KEYS.get(kind, frozenset()):
        raise ValueError(f"{kind} has no {key}")


def _absent(kind: AssessmentKind, key: ContentKey, span: Span) -> Judgement:
    return Judgement(None, note=f"No {kind} with {key} {span}.")


@rule_set
class AssessmentLimit:
    """The latest number of an assessment against a threshold (I5, E2a, E9d, E9g, E13b)."""

    name: Literal["assessment_limit"]
    window: WindowName
    assessment: AssessmentKind
    key: ContentKey
    relation: Relation
    threshold: Decimal
    unit: str

    def __post_init__(self) -> None:
        _require_key(self.assessment, self.key)

    def judge(self, case: Case) -> Judgement:
        """Tell whether the number stands in the relation to the threshold."""
        span = case.span(self.window)
        found = case.contents(self.assessment, self.key, span)
        if not found:
            return _absent(self.assessment, self.key, span)
        assessment, value = found[-1]
        holds = Measurement(exact(value)).compare(self.relation, self.threshold)
        reading = replace(
            read_content(assessment, self.key, holds),
            unit=self.unit,
            relation=self.relation,
            limit=self.threshold,
        )
        return Judgement(holds, (reading,))


@rule_set
class AssessmentFinding:
    """The latest finding of an assessment: positive makes the statement true (E2b, E2c)."""

    name: Literal["assessment_finding"]
    window: WindowName
    assessment: AssessmentKind
    key: ContentKey

    def __post_init__(self) -> None:
        _require_key(self.assessment, self.key)

    def judge(self, case: Case) -> Judgement:
        """Tell whether the finding is positive."""
        span = case.span(self.window)
        found = case.contents(self.assessment, self.key, span)
        if not found:
            return _absent(self.assessment, self.key, span)
        assessment, value = found[-1]
        holds = finding_truth(Finding(value))
        return Judgement(holds, (read_content(assessment, self.key, holds),))


@rule_set
class Qtcf:
    """The latest QTcF, reported or worked out from QT and RR; the longer one decides (E9c)."""

    name: Literal["qtcf"]
    window: WindowName
    relation: Relation
    threshold_ms: Decimal
    tolerance_ms: Decimal

    def judge(self, case: Case) -> Judgement:
        """Tell whether QTcF is prolonged; flag a reported value that QT and RR do not bear out."""
        span = case.span(self.window)
        for ecg in reversed(case.assessments(AssessmentKind.ECG, span)):
            reported, computed = self._reported(ecg), self._computed(ecg)
            readings = tuple(reading for reading in (reported, computed) if reading is not None)
            if readings:
                holds = any_of(reading.holds for reading in readings)
                return Judgement(holds, readings, flags=self._flags(readings))
        return _absent(AssessmentKind.ECG, ContentKey.QTCF_MS, span)

    def _reported(self, ecg: Assessment) -> Reading | None:
        if ecg.content.get(ContentKey.QTCF_MS) is None:
            return None
        value = exact(ecg.content[ContentKey.QTCF_MS])
        holds = Measurement(value).compare(self.relation, self.threshold_ms)
        return self._reading(ecg, ContentKey.QTCF_MS, value, holds)

    def _computed(self, ecg: Assessment) -> Reading | None:
        qt, rr = ecg.content.get(ContentKey.QT_MS), ecg.content.get(ContentKey.RR_MS)
        if qt is None or rr is None:
            return None
        qt, rr = exact(qt), exact(rr)
        # Cubed on both sides: a rounded cube root would misjudge a QTcF of exactly the threshold.
        cubed = Measurement(1000 * qt**3)
        holds = cubed.compare(self.relation, self.threshold_ms**3 * rr)
        return self._reading(ecg, "qtcf_from_qt_and_rr", fridericia(qt, rr), holds)

    def _reading(self, ecg: Assessment, name: str, value: Decimal, holds: bool | None) -> Reading:
        return Reading(
            name=name,
            evidence=ecg.id,
            holds=holds,
            value=value,
            unit="ms",
            date=ecg.day,
            at=ecg.at,
            known_at=ecg.known_at,
            relation=self.relation,
            limit=self.threshold_ms,
        )

    def _flags(self, readings: tuple[Reading, ...]) -> tuple[Flag, ...]:
        values = [reading.value for reading in readings if isinstance(reading.value, Decimal)]
        if max(values) - min(values) <= self.tolerance_ms:
            return ()
        return (Flag(FlagCode.QTCF_DISAGREES, (readings[0].evidence,)),)


def fridericia(qt_ms: Decimal, rr_ms: Decimal) -> Decimal:
    """Correct QT for heart rate, QT / RR^(1/3) with RR in seconds; milliseconds, two decimals."""
    root = (rr_ms / 1000) ** (Decimal(1) / 3)
    return (qt_ms / root).quantize(Decimal("0.01"))
