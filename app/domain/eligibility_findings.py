"""Eligibility rules on positive and negative tests: infection markers, viremia, pregnancy."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Literal

from app.domain.assessment_content import CONTENT_KEYS, ContentKey
from app.domain.eligibility_evidence import (
    Case,
    Judgement,
    Reading,
    Span,
    WindowName,
    above_limit,
    detected,
    finding_truth,
    in_order,
    latest_readings,
    read_content,
    read_lab,
)
from app.domain.quantities import all_of, any_of, negate
from app.domain.rules import rule_set
from app.domain.vocabulary import AssessmentKind, Finding


class MarkerSense(StrEnum):
    """What makes a test count: being positive at all, or exceeding its reference limit (C34)."""

    DETECTED = "detected"
    ABOVE_LIMIT = "above_limit"


@rule_set
class MarkerTest:
    """One infection marker, reported as a laboratory result or within an infection screen."""

    analyte: str
    screen_key: ContentKey
    sense: MarkerSense

    def __post_init__(self) -> None:
        if self.screen_key not in CONTENT_KEYS[AssessmentKind.INFECTION_SCREEN]:
            raise ValueError(f"an infection screen has no {self.screen_key}")

    def readings(self, case: Case, span: Span) -> list[Reading]:
        """Return the marker's readings in the span, earliest first."""
        sense = detected if self.sense is MarkerSense.DETECTED else above_limit
        labs = [
            replace(read_lab(lab, sense(lab)), limit=lab.uln)
            for lab in case.labs(self.analyte, span)
        ]
        screens = [
            read_content(assessment, self.screen_key, finding_truth(Finding(value)))
            for assessment, value in case.contents(
                AssessmentKind.INFECTION_SCREEN, self.screen_key, span
            )
        ]
        return in_order(labs + screens)


@rule_set
class InfectionMarkers:
    """The latest result of every listed marker counts together: all must be there (E11).

    Of several results of one instant any positive one decides.
    """

    name: Literal["infection_markers"]
    window: WindowName
    tests: tuple[MarkerTest, ...]

    def judge(self, case: Case) -> Judgement:
        """Tell whether all markers count."""
        span = case.span(self.window)
        found = {test.analyte: latest_readings(test.readings(case, span)) for test in self.tests}
        absent = ", ".join(analyte for analyte, latest in found.items() if not latest)
        return Judgement(
            all_of(
                any_of(reading.holds for reading in latest) if latest else None
                for latest in found.values()
            ),
            tuple(reading for latest in found.values() for reading in latest),
            f"No usable {absent} {span}." if absent else "",
        )


@rule_set
class Viremia:
    """Any positive viral test in the window; negative ones cannot rule every virus out (E3e)."""

    name: Literal["viremia"]
    window: WindowName
    tests: tuple[MarkerTest, ...]

    def judge(self, case: Case) -> Judgement:
        """Tell whether a test proves viremia; without such a test nobody but a person can."""
        span = case.span(self.window)
        readings = tuple(r for test in self.tests for r in test.readings(case, span))
        return Judgement(any_of([r.holds for r in readings] + [None]), readings)


@rule_set
class PregnancyTest:
    """A negative test in the window and no positive one (I7)."""

    name: Literal["pregnancy_test"]
    window: WindowName
    analytes: tuple[str, ...]

    def judge(self, case: Case) -> Judgement:
        """Tell whether pregnancy is ruled out."""
        span = case.span(self.window)
        tests = _pregnancy_tests(case, self.analytes, span)
        readings = tuple(replace(test, holds=negate(test.holds)) for test in tests)
        note = "" if tests else f"No usable pregnancy test {span}."
        return Judgement(negate(_pregnant(tests)), readings, note)


@rule_set
class PregnantOrLactating:
    """Either a positive pregnancy test or recorded lactation (E15)."""

    name: Literal["pregnant_or_lactating"]
    window: WindowName
    analytes: tuple[str, ...]
    lactation_window: WindowName

    def judge(self, case: Case) -> Judgement:
        """Tell whether she is pregnant or lactating; sterility excludes only the former."""
        tests = _pregnancy_tests(case, self.analytes, case.span(self.window))
        pregnant = _pregnant(tests)
        if pregnant is None and case.subject.childbearing_potential is False:
            pregnant = False
        lactation = [
            read_content(assessment, ContentKey.LACTATING, value is True)
            for assessment, value in case.contents(
                AssessmentKind.PREGNANCY_TEST,
                ContentKey.LACTATING,
                case.span(self.lactation_window),
            )
        ][-1:]
        lactating = lactation[0].holds if lactation else None
        return Judgement(any_of((pregnant, lactating)), (*tests, *lactation))


def _pregnancy_tests(case: Case, analytes: tuple[str, ...], span: Span) -> tuple[Reading, ...]:
    """Return the readings of all pregnancy tests; they hold where the test is positive."""
    labs = [read_lab(lab, detected(lab)) for name in analytes for lab in case.labs(name, span)]
    tests = [
        read_content(assessment, ContentKey.RESULT, finding_truth(Finding(value)))
        for assessment, value in case.contents(
            AssessmentKind.PREGNANCY_TEST, ContentKey.RESULT, span
        )
    ]
    return tuple(in_order(labs + tests))


def _pregnant(tests: tuple[Reading, ...]) -> bool | None:
    """Let one positive test decide, and a negative one only where none is positive."""
    results = {test.holds for test in tests}
    if True in results:
        return True
    return False if False in results else None
