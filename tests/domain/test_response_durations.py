"""Time to response and duration of response: limits, ends and censoring."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.response_rules import DeathInDuration
from app.domain.vocabulary import Lineage
from tests.domain.response_cases import (
    RULES,
    day,
    disposition,
    infusion,
    lineage_of,
    medication,
    panels,
    respond,
    series,
    transfusion,
)

PLT = Lineage.PLATELET
GROUP_C = tuple(infusion(number, 7 * (number - 1)) for number in (1, 2, 3, 4))


def platelets(values, *groups, **options):
    """Derive the platelet lineage from counts by day, from a baseline of 12."""
    return lineage_of(respond(series("PLT", {-1: "12", **values}), *groups, **options), PLT)


def brief(time):
    """Show a time as days, event and reason."""
    return (time.days, time.event, time.reason)


def test_time_to_response_counts_from_the_first_infusion_as_day_0():
    """A platelet response that begins on day 21 took 21 days."""
    time = platelets({21: "30", 28: "30"}).time_to_response
    assert brief(time) == (21, True, "response")
    assert (time.start_day, time.end_day) == (day(0), day(21))
    assert time.evidence == ("inf1", "PLT-1", "PLT21", "PLT28")
    assert time.rule == "response.response_time_limit_days"


@pytest.mark.parametrize("last", [0, 21])
def test_response_time_ends_56_days_after_the_last_infusion(last):
    """A response on the 56th day after the last infusion is in time, one day later late (C9)."""
    given_infusions = GROUP_C if last else None
    options = {"infusions": given_infusions, "planned": 4 if last else 1}
    limit = last + 56
    in_time = platelets({limit: "30", 150: "30"}, **options)
    assert brief(in_time.time_to_response) == (limit, True, "response")
    assert in_time.time_to_response.evidence[:2] == ("inf1", "PLT-1")
    assert in_time.late_response is None
    late = platelets({limit + 1: "30", 150: "30"}, **options)
    assert brief(late.time_to_response) == (limit, False, "late_response")
    assert late.late_response.start_day == day(limit + 1)


@pytest.mark.parametrize(
    ("values", "extra", "expected"),
    [
        ({}, (), (0, False, "last_assessment")),
        ({20: "12"}, (), (20, False, "last_assessment")),
        ({20: "12"}, (disposition("lost_to_follow_up", 30),), (20, False, "lost_to_follow_up")),
        ({20: "12", 70: "12"}, (), (56, False, "limit_reached")),
        ({20: "12", 56: "12"}, (disposition("died", 90),), (56, False, "limit_reached")),
        ({20: "12", 50: "12"}, (disposition("died", 57),), (50, False, "last_assessment")),
        ({20: "12", 50: "12"}, (disposition("died", 56),), (50, False, "died")),
    ],
)
def test_time_to_response_without_one_is_censored(values, extra, expected):
    """Censored at the last count, at most at the limit, with what ended the observation."""
    assert brief(platelets(values, *extra).time_to_response) == expected


def test_lineage_that_cannot_respond_has_no_times():
    """Above its CR limit at baseline, a lineage is left out of the endpoints."""
    lineage = lineage_of(respond(series("PLT", {-1: "120", 7: "150", 14: "150", 90: "150"})), PLT)
    assert lineage.response.episodes
    assert (lineage.time_to_response, lineage.late_response) == (None, None)
    assert (lineage.duration_of_response, lineage.duration_of_complete_response) == (None, None)


def test_time_to_first_response_of_the_subject_is_its_earliest_lineage():
    """Neutrophils respond before platelets: the subject responds with the neutrophils."""
    labs = panels({}), series("ANC", {7: "0.8", 14: "0.8"}), series("PLT", {10: "30", 17: "30"})
    response = respond(*labs)
    assert brief(response.time_to_response) == (7, True, "response")
    assert brief(respond(panels({})).time_to_response) == (0, False, "last_assessment")


def test_duration_runs_to_the_first_failing_test():
    """From the first test of the episode to the day it was first lost (C17)."""
    time = platelets({7: "30", 14: "30", 30: "12"}).duration_of_response
    assert brief(time) == (23, True, "below_criteria")
    assert time.evidence == ("PLT-1", "PLT7", "PLT14", "PLT30")
    assert time.rule == "response.dor_cap_days"


def test_duration_of_complete_response_ends_before_that_of_response():
    """A fall from CR to PR ends one duration and not the other (C17)."""
    lineage = platelets({7: "110", 14: "110", 30: "60", 60: "12"})
    assert brief(lineage.duration_of_complete_response) == (23, True, "below_criteria")
    assert brief(lineage.duration_of_response) == (53, True, "below_criteria")


def test_transfusion_is_the_end_of_a_duration():
    """Being free of transfusion is part of the criteria."""
    time = platelets({7: "30", 14: "30"}, transfusion(20)).duration_of_response
    assert brief(time) == (13, True, "transfusion")


@pytest.mark.parametrize(
    ("lost_on", "expected"),
    [
        (168, (161, True, "below_criteria")),
        (169, (161, False, "limit_reached")),
    ],
)
def test_duration_is_capped_168_days_after_the_first_infusion(lost_on, expected):
    """The cap counts from the first infusion even in group C, followed to day 189 (C8)."""
    values = {7: "30", 14: "30", lost_on: "12"}
    time = platelets(values, infusions=GROUP_C, planned=4).duration_of_response
    assert brief(time) == expected


def test_response_that_begins_after_the_cap_has_no_duration():
    """In group C a response may begin on day 175, when the duration is no longer counted."""
    values = {168: "12", 175: "30", 182: "30"}
    lineage = platelets(values, infusions=GROUP_C, planned=4)
    assert lineage.duration_of_response is None
    assert lineage.late_response.start_day == day(175)
    assert lineage.duration_of_complete_response is None


def test_response_that_begins_on_the_cap_has_duration_0():
    """The cap day itself still counts."""
    time = platelets({168: "30", 175: "30"}).duration_of_response
    assert brief(time) == (0, False, "limit_reached")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (disposition("withdrew_consent", 40), "withdrew_consent"),
        (disposition("lost_to_follow_up", 40), "lost_to_follow_up"),
        (disposition("died", 40), "died"),
        (disposition("relapse_or_new_therapy", 40), "relapse_or_new_therapy"),
        (disposition("investigator_decision", 40), "investigator_decision"),
        (disposition("sponsor_decision", 40), "sponsor_decision"),
        (disposition("completed", 40), "completed"),
        (medication("antitumor_therapy", 40), "antitumor_therapy"),
        (medication("stem_cell_boost", 40), "stem_cell_boost"),
        (medication("hematopoietic_transplant", 40), "hematopoietic_transplant"),
    ],
)
def test_departure_or_own_therapy_censors_at_the_last_count_before(ending, reason):
    """What comes after is not this treatment's response, nor its end."""
    values = {7: "30", 14: "30", 35: "30", 45: "12"}
    time = platelets(values, ending).duration_of_response
    assert brief(time) == (28, False, reason)
    assert time.evidence[-1] == ending.id


