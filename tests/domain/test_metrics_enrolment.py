"""How the trial fills, counted by hand."""

from dataclasses import replace
from datetime import date

from app.domain.eligibility_rules import EligibilityRules
from app.domain.escalation_rules import EscalationRules
from app.domain.metrics_enrolment import (
    ScreenedSubject,
    count_dispositions,
    count_statuses,
    monthly_enrolment,
    planned_enrolment,
    screen_failures,
)
from app.domain.vocabulary import DispositionEvent, SubjectStatus
from tests.protocol_data import section

CRITERIA = section("eligibility", EligibilityRules).criteria
SCREENED = ScreenedSubject(
    status=SubjectStatus.SCREENING,
    screened_on=date(2026, 1, 31),
    enrolled_on=None,
    first_infusion_on=None,
    left=frozenset(),
)
ENROLLED = replace(
    SCREENED,
    status=SubjectStatus.IN_FOLLOW_UP,
    screened_on=date(2025, 11, 30),
    enrolled_on=date(2025, 12, 1),
    first_infusion_on=date(2026, 2, 28),
)
FAILED = replace(
    SCREENED,
    status=SubjectStatus.SCREEN_FAILED,
    left=frozenset({DispositionEvent.SCREEN_FAILED}),
)


def test_the_plan_is_that_of_the_protocol():
    """15 registered; 18 in the escalation, 6 on a level, 6 in the expansion, 24 in all (C2)."""
    plan = planned_enrolment(15, section("escalation", EscalationRules))
    assert (plan.registered, plan.escalation_maximum, plan.level_maximum) == (15, 18, 6)
    assert (plan.expansion, plan.total_maximum) == (6, 24)


def test_every_status_and_way_of_leaving_is_there():
    """Who stands nowhere is counted as none; one subject may have left twice."""
    died = replace(
        ENROLLED,
        status=SubjectStatus.DIED,
        left=frozenset({DispositionEvent.WITHDREW_TREATMENT, DispositionEvent.DIED}),
    )
    statuses = count_statuses([SCREENED, ENROLLED, died])
    assert set(statuses) == set(SubjectStatus)
    assert {status for status, count in statuses.items() if count} == {
        "screening", "in_follow_up", "died",
    }  # fmt: skip
    ways = count_dispositions([SCREENED, ENROLLED, died])
    assert set(ways) == set(DispositionEvent)
    assert {event for event, count in ways.items() if count} == {"withdrew_treatment", "died"}


def test_failures_are_counted_by_criterion_in_the_record_s_order():
    """One fails E4 and I2, one E4, one nothing that is recorded; who is not failed is left out."""
    found = screen_failures(
        [
            replace(FAILED, failed_criteria=("E4", "I2")),
            replace(FAILED, failed_criteria=("E4",)),
            FAILED,
            replace(ENROLLED, failed_criteria=("E5",)),
        ],
        CRITERIA,
    )
    assert (found.subjects, found.unattributed) == (3, 1)
    assert [(x.criterion, x.subjects) for x in found.by_criterion] == [("I2", 1), ("E4", 2)]
    assert all(x.text for x in found.by_criterion)


def test_months_run_on_over_the_turn_of_the_year():
    """Months without an entry are there, and totals never fall."""
    found = monthly_enrolment([SCREENED, ENROLLED], date(2026, 3, 1))
    assert [(x.month, x.screened, x.enrolled, x.first_treated) for x in found] == [
        ("2025-11", 1, 0, 0),
        ("2025-12", 0, 1, 0),
        ("2026-01", 1, 0, 0),
        ("2026-02", 0, 0, 1),
        ("2026-03", 0, 0, 0),
    ]
    assert [(x.screened_so_far, x.enrolled_so_far, x.first_treated_so_far) for x in found] == [
        (1, 0, 0),
        (1, 1, 0),
        (2, 1, 0),
        (2, 1, 1),
        (2, 1, 1),
    ]


def test_an_entry_after_today_is_not_lost():
    """A day that another clock wrote later than today still has its month."""
    found = monthly_enrolment([SCREENED], date(2026, 1, 1))
    assert [x.month for x in found] == ["2026-01"]
    later = monthly_enrolment([ENROLLED], date(2025, 11, 30))
    assert [x.month for x in later][-1] == "2026-02"


def test_nobody_screened_has_no_months():
    """The series begins with the first subject."""
    assert monthly_enrolment([], date(2026, 3, 1)) == ()
