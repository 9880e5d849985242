"""The whole response of a subject: what was known when, in any order, under any reading."""

from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.response import ResponseFacts, derive_response
from app.domain.response_rules import LineageRule, TransfusionScope
from app.domain.vocabulary import LabStatus
from tests.domain.response_cases import (
    GOOD,
    RULES,
    category,
    day,
    disposition,
    facts,
    infusion,
    lab,
    medication,
    panel,
    panels,
    respond,
    series,
    transfusion,
)


def test_subject_without_infusion_has_nothing_due():
    """Before the first infusion there is no response, and every reading says so."""
    for response in (
        respond(panels({5: GOOD}), infusions=(infusion(1, None),)),
        respond(panels({5: GOOD}), infusions=()),
        respond(panels({5: GOOD}), as_of=-1),
    ):
        assert (response.treatment, response.lineages, response.sensitivity) == (None, (), ())
        assert len(response.endpoints) == 8
        assert {x.standing.category for x in response.endpoints} == {"not_due"}
        assert response.best.reason == "not_treated"


def test_response_names_its_configuration():
    """The answer says under which of the debatable readings it holds."""
    response = respond(panels({}))
    assert (response.subject_id, response.as_of_day) == ("subject", day(400))
    assert (response.lineage_rule, response.transfusion_scope) == ("below_cr", "any")


def sensitivity(response):
    """Show the other readings: best, week 4, and whether anything differs."""
    return {
        (x.lineage_rule.value, x.transfusion_scope.value): (
            x.best.value,
            x.weeks[0].category.value,
            x.differs,
        )
        for x in response.sensitivity
    }


def test_both_debatable_readings_stand_side_by_side():
    """Red cells block neutrophils only under any; platelets from 150 count only under all."""
    start = panel(-1, "0.3", "150", "62")
    neutrophils = respond(start, series("ANC", {24: "0.8", 28: "0.8"}), transfusion(26))
    assert category(neutrophils, 4) == "NR"
    assert sensitivity(neutrophils) == {
        ("below_cr", "lineage"): ("PR", "PR", True),
        ("all", "any"): ("NR", "NR", False),
        ("all", "lineage"): ("PR", "PR", True),
    }
    platelets = respond(start, series("PLT", {24: "165", 28: "165"}))
    assert category(platelets, 4) == "NR"
    assert sensitivity(platelets) == {
        ("below_cr", "lineage"): ("NR", "NR", False),
        ("all", "any"): ("PR", "PR", True),
        ("all", "lineage"): ("PR", "PR", True),
    }


def test_sensitivity_leaves_out_the_configured_pair():
    """Whatever is configured, the three other pairs are shown."""
    rules = replace(RULES, lineage_rule=LineageRule.ALL, transfusion_scope=TransfusionScope.LINEAGE)
    pairs = {
        (x.lineage_rule, x.transfusion_scope) for x in respond(panels({}), rules=rules).sensitivity
    }
    assert pairs == {
        (LineageRule.BELOW_CR, TransfusionScope.ANY),
        (LineageRule.BELOW_CR, TransfusionScope.LINEAGE),
        (LineageRule.ALL, TransfusionScope.ANY),
    }


VALUES = {"ANC": ["0.3", "0.9", "1.5", "<0.5"], "PLT": ["12", "30", "100"], "HGB": ["62", "101"]}


@st.composite
def histories(draw) -> ResponseFacts:
    """Draw a small history of one subject, with every kind of fact."""
    keys = draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(VALUES)), st.integers(-3, 70), st.sampled_from([8, 20])
            ),
            max_size=14,
            unique=True,
        )
    )
    statuses = st.sampled_from([LabStatus.FINAL, LabStatus.CORRECTED, LabStatus.CANCELLED])
    labs = tuple(
        lab(
            analyte,
            number,
            draw(st.sampled_from(VALUES[analyte])),
            hour=hour,
            status=draw(statuses),
            name=f"{analyte}{number}/{hour}",
        )
        for analyte, number, hour in keys
    )
    blood = draw(st.sets(st.integers(-8, 70), max_size=2))
    drugs = draw(
        st.sets(
            st.tuples(st.sampled_from(["g_csf", "stem_cell_boost"]), st.integers(-8, 70)),
            max_size=2,
        )
    )
    gone = draw(
        st.sets(
            st.tuples(st.sampled_from(["died", "withdrew_treatment"]), st.integers(1, 70)),
            max_size=1,
        )
    )
    return facts(
        labs,
        tuple(transfusion(x, draw(st.sampled_from(["red_cells", "platelets"]))) for x in blood),
        tuple(medication(*x) for x in drugs),
        tuple(disposition(*x) for x in gone),
        infusions=(infusion(1, 0), infusion(2, draw(st.sampled_from([7, 9, None])))),
        planned=2,
    )


