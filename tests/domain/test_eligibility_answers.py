"""Answers of people: what they decide, what needs a reason, and what never opens the door."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from app.domain.eligibility import Verdict
from app.domain.eligibility_answers import needs_reason
from app.domain.eligibility_evidence import EligibilityFacts, FlagCode, WindowName
from app.domain.eligibility_rules import Criterion, EligibilityRules, Outcome
from app.domain.facts import Attestation
from app.domain.vocabulary import AssessmentKind, Finding, MedicationClass
from app.protocols import read_definition
from tests.domain.eligible_subject import (
    ANSWERED_NO,
    ANSWERED_YES,
    ELIGIBLE,
    LATER,
    ZONE,
    answer,
    assessment,
    criterion,
    judged,
    lab,
    medication,
    rules,
    with_answers,
    with_assessment,
    with_lab,
    with_subject,
    without_labs,
)

FAILED_CREATININE = with_lab(lab("CREA", "150", uln="100"))
NO_CREATININE = without_labs("CREA")


def _answered(facts: EligibilityFacts, given: Attestation) -> tuple[Outcome, list[FlagCode]]:
    changed = with_answers(given, facts=facts)
    flags = [flag.code for flag in judged(changed).flags if flag.criterion == given.criterion]
    return criterion(changed, given.criterion).outcome, flags


def test_the_latest_answer_counts():
    """A later answer replaces an earlier one, in whatever order they are stored."""
    early, late = answer("E10", True), answer("E10", False, at=LATER + timedelta(hours=1))
    for both in ((early, late), (late, early)):
        result = criterion(with_answers(*both), "E10")
        assert (result.outcome, result.attestation) == (Outcome.NOT_MET, late)


def test_an_unanswered_question_asks_for_a_person():
    """Without an answer an attested criterion is unknown and says who has to act."""
    result = criterion(replace(ELIGIBLE, attestations=()), "E10")
    assert (result.outcome, result.permits_entry) == (Outcome.UNKNOWN, None)
    assert result.note == "A person has to answer this."


def test_a_contradiction_with_a_reason_is_applied_and_shown():
    """Both the computed outcome and the person's answer stay visible, and a flag is raised."""
    facts = with_answers(answer("E4", False, reason="sample haemolysed"), facts=FAILED_CREATININE)
    result = criterion(facts, "E4")
    assert (result.computed_outcome, result.outcome) == (Outcome.MET, Outcome.NOT_MET)
    assert result.attestation is not None
    assert result.attestation.reason == "sample haemolysed"
    assert result.evidence[-1] == result.attestation.id
    verdict = judged(facts)
    assert verdict.verdict is Verdict.ELIGIBLE
    assert [(flag.code, flag.criterion) for flag in verdict.flags] == [
        (FlagCode.CONTRADICTED, "E4")
    ]


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_contradiction_without_a_reason_never_lets_in(reason):
    """The computed exclusion stands, and the attempt is flagged."""
    outcome, flags = _answered(FAILED_CREATININE, answer("E4", False, reason=reason))
    assert outcome is Outcome.MET
    assert flags == [FlagCode.CONTRADICTION_WITHOUT_REASON]


def test_an_objection_without_a_reason_leaves_the_criterion_open():
    """Somebody who says that the subject must stay out is not overruled silently."""
    outcome, flags = _answered(ELIGIBLE, answer("E4", True))
    assert outcome is Outcome.UNKNOWN
    assert flags == [FlagCode.CONTRADICTION_WITHOUT_REASON]


def test_missing_data_can_be_answered_with_a_reason_only():
    """For a computed criterion a person may stand in for the data, but must say why."""
    assert _answered(NO_CREATININE, answer("E4", False)) == (
        Outcome.UNKNOWN,
        [FlagCode.CONTRADICTION_WITHOUT_REASON],
    )
    assert _answered(NO_CREATININE, answer("E4", False, reason="measured elsewhere")) == (
        Outcome.NOT_MET,
        [FlagCode.ANSWERED_WITHOUT_DATA],
    )


def test_a_contradiction_does_not_outlive_newer_facts():
    """A result collected after the contradiction was not known to the person: it stands."""
    given = answer("E4", False, reason="haemolysed", at=datetime(2026, 3, 8, 9, tzinfo=ZONE))
    assert _answered(FAILED_CREATININE, given) == (Outcome.NOT_MET, [FlagCode.CONTRADICTED])
    newer = with_lab(lab("CREA", "400", uln="100", hour=10))
    assert _answered(newer, given) == (Outcome.MET, [FlagCode.CONTRADICTION_OUTDATED])


