"""Times and durations of response of a few subjects, counted by hand."""

from decimal import Decimal

from app.domain.metrics_durations import response_durations, response_times
from app.domain.outcomes import OutcomeRules
from app.domain.vocabulary import Lineage
from tests.domain.metrics_cases import treated
from tests.domain.response_cases import LOW, disposition, panel, panels, series
from tests.protocol_data import section

OUTCOMES = section("outcomes", OutcomeRules)


def neutrophils(*days, end=None, start="0.3"):
    """Let the neutrophils respond on these days and, if said so, fall again on `end`."""
    counts = dict.fromkeys(days, "0.9") | ({} if end is None else {end: "0.4"})
    return panel(-1, start, *LOW[1:]) + series("ANC", counts)


def trial():
    """Treat responders of days 7, 10 and 14, a late one, and one who never responds."""
    return [
        treated("A", neutrophils(7, 14, end=28)),
        treated("A", neutrophils(10, 17, 24)),
        treated("B", neutrophils(14, 21), disposition("withdrew_consent", 30)),
        treated("B", neutrophils(63, 70)),
        treated("B", panels({7: LOW, 28: LOW})),
    ]


def time_of(subjects, lineage=Lineage.NEUTROPHIL):
    """Pick the summary of one lineage, or with None of the whole."""
    return next(x for x in response_times(subjects, OUTCOMES) if x.lineage is lineage)


def test_the_median_is_that_of_the_responders():
    """Of 7, 10 and 14 it is 10; the late responder and the other are not responders."""
    found = time_of(trial())
    assert (found.participants, found.responders) == (5, 3)
    assert (found.median_days, found.median_rule) == (Decimal(10), "simple-median")
    assert found.reasons == {"last_assessment": 1, "late_response": 1, "response": 3}


def test_the_curve_counts_the_censored_too():
    """Events at 7, 10 and 14, censored at 28 and 56: S falls to 2/5, so the median is 14."""
    curve = time_of(trial()).kaplan_meier
    assert (curve.n, curve.events) == (5, 3)
    assert [(x.time, x.survival_exact) for x in curve.steps] == [
        (7, "4/5"), (10, "3/5"), (14, "2/5"), (28, "2/5"), (56, "2/5"),
    ]  # fmt: skip
    assert (curve.median.value, curve.median.rule) == (Decimal(14), "sas-midpoint")


def test_an_even_number_of_responders_takes_the_mean():
    """Of 7 and 10 the simple median is 8.5."""
    assert time_of(trial()[:2]).median_days == Decimal("8.5")


def test_the_whole_subject_responds_with_the_first_lineage():
    """Neutrophils respond on day 14 and platelets on day 7: the subject responds on day 7."""
    both = treated("A", panel(-1, *LOW), series("ANC", {14: "0.9", 21: "0.9"}),
                   series("PLT", {7: "30", 14: "30", 21: "30"}))  # fmt: skip
    found = {x.lineage: x.median_days for x in response_times([both], OUTCOMES)}
    assert found == {None: 7, "neutrophil": 14, "platelet": 7, "hemoglobin": None}


def test_a_lineage_that_cannot_respond_is_no_participant():
    """Neutrophils of 1.6 before treatment have nothing to recover."""
    found = time_of([treated("A", neutrophils(7, 14, start="1.6"))])
    assert (found.participants, found.responders, found.median_days) == (0, 0, None)


def durations_of(subjects):
    """Show the neutrophil summaries by kind."""
    return {
        x.kind.value: x
        for x in response_durations(subjects, OUTCOMES)
        if x.lineage is Lineage.NEUTROPHIL
    }


def test_durations_end_or_are_censored_with_their_reason():
    """From 7 to 28 ended; 10 to 24, 14 to 21 and 63 to 70 censored at the last count."""
    found = durations_of(trial())["response"]
    assert (found.responders, found.ended, found.censored) == (4, 1, 3)
    assert found.reasons == {"below_criteria": 1, "last_assessment": 2, "withdrew_consent": 1}
    assert [(x.time, x.events, x.censored) for x in found.kaplan_meier.steps] == [
        (7, 0, 2), (14, 0, 1), (21, 1, 0),
    ]  # fmt: skip
    assert found.kaplan_meier.median.value == Decimal(21)


def test_complete_responses_have_durations_of_their_own():
    """Neutrophils of 1.6 from day 7, 0.9 on day 28: the CR lasts 21 days, the response goes on."""
    counts = series("ANC", {7: "1.6", 14: "1.6", 28: "0.9", 35: "0.9"})
    found = durations_of([treated("A", panel(-1, *LOW), counts)])
    assert (found["complete_response"].ended, found["response"].ended) == (1, 0)
    assert [x.time for x in found["complete_response"].kaplan_meier.steps] == [21]
    assert [x.time for x in found["response"].kaplan_meier.steps] == [28]


def test_summaries_name_the_rule_of_their_times():
    """The key that says which days count, the same as each single time names."""
    subjects = trial()
    times = [x.response.time_to_response for x in subjects]
    assert {x.rule for x in response_times(subjects, OUTCOMES)} == {x.rule for x in times}
    durations = [lineage.duration_of_response for x in subjects for lineage in x.response.lineages]
    named = {x.rule for x in durations if x}
    assert {x.rule for x in response_durations(subjects, OUTCOMES)} == named


def test_nobody_gives_empty_summaries():
    """Without subjects every lineage is there, with no time and no curve."""
    times, durations = response_times([], OUTCOMES), response_durations([], OUTCOMES)
    assert [x.lineage for x in times] == [None, *Lineage]
    assert len(durations) == 6
    assert {x.kaplan_meier.n for x in (*times, *durations)} == {0}
    assert {x.kaplan_meier.median.value for x in (*times, *durations)} == {None}