@settings(max_examples=60)
@given(histories(), st.integers(-1, 80), st.randoms(use_true_random=False))
def test_order_of_facts_does_not_matter(history: ResponseFacts, as_of: int, chance: Random):
    """The same facts in another order give the same answer, to the last evidence id."""

    def shuffled(entries):
        return tuple(chance.sample(entries, len(entries)))

    other = replace(
        history,
        **{
            field.name: shuffled(getattr(history, field.name))
            for field in fields(history)
            if isinstance(getattr(history, field.name), tuple)
        },
    )
    assert derive_response(other, RULES, day(as_of)) == derive_response(history, RULES, day(as_of))


@settings(max_examples=60)
@given(histories(), st.integers(0, 80))
def test_facts_after_the_day_and_invalid_results_do_not_matter(history: ResponseFacts, as_of: int):
    """What is dated later, cancelled or still to be given changes nothing on a day."""
    known = replace(
        history,
        labs=tuple(
            x for x in history.labs if x.day <= day(as_of) and x.status is not LabStatus.CANCELLED
        ),
        transfusions=tuple(x for x in history.transfusions if x.day <= day(as_of)),
        medications=tuple(x for x in history.medications if x.start_day <= day(as_of)),
        dispositions=tuple(x for x in history.dispositions if x.day <= day(as_of)),
        infusions=tuple(
            x if x.day is not None and x.day <= day(as_of) else infusion(x.number, None)
            for x in history.infusions
        ),
    )
    assert derive_response(history, RULES, day(as_of)) == derive_response(known, RULES, day(as_of))


@settings(max_examples=60)
@given(histories())
def test_categories_agree_with_one_another(history: ResponseFacts):
    """No week beats the best category, nor four weeks the eight that contain them."""
    response = derive_response(history, RULES, day(400))
    rank = {"not_due": 0, "NE": 0, "NR": 0, "PR": 1, "CR": 2}
    best = rank[response.best.confirmed.value]
    readings = {(x.reading.week, x.reading.mode, x.reading.anchor): x for x in response.endpoints}
    for (week, mode, anchor), reading in readings.items():
        confirmed = rank[reading.standing.confirmed.value]
        assert confirmed <= best
        if mode == "within" and week == 8:
            assert rank[readings[4, mode, anchor].standing.confirmed.value] <= confirmed


def test_facts_of_the_day_itself_are_known():
    """An infusion, a count, a drug, a therapy or a departure of the day counts on that day."""
    assert respond(panels({}), as_of=0).treatment.last_day == day(0)
    counted = respond(panels({5: GOOD}), medication("g_csf", 5, hour=7), as_of=5)
    (test,) = counted.lineages[0].tests
    assert [flag.code for flag in test.flags] == ["g_csf"]
    for ending in (disposition("died", 5), medication("stem_cell_boost", 5)):
        assert respond(panels({}), ending, as_of=5).observation_end.day == day(5)
        assert respond(panels({}), ending, as_of=4).observation_end is None
    stopped = {"infusions": (infusion(1, 0), infusion(2, None)), "planned": 2}
    withdrawal = disposition("withdrew_treatment", 5)
    assert respond(panels({}), withdrawal, as_of=5, **stopped).treatment.to_come is False
    assert respond(panels({}), withdrawal, as_of=4, **stopped).treatment.to_come is True


WIRE_TYPES = (str, int, bool, Decimal, date, datetime, StrEnum, type(None))


def plain(value) -> bool:
    """Tell whether a value consists of what goes onto the wire as it is."""
    if is_dataclass(value):
        return all(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple):
        return all(map(plain, value))
    return isinstance(value, WIRE_TYPES)


@settings(max_examples=30)
@given(histories())
def test_every_episode_rests_on_known_facts_and_everything_is_plain_data(history: ResponseFacts):
    """Evidence names recorded facts only, and the answer holds nothing but plain values."""
    response = derive_response(history, RULES, day(400))
    assert plain(response)
    groups = (history.labs, history.transfusions, history.medications, history.dispositions)
    known = {entry.id for group in (*groups, history.infusions) for entry in group}
    named = {
        x for lineage in response.lineages for e in lineage.response.episodes for x in e.evidence
    }
    named |= {x for reading in response.endpoints for x in reading.standing.evidence}
    assert named <= known