@pytest.mark.parametrize(
    ("before", "after", "id_"),
    [
        (without_labs("HIV_AGAB"), lab("HIV_AGAB", finding=Finding.POSITIVE), "E11a"),
        (with_lab(lab("CREA", "151", uln="100")), lab("CREA", "600", uln="100"), "E4"),
    ],
    ids=["collected before, reported after", "corrected"],
)
def test_an_answer_cannot_speak_about_what_was_not_known_yet(before, after, id_):
    """However early it was collected, a result recorded after the answer stands."""
    given = answer(id_, False, reason="Asked at screening.")
    assert after.at < given.at
    assert _answered(before, given)[0] is Outcome.NOT_MET
    for minutes, expected in ((0, Outcome.NOT_MET), (1, Outcome.MET)):
        known_at = given.at + timedelta(minutes=minutes)
        outcome, flags = _answered(with_lab(replace(after, known_at=known_at), before), given)
        assert outcome is expected
        assert (FlagCode.CONTRADICTION_OUTDATED in flags) is (expected is Outcome.MET)


@pytest.mark.parametrize(
    ("facts", "id_"),
    [
        (with_assessment(
            replace(assessment(AssessmentKind.PREGNANCY_TEST, lactating=True),
                    known_at=LATER + timedelta(days=1))), "E15"),
        (with_assessment(
            replace(assessment(AssessmentKind.ECG, qtcf_ms=490),
                    known_at=LATER + timedelta(days=1))), "E9c"),
        (replace(ELIGIBLE, medications=(
            replace(medication(MedicationClass.LIVE_VACCINE, date(2026, 2, 20)),
                    known_at=LATER + timedelta(days=1)),)), "E14a"),
    ],
    ids=["assessment", "electrocardiogram", "medication"],
)  # fmt: skip
def test_every_kind_of_fact_outdates_an_answer(facts, id_):
    """Assessments and medications recorded after a reasoned answer stand like results do."""
    assert _answered(facts, answer(id_, False, reason="Asked.")) == (
        Outcome.MET,
        [FlagCode.CONTRADICTION_OUTDATED],
    )


def test_agreement_changes_nothing():
    """An answer that repeats the computed outcome needs no reason and raises no flag."""
    assert _answered(FAILED_CREATININE, answer("E4", True)) == (Outcome.MET, [])


def test_a_positive_test_needs_a_reason_to_be_overruled():
    """E3e: a person's unreasoned 'no viremia' does not stand against a positive PCR."""
    positive = with_lab(lab("CMV_DNA", finding=Finding.POSITIVE))
    assert criterion(positive, "E3e").outcome is Outcome.MET
    result = judged(positive)
    assert result.failed == ("E3e",)
    assert result.flags[0].code is FlagCode.CONTRADICTION_WITHOUT_REASON


def test_what_does_not_concern_the_subject_agrees_with_a_harmless_answer():
    """'No' to an item that is not applicable changes nothing; 'yes' opens the question."""
    without = with_subject(allogeneic_transplant_day=None, had_allogeneic_transplant=False)
    assert _answered(without, answer("E13c", False)) == (Outcome.NOT_APPLICABLE, [])
    assert _answered(without, answer("E13c", True)) == (
        Outcome.UNKNOWN,
        [FlagCode.CONTRADICTION_WITHOUT_REASON],
    )
    assert _answered(without, answer("E13c", True, reason="seen in the old file")) == (
        Outcome.MET,
        [FlagCode.CONTRADICTED],
    )


def test_a_coded_class_settles_what_nobody_examined():
    """E9d: without a recorded NYHA class a person's answer suffices, without a reason."""
    facts = with_assessment(
        assessment(AssessmentKind.PHYSICAL_EXAMINATION, fev1_percent_predicted=81)
    )
    assert _answered(facts, answer("E9d", False)) == (Outcome.NOT_MET, [])


@pytest.mark.parametrize(("day", "early"), [(2, True), (3, False)])
def test_an_answer_about_the_last_week_should_fall_into_it(day, early):
    """E3: 'no' from before the week that it speaks about leaves the week open; 'yes' stays."""
    at = datetime(2026, 3, day, 12, tzinfo=ZONE)
    flags = [FlagCode.ANSWER_BEFORE_WINDOW] if early else []
    no = Outcome.UNKNOWN if early else Outcome.NOT_MET
    assert _answered(ELIGIBLE, answer("E3b", False, at=at)) == (no, flags)
    assert _answered(ELIGIBLE, answer("E3b", True, at=at)) == (Outcome.MET, flags)
    note = criterion(with_answers(answer("E3b", False, at=at)), "E3b").note
    assert ("answer this again" in note) is early


