"""An explanation adds up to its number, for any participants, and names what makes them count."""

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.metrics_explained import Counted, explain_numbers
from app.domain.metrics_explained_answer import explain_answer
from app.domain.metrics_numbers import numbers
from app.domain.metrics_support import MetricFamily, supporting
from app.domain.metrics_support_conduct import CountedRecords
from app.domain.vocabulary import Causality, SeriousnessCriterion
from tests.domain.dlt_cases import (
    adjudication,
    course,
    event,
    given_infusion,
    planned_infusion,
)
from tests.domain.explained_cases import COUNTS, TODAY, failing, participant
from tests.domain.metrics_cases import treated
from tests.domain.response_cases import (
    FAIR,
    GOOD,
    LOW,
    disposition,
    medication,
    panel,
    panels,
    series,
    transfusion,
)

HOSPITAL = frozenset({SeriousnessCriterion.HOSPITALIZATION})
RESPONSES = (
    None,
    treated("A", panels({21: GOOD, 28: GOOD, 56: LOW})),
    treated("A", panels({21: FAIR, 28: FAIR}), disposition("withdrew_consent", 40)),
    treated("B", panels({7: LOW}), as_of=10),
    treated("B", panels({21: FAIR, 28: FAIR}), medication("g_csf", 20, end=28)),
    treated("C", panel(-1, "0.3", "150", "62"), series("PLT", {24: "165", 28: "165"})),
    treated("C", panels({24: FAIR, 28: FAIR}), transfusion(26)),
)
EVENTS = (
    event(grade=1, id="mild"),
    event(20, grade=3, seriousness=HOSPITAL, id="severe"),
    event(-2, term="Fever", soc="General", grade=2, causality=None, id="before"),
    event(30, term="Fever", soc="General", grade=4, causality=Causality.UNRELATED, id="unrelated"),
    event(5, term="Thromboembolic event", grade=5, id="fatal"),
)
COURSES = (
    None,
    course("A"),
    course("B"),
    course("C", given_count=2),
    replace(course("B"), infusions=(given_infusion(1, 0), given_infusion(2, 7, cells=None))),
    replace(course("A"), infusions=(planned_infusion(1, 0),)),
)


@st.composite
def participants(draw):
    """Draw one participant of any course, with any events and any response."""
    number = f"{draw(st.integers(0, 999)):03}"
    facts = draw(st.sampled_from(COURSES))
    events = tuple(draw(st.lists(st.sampled_from(EVENTS), unique_by=lambda x: x.id, max_size=3)))
    if facts is not None:
        facts = replace(facts, events=events, adjudications=draw(st.sampled_from(RULINGS)))
    subject = participant(number, facts, draw(st.sampled_from(RESPONSES)), events=events)
    screened = replace(subject.screened, screened_on=draw(st.sampled_from(DAYS)))
    subject = replace(subject, screened=screened)
    if facts is None and draw(st.booleans()):
        return failing(number, *draw(st.sampled_from(((), ("E4",), ("I2", "E4")))))
    if subject.enrolled is not None:
        enrolled = replace(subject.enrolled, replaced=draw(st.booleans()))
        subject = replace(subject, enrolled=enrolled)
    return subject


