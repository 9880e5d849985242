"""Grades of stored results: which baseline counts, and which results are graded at all."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.facts import Infusion, LabResult, LimitsOfRegister, Medication
from app.domain.lab_grades import background, baseline_grades, grades_for
from app.domain.quantities import Measurement
from app.domain.vocabulary import LabStatus, MedicationClass

START = datetime(2026, 5, 4, 2, tzinfo=UTC)


def lab(lab_id, analyte, value, at, uln=None, status=LabStatus.FINAL):
    """Return a result in the canonical unit, padded like a column pads it."""
    padded = None if value is None else Decimal(value).quantize(Decimal("1e-9"))
    return LabResult(
        id=lab_id,
        analyte=analyte,
        measurement=None if padded is None else Measurement(padded),
        uln=None if uln is None else Decimal(uln),
        at=at,
        day=at.date(),
        status=status,
    )


def infusion(number=1, started_at=START, volume="120"):
    """Return an infusion that began."""
    return Infusion(
        id=f"infusion-{number}",
        number=number,
        planned_day=date(2026, 5, 4),
        planned_cells=Decimal(120_000_000),
        started_at=started_at,
        day=started_at.date(),
        volume_ml=Decimal(volume),
    )


def before(**amount):
    """Return a moment before the first infusion."""
    return START - timedelta(**amount)


def test_the_last_usable_value_before_the_start_is_the_baseline():
    """The instant of the start itself is too late; a provisional value does not count."""
    labs = [
        lab("old", "ALT", "50", before(days=9)),
        lab("last", "ALT", "60", before(seconds=1)),
        lab("start", "ALT", "70", START),
        lab("provisional", "ALT", "80", before(seconds=0.5), status=LabStatus.PRELIMINARY),
        lab("withdrawn", "ALT", None, before(seconds=0.2), status=LabStatus.ENTERED_IN_ERROR),
        lab("other", "AST", "90", before(days=3)),
    ]
    baselines = background([infusion()], labs, []).baselines
    assert {key: each.id for key, each in baselines.items()} == {"ALT": "last", "AST": "other"}


def test_of_two_values_at_one_instant_the_higher_is_the_baseline():
    """As for response, whatever order they were recorded in."""
    pair = [lab("high", "ALT", "61", before(days=1)), lab("low", "ALT", "60", before(days=1))]
    for labs in (pair, pair[::-1]):
        assert background([infusion()], labs, []).baselines["ALT"].id == "high"


@pytest.mark.parametrize("infusions", [[], [infusion(volume="0")]])
def test_before_the_first_infusion_there_is_no_baseline(infusions):
    """An infusion of which nothing was given is none."""
    assert background(infusions, [lab("a", "ALT", "60", before(days=1))], []).baselines == {}


def test_the_earliest_of_several_infusions_counts():
    """A second infusion does not move the baseline."""
    labs = [
        lab("first", "ALT", "60", before(days=1)),
        lab("between", "ALT", "70", START + timedelta(days=6)),
    ]
    given = [infusion(2, START + timedelta(days=7)), infusion(1)]
    assert background(given, labs, []).baselines["ALT"].id == "first"


def test_an_abnormal_baseline_grades_zero_itself():
    """Between once and 1.5 times an abnormal baseline there is no grade, though above the limit."""
    labs = [lab("base", "ALT", "80", before(days=1), uln="40")]
    against = background([infusion()], labs, [])
    (grade,) = baseline_grades("ALT", against)
    assert (grade.grade, grade.rests_on) == (0, ("uln 40", "baseline 80", "baseline uln 40"))
    assert baseline_grades("AST", against) == ()


@pytest.mark.parametrize("status", sorted(set(LabStatus)))
def test_only_results_that_count_are_graded(status):
    """Provisional, cancelled and withdrawn results have no grade."""
    found = grades_for(lab("a", "ANC", "0.4", START, status=status), background([], [], []))
    usable = status in {LabStatus.FINAL, LabStatus.CORRECTED, LabStatus.AMENDED}
    assert [each.grade for each in found] == ([4] if usable else [])


def course(**parts):
    """Return an anticoagulant from two days after the start."""
    begin = START + timedelta(days=2)
    return Medication(
        id="m",
        medication_class=MedicationClass.ANTICOAGULANT,
        name="warfarin",
        start_at=begin,
        start_day=begin.date(),
        **parts,
    )


@pytest.mark.parametrize(
    ("medications", "days", "grade", "open_question"),
    [
        ([], 3, 0, True),
        ([course(ongoing=True)], 1, 0, False),
        ([course(ongoing=True)], 2, 1, False),
        ([course(ongoing=True)], 30, 1, False),
        ([course(end_day=date(2026, 5, 8))], 4, 1, False),
        ([course(end_day=date(2026, 5, 8))], 5, 0, False),
        ([course()], 2, 1, False),
        ([course()], 3, 0, False),
    ],
)
def test_an_anticoagulant_counts_while_it_is_taken(medications, days, grade, open_question):
    """Where none was ever recorded the grade stays open upwards."""
    labs = [lab("base", "INR", "1.0", before(days=1))]
    against = background([infusion()], labs, medications)
    result = lab("later", "INR", "1.1", START + timedelta(days=days, hours=1))
    (found,) = grades_for(result, against)
    assert (found.grade, found.needs_clinical_input) == (grade, open_question)


def test_other_medications_are_no_anticoagulants():
    """Only the class decides."""
    other = Medication(
        id="m", medication_class=MedicationClass.OTHER, name="x", start_at=START,
        start_day=START.date(), ongoing=True,
    )  # fmt: skip
    assert background([], [], [other]).anticoagulants == ()


def test_a_grade_says_which_limits_are_from_a_register():
    """Those of the result and of its baseline, each by its own version; the others came along."""
    of_register = LimitsOfRegister("r1", 2, "WARD", ("uln",))
    later = replace(lab("new", "ALT", "119", START, uln="40"), of_register=of_register)
    baseline = replace(
        lab("old", "ALT", "80", before(days=1), uln="50"),
        of_register=LimitsOfRegister("r2", 3, "OTHER", ("lln", "uln")),
    )
    (grade,) = grades_for(later, background([infusion()], [baseline], []))
    assert grade.rests_on == (
        "uln 40 from reference range 2 of WARD (r1)",
        "baseline 80",
        "baseline uln 50 from reference range 3 of OTHER (r2)",
    )
    own = replace(baseline, of_register=LimitsOfRegister("r2", 3, "OTHER", ("lln",)))
    (grade,) = grades_for(later, background([infusion()], [own], []))
    assert grade.rests_on[2] == "baseline uln 50"


def test_a_start_without_a_volume_ends_the_baseline():
    """A value from after a begun infusion is no baseline, unless that gave nothing."""
    labs = [lab("old", "ALT", "50", before(days=9)), lab("new", "ALT", "70", START)]
    first, second = infusion(), infusion(2, START + timedelta(days=7))
    for volume, baseline in ((None, "old"), (Decimal(0), "new")):
        unsure = replace(first, volume_ml=volume)
        assert background([unsure, second], labs, []).baselines["ALT"].id == baseline