def test_an_early_answer_does_not_hide_a_positive_test():
    """E3e: the computed exclusion stands against an early 'no', with a reason or without."""
    early = datetime(2026, 3, 2, 12, tzinfo=ZONE)
    positive = with_lab(lab("CMV_DNA", finding=Finding.POSITIVE, known_at=early))
    given = answer("E3e", False, reason="Contaminated.", at=early)
    assert _answered(positive, given) == (
        Outcome.MET,
        [FlagCode.CONTRADICTED, FlagCode.ANSWER_BEFORE_WINDOW],
    )


def test_an_answer_that_looks_back_counts():
    """E3: late entry dates the answer after the infusion, which is no fault."""
    given = answer("E3b", False, at=datetime(2026, 9, 1, 12, tzinfo=ZONE))
    assert _answered(ELIGIBLE, given) == (Outcome.NOT_MET, [])


def test_answers_to_unknown_criteria_are_ignored():
    """An answer to something that this version does not ask changes nothing."""
    assert judged(with_answers(answer("E99", True))) == judged(ELIGIBLE)
    assert rules().criterion("E99") is None


@pytest.mark.parametrize(
    ("id_", "computed", "met", "expected"),
    [
        ("E4", Outcome.MET, False, True),
        ("E4", Outcome.MET, True, False),
        ("E4", Outcome.UNKNOWN, False, True),
        ("E10", Outcome.UNKNOWN, True, False),
        ("E13c", Outcome.NOT_APPLICABLE, True, True),
        ("E13c", Outcome.NOT_APPLICABLE, False, False),
        ("I7", Outcome.NOT_APPLICABLE, False, True),
    ],
)
def test_when_a_reason_is_needed(id_, computed, met, expected):
    """A reason is needed against a computed outcome, and in place of missing data."""
    asked = rules().criterion(id_)
    assert asked is not None
    assert needs_reason(asked, computed, met) is expected


def test_only_these_criteria_take_an_answer_without_a_reason():
    """Attested and coded items, and those where no record proves nothing (E1, E14a, E17)."""
    free = {each.id for each in rules().criteria if each.person_may_answer}
    assert free == {*ANSWERED_YES, *ANSWERED_NO, "E9d", "E15"}


def test_answers_about_the_last_week_are_those_on_infection():
    """Only E3 speaks of the week before the first infusion in words alone."""
    windows = {each.id: each.answer_window for each in rules().criteria if each.answer_window}
    assert windows == {f"E3{letter}": WindowName.INFECTION for letter in "abcdefg"}


def _refused(change) -> str:
    document = read_definition("NCT07212335", 1)["eligibility"]
    change(document)
    with pytest.raises(ValidationError) as error:
        TypeAdapter(EligibilityRules).validate_python(document)
    return str(error.value)


def test_contradictory_definitions_are_refused():
    """Missing windows, doubled ids and unanswerable items do not load."""
    assert "every window needs its days" in _refused(lambda d: d["windows"].pop("infection"))
    assert "criterion ids must differ" in _refused(lambda d: d["criteria"].append(d["criteria"][0]))
    assert "nobody could ever answer it" in _refused(
        lambda d: d["criteria"][5].update(person_may_answer=False)
    )
    assert "cannot start after its anchor" in _refused(
        lambda d: d["windows"]["screening"].update(days_before=-1)
    )


@pytest.mark.parametrize(
    ("id_", "change", "message"),
    [
        ("E9g", {"assessment": "ecog"}, "ecog has no fev1_percent_predicted"),
        ("E9g", {"assessment": "vital_signs"}, "vital_signs has no fev1_percent_predicted"),
        ("E2b", {"key": "score"}, "bone_marrow has no score"),
        (
            "E11a",
            {"tests": [{"analyte": "HIV_AGAB", "screen_key": "score", "sense": "detected"}]},
            "an infection screen has no score",
        ),
    ],
)
def test_rules_name_only_keys_that_exist(id_, change, message):
    """A rule that reads a key which its kind of assessment lacks does not load."""
    document = read_definition("NCT07212335", 1)["eligibility"]
    block = next(each for each in document["criteria"] if each["id"] == id_)
    block["rule"].update(change)
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Criterion).validate_python(block)