RULINGS = ((), (replace(adjudication(is_dlt=True), adverse_event_id="severe"),))
# Before the study day, on it, and after it, as another clock may have written.
DAYS = (date(2025, 12, 30), date(2026, 1, 3), date(2026, 3, 1), TODAY, date(2026, 6, 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(participants(), max_size=4), st.sampled_from(list(COUNTS)))
def test_what_participants_add_is_the_number(subjects, family):
    """The sum over the participants is every whole number that is not fixed by the protocol."""
    count = COUNTS[family]
    nobody = numbers(count(()))
    added = defaultdict(int)
    for number in explain_numbers(Counted(family=family, count=count), subjects):
        assert number.contributions
        for each in number.contributions:
            added[number.leaf.pointer] += each.adds
    for pointer, leaf in numbers(count(tuple(subjects))).items():
        if isinstance(leaf.value, int):
            fixed = nobody[pointer].value if pointer in nobody else 0
            assert leaf.value - fixed == added[pointer], pointer


def explained(family, subjects, metric=""):
    """Show the numbers by pointer: who adds how much, by number of the participant."""
    answer = explain_answer(Counted(family=family, count=COUNTS[family]), subjects)
    return {
        number.leaf.pointer: {x.subject.number: x for x in number.contributions}
        for number in answer.beginning(metric)
    }


def records(found):
    """Show the records of each participant."""
    return {number: each.records for number, each in found.items()}


def trial():
    """Infuse two on A and one on B; one fails screening, and one has a place but no infusion."""
    severe = replace(course("A"), events=EVENTS[:2], adjudications=RULINGS[1])
    return (
        participant("01", severe, RESPONSES[1]),
        participant("02", replace(course("A"), events=EVENTS[2:3]), RESPONSES[2]),
        participant("03", replace(course("B"), events=EVENTS[3:]), RESPONSES[3]),
        replace(failing("04", "E4"), events=EVENTS[2:3]),
        participant("05", COURSES[-1], events=EVENTS[:1]),
    )


def test_enrolment_rests_on_registration_place_infusion_and_departure():
    """Each count names the record of its own step."""
    found = explained(MetricFamily.ENROLMENT, trial())
    assert set(found["/screened"]) == {"01", "02", "03", "04", "05"}
    assert records(found["/enrolled"])["05"] == ("place-05",)
    assert records(found["/treated"])["03"] == ("inf-1",)
    assert records(found["/months/month=2026-01/screened"])["04"] == ("subject-04",)
    assert records(found["/months/month=2026-01/enrolled"])["01"] == ("place-01",)
    assert records(found["/months/month=2026-01/first_treated"])["01"] == ("inf-1",)
    assert records(found["/dispositions/screen_failed"]) == {"04": ("left-04",)}
    assert records(found["/screen_failures/by_criterion/criterion=E4/subjects"]) == {
        "04": ("subject-04", "left-04")
    }
    assert records(found["/statuses/screen_failed"]) == {"04": ("subject-04", "left-04")}
    assert records(found["/levels/phase=escalation;level=A/not_dosed"]) == {
        "05": ("place-05", "inf-1")
    }
    assert "/planned" not in found


def test_events_are_named_that_alone_make_a_participant_count():
    """Of two events the severe one makes serious and grade 3; both make any event."""
    found = explained(MetricFamily.SAFETY, trial())
    every = "/groups/level=null/incidences/basis=all"
    assert records(found[f"{every}/any_grade/events"])["01"] == ("mild", "severe")
    assert records(found[f"{every}/serious/events"]) == {"01": ("severe",)}
    assert records(found[f"{every}/worst_grades/3"]) == {"01": ("severe",)}
    assert f"{every}/worst_grades/1" not in found
    assert found[f"{every}/events"]["01"].adds == 2
    assert records(found[f"{every}/any_grade/n"])["02"] == ("inf-1",)
    related = "/groups/level=B/incidences/basis=related"
    assert records(found[f"{related}/any_grade/events"]) == {"03": ("fatal",)}
    fever = "/terms/soc=General;term=Fever"
    assert records(found[f"{fever}/by_level/B"]) == {"03": ("unrelated",)}
    assert set(found[f"{fever}/incidences/basis=all/any_grade/n"]) == {"01", "02", "03"}
    embolism = "/special_interest/special_interest=embolism/incidences/basis=all/fatal/events"
    assert records(found[embolism]) == {"03": ("fatal",)}
    assert records(found["/untreated/with_events"]) == {"04": ("before",), "05": ("mild",)}


def test_toxicities_name_event_and_adjudication_and_doses_their_infusions():
    """A DLT rests on both; cells are the participant's own."""
    found = explained(MetricFamily.SAFETY, trial())
    toxicity = "/dose_limiting_toxicities/phase=escalation;level"
    assert records(found[f"{toxicity}=A/dlts/events"]) == {"01": ("severe", "adj-1")}
    assert "severe" in records(found[f"{toxicity}=A/dlts/n"])["01"]
    assert records(found[f"{toxicity}=A/treated"])["01"] == ("inf-1",)
    assert records(found[f"{toxicity}=B/open_items"]) == {"03": ("fatal",)}
    assert records(found["/exposure/level=B/infusions_started"]) == {"03": ("inf-1", "inf-2")}
    assert records(found["/exposure/level=B/infusions_planned"]) == {"03": ("place-03",)}
    cells = found["/exposure/level=B/cells"]["03"]
    assert (cells.adds, cells.records) == (Decimal(240_000_000), ("inf-1", "inf-2"))


def test_responses_name_the_evidence_of_their_derivation():
    """A response rests on its counts; what shows none, on the infusions or the count read."""
    found = explained(MetricFamily.EFFICACY, trial())
    at_4 = "/readings/week=4;mode=at;anchor=last/groups/level=null"
    complete = f"{at_4}/rates/denominator=treated/complete_response"
    subject = trial()[0].treated
    reading = next(
        x for x in subject.response.endpoints if x.reading.primary and x.reading.week == 4
    )
    assert records(found[f"{complete}/events"]) == {"01": reading.standing.evidence}
    assert records(found[f"{complete}/n"])["03"] == ("inf1",)
    assert records(found[f"{at_4}/categories/not_due"]) == {"03": ("inf1",)}
    assert records(found["/treated"])["02"] == ("inf1",)
    confounded = participant("06", course("B"), RESPONSES[4])
    other = explained(MetricFamily.EFFICACY, (confounded,))
    below = "lineage_rule=below_cr;transfusion_scope=any;counts_confounded=false"
    assert other[f"/alternatives/{below}/differing"]["06"].adds == 1
    trusted = "/alternatives/lineage_rule=all;transfusion_scope=any;counts_confounded=true"
    overall = f"{trusted}/weeks/week=4/rates/denominator=due/overall_response/events"
    assert "ANC28" in other[overall]["06"].records


def test_times_are_the_participants_own():
    """The curve of one participant alone is one step, at that participant's own time."""
    subjects = trial()
    found = explained(MetricFamily.EFFICACY, subjects)
    for pointer, each in found.items():
        if pointer.endswith("/kaplan_meier/n"):
            for number, one in each.items():
                own = next(x for x in subjects if x.number == number)
                curve = next(x for x in curves(own) if pointer.startswith(x[0]))[1]
                assert (curve.steps[0].time, bool(curve.steps[0].events)) == (
                    one.time.days,
                    one.time.event,
                )
                assert one.records == one.time.evidence
    anybody = found["/times_to_response/lineage=null/kaplan_meier/n"]
    assert {number: x.time.reason for number, x in anybody.items()} == {
        "01": "response", "02": "response", "03": "last_assessment",
    }  # fmt: skip
    medians = found["/times_to_response/lineage=neutrophil/median_days"]
    assert {number: x.adds for number, x in medians.items()} == {"01": 21, "02": 21}
    lasting = found["/durations_of_response/lineage=neutrophil;kind=complete_response/ended"]
    assert set(lasting) == {"01"}


def curves(subject):
    """Give the curves of one participant alone, by the pointer of their row."""
    view = COUNTS[MetricFamily.EFFICACY]((subject,))
    for row in view.times_to_response:
        yield f"/times_to_response/lineage={row.lineage or 'null'}/", row.kaplan_meier
    for row in view.durations_of_response:
        place = f"lineage={row.lineage};kind={row.kind}"
        yield f"/durations_of_response/{place}/", row.kaplan_meier


def test_a_metric_narrows_the_explanation():
    """Only numbers whose pointer begins so are explained."""
    found = explained(MetricFamily.SAFETY, trial(), "/exposure/level=A")
    assert found
    assert all(pointer.startswith("/exposure/level=A/") for pointer in found)


@pytest.mark.parametrize("metric", ["/nothing", "groups", "/groups/0/treated", "/treated/"])
def test_a_number_that_is_not_there_is_refused(metric):
    """Whoever mistypes a pointer is told so, and not that nobody counts."""
    with pytest.raises(DomainError) as refusal:
        explained(MetricFamily.SAFETY, trial(), metric)
    assert (refusal.value.code, refusal.value.reasons[0].pointer) == (
        "unknown_metric",
        "/query/metric",
    )


def test_a_number_that_is_none_has_nobody():
    """It is there, so asking what it rests on is no mistake."""
    assert explained(MetricFamily.SAFETY, trial()[:2], "/untreated") == {}


def test_what_follows_from_numbers_rests_on_these():
    """A rate on its events and its participants, a total so far on all months, a curve on times."""
    place = "/dose_limiting_toxicities/phase=escalation;level=A/dlts"
    rate = explained(MetricFamily.SAFETY, trial(), f"{place}/rate")
    assert rate.keys() == {f"{place}/events", f"{place}/n"}
    assert explained(MetricFamily.SAFETY, trial(), f"{place}/upper") == rate
    months = explained(MetricFamily.ENROLMENT, trial(), "/months")
    (last,) = {pointer.split("/")[2] for pointer in months if pointer.endswith("screened")}
    so_far = explained(MetricFamily.ENROLMENT, trial(), f"/months/{last}/screened_so_far")
    assert so_far == months
    curve = "/times_to_response/lineage=null/kaplan_meier"
    steps = explained(MetricFamily.EFFICACY, trial(), f"{curve}/steps/0/survival")
    assert steps == explained(MetricFamily.EFFICACY, trial(), f"{curve}/")


def test_what_is_constant_has_nobody():
    """A confidence is the same without anybody."""
    assert "/confidence" not in explained(MetricFamily.SAFETY, trial())


def test_who_was_never_treated_has_no_evidence_of_a_response():
    """Nothing is named where there is no conclusion."""
    leaf = numbers(COUNTS[MetricFamily.EFFICACY](()))["/treated"]
    nothing = CountedRecords()
    assert supporting(MetricFamily.EFFICACY, participant("01"), nothing, leaf) == ()