@pytest.mark.parametrize("event", ["withdrew_treatment", "pregnancy"])
def test_end_of_treatment_alone_does_not_censor(event):
    """Who stops infusions stays in follow-up, and the counts go on to count."""
    values = {7: "30", 14: "30", 45: "12"}
    time = platelets(values, disposition(event, 40)).duration_of_response
    assert brief(time) == (38, True, "below_criteria")


def test_therapy_excludes_from_its_instant_and_a_departure_from_the_next_day():
    """A count on the morning of a transplant or of the last visit was taken before it."""
    values = {7: "30", 14: "30", 40: "30"}
    for ending in (
        medication("hematopoietic_transplant", 40, hour=9),
        disposition("died", 40),
    ):
        assert platelets(values, ending).duration_of_response.end_day == day(40)
    early = medication("hematopoietic_transplant", 40, hour=8)
    assert platelets(values, early).duration_of_response.end_day == day(14)


def test_first_of_several_ends_counts():
    """A relapse, a transplant and a death: the response was observed up to the first."""
    values = {7: "30", 14: "30", 35: "30"}
    endings = (
        disposition("died", 60),
        medication("hematopoietic_transplant", 50),
        disposition("relapse_or_new_therapy", 40),
    )
    response = respond(series("PLT", {-1: "12", **values}), *endings)
    assert response.observation_end.reason == "relapse_or_new_therapy"
    same_day = respond(series("PLT", values), endings[1], disposition("died", 50))
    assert same_day.observation_end.reason == "hematopoietic_transplant"


@pytest.mark.parametrize(
    ("died_on", "expected"),
    [(40, (33, True, "died")), (168, (161, True, "died")), (169, (28, False, "last_assessment"))],
)
def test_death_may_be_an_event(died_on, expected):
    """With dor_death=event a death in response by the cap ends the duration."""
    rules = replace(RULES, dor_death=DeathInDuration.EVENT)
    values = {7: "30", 14: "30", 35: "30"}
    dead = disposition("died", died_on)
    assert brief(platelets(values, dead, rules=rules).duration_of_response) == expected
    lost = disposition("lost_to_follow_up", 40)
    assert platelets(values, lost, rules=rules).duration_of_response.event is False


def test_response_lost_before_a_death_ended_by_its_loss():
    """A death after the end of the response changes nothing."""
    rules = replace(RULES, dor_death=DeathInDuration.EVENT)
    values = {7: "30", 14: "30", 35: "12"}
    dead = disposition("died", 40)
    expected = (28, True, "below_criteria")
    assert brief(platelets(values, dead, rules=rules).duration_of_response) == expected


@settings(max_examples=100)
@given(
    st.dictionaries(st.integers(1, 200), st.sampled_from(["12", "30", "110"]), max_size=10),
    st.lists(st.integers(-8, 200), max_size=2),
    st.one_of(st.none(), st.integers(1, 200)),
)
def test_times_stay_within_their_limits(values, blood, died_on):
    """No time is negative, beyond its limit, or longer for CR than for response."""
    dead = () if died_on is None else (disposition("died", died_on),)
    lineage = platelets(values, tuple(transfusion(x) for x in set(blood)), dead)
    assert 0 <= lineage.time_to_response.days <= 56
    assert lineage.time_to_response.event is not (
        not lineage.response.episodes or lineage.late_response is not None
    )
    for time in (lineage.duration_of_response, lineage.duration_of_complete_response):
        if time is not None:
            assert time.days >= 0
            assert time.end_day <= day(168)
            assert time.event or time.end_day in {*(day(x) for x in values), day(168)}
