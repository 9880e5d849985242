"""Where a deviation stands: by the last assessment, and by what was read when it was given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.deviation_notes import Assessed, DeviationAssessment, DeviationStatus, stand

READ = {"severity": "minor", "day": "2026-05-04", "sentence": "Late.", "rule": "dosing"}
IMPORTANT, NOT_IMPORTANT = DeviationAssessment
SEEN = st.fixed_dictionaries(
    {"severity": st.sampled_from(["minor", "major"]), "day": st.dates(), "sentence": st.text()}
)
ASSESSED = st.builds(Assessed, word=st.sampled_from(DeviationAssessment), seen=SEEN)


def assessed(**changes) -> Assessed:
    """Assess a deviation that read a little differently."""
    return Assessed(word=NOT_IMPORTANT, seen=READ | changes)


@pytest.mark.parametrize(
    ("assessments", "status"),
    [
        ([], "open"),
        ([assessed()], "assessed"),
        ([assessed(severity="major")], "changed"),
        ([assessed(sentence="Later.")], "changed"),
        ([assessed(day="2026-05-05")], "assessed"),
        ([assessed(severity="major"), assessed()], "assessed"),
        ([assessed(), assessed(severity="major")], "changed"),
    ],
)
def test_the_last_assessment_counts_for_what_it_saw(assessments, status):
    """The day of an overdue report moves with the days, so it tells of no change."""
    assert stand(READ, assessments) == status


@given(present=st.none() | SEEN, assessments=st.lists(ASSESSED, max_size=3), gone=st.booleans())
@settings(max_examples=100)
def test_nothing_is_assessed_that_nobody_assessed_as_it_reads(present, assessments, gone):
    """Only an assessment of these very words closes a deviation; none of them removes it."""
    status = stand(present, assessments, retracted=gone)
    if gone:
        assert status is DeviationStatus.RETRACTED
    elif present is None:
        assert status is DeviationStatus.CAUSE_GONE
    elif status is DeviationStatus.ASSESSED:
        last = assessments[-1].seen
        assert {**last, "day": None} == {**present, "day": None}
    else:
        assert status is (DeviationStatus.CHANGED if assessments else DeviationStatus.OPEN)
