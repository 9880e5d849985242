"""Versions of a result: any order of arrival ends alike, and what is doubtful is no version."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.inbound import SENTENCES, InboxReason, because
from app.domain.result_versions import (
    Dated,
    Judgement,
    Statement,
    current,
    judge,
    promotable,
    standing,
)
from app.domain.vocabulary import LabStatus, TimePrecision

COLLECTED = datetime(2026, 5, 20, 0, 30, tzinfo=UTC)
P, F, C = LabStatus.PRELIMINARY, LabStatus.FINAL, LabStatus.CORRECTED
GONE = LabStatus.ENTERED_IN_ERROR


def stated(status: LabStatus, value: str | None = None, hour: float = 1, **more) -> Statement:
    """Return a statement made some hours after the collection."""
    return replace(
        Statement(
            content=(None if value is None else Decimal(value),),
            status=status,
            collected_at=COLLECTED,
            precision=TimePrecision.SECOND,
            stated_at=COLLECTED + timedelta(hours=hour),
        ),
        **more,
    )


def arrive(statements) -> tuple[list[Statement], list[Judgement]]:
    """Store what are versions in the order of arrival; return them and every judgement."""
    versions: list[Statement] = []
    judgements = []
    for each in statements:
        judgement, _ = judge(each, versions) if versions else (Judgement.VERSION, None)
        judgements.append(judgement)
        if judgement is Judgement.VERSION:
            versions.append(replace(each, number=len(versions) + 1))
    return versions, judgements


# Six messages about one specimen, one an hour: P, F, C, D, C, W; each says something of ANC, PLT.
ANC = [stated(P, "1.1", 1), stated(F, "1.2", 2), stated(C, "1.3", 3), stated(GONE, None, 4)]
ANC += [stated(C, "1.4", 5), stated(GONE, None, 6)]
PLT = [stated(P, "90", 1), stated(F, "89", 2), stated(C, "97", 3), stated(GONE, None, 4)]
PLT += [stated(C, "98", 5)]


@pytest.mark.parametrize("dated", [Dated.SENDER, Dated.MESSAGE])
def test_every_order_of_arrival_ends_alike(dated):
    """In all 720 orders of P, F, C, D, C, W the ANC ends retracted and the PLT at 98, corrected."""
    for order in permutations(range(6)):
        anc, _ = arrive(replace(ANC[place], dated=dated) for place in order)
        plt, _ = arrive(replace(PLT[place], dated=dated) for place in order if place < len(PLT))
        assert current(anc).status is GONE, order
        last = current(plt)
        assert (last.status, last.content) == (C, (Decimal(98),)), order


@settings(max_examples=150)
@given(
    said=st.lists(
        st.tuples(st.sampled_from([F, C, GONE]), st.sampled_from(["1", "2"])),
        min_size=2,
        max_size=5,
    ),
    data=st.data(),
)
def test_what_its_sender_dates_ends_alike_in_any_order(said, data):
    """Whatever a sender says at different times, the last of it counts, however it arrives."""
    made = [stated(status, value, hour) for hour, (status, value) in enumerate(said, 1)]
    versions, _ = arrive(data.draw(st.permutations(made)))
    assert current(versions).repeats(made[-1])
    assert current(versions).stated_at == made[-1].stated_at


def test_what_stands_between_two_equal_statements_does_not_outlive_the_second():
    """A final report that was given again after a retraction counts, though both came before it."""
    versions, judgements = arrive([stated(F, "1", 1), stated(F, "1", 3), stated(GONE, None, 2)])
    assert judgements == [Judgement.VERSION] * 3
    assert current(versions).status is F


def test_the_same_statement_is_a_resend():
    """What repeats a statement of the same instant adds no version, and says which it repeats."""
    first = stated(F, "1", number=1)
    assert judge(stated(F, "1"), [first]) == (Judgement.DUPLICATE, first)


def test_an_old_report_dated_by_its_message_is_a_resend():
    """A first report sent again after its correction, in a new message, does not undo it."""
    versions, judgements = arrive(
        [stated(F, "1", 1), stated(C, "2", 2), stated(F, "1", 3, dated=Dated.MESSAGE)]
    )
    assert judgements[-1] is Judgement.DUPLICATE
    assert current(versions).status is C


@pytest.mark.parametrize("dated", [Dated.MESSAGE, Dated.RECEIPT])
@pytest.mark.parametrize("after", [stated(C, "2", 2), stated(GONE, None, 2)])
def test_an_old_report_sent_again_undoes_nothing_in_any_order(dated, after):
    """Its message is later than the correction, but that says nothing about the result."""
    first, again = stated(F, "1", 1, dated=dated), stated(F, "1", 3, dated=dated)
    for order in permutations([first, after, again]):
        assert current(arrive(order)[0]).repeats(after), order


def test_a_report_that_only_its_message_dates_never_undoes_a_correction():
    """Also when it says something that was not said before, such as the value without limits."""
    correction = stated(C, "2", 1)
    other = stated(F, "3", 5, dated=Dated.MESSAGE)
    for order in permutations([stated(F, "1", 0.5), correction, other]):
        assert current(arrive(order)[0]) == replace(correction, number=order.index(correction) + 1)


@pytest.mark.parametrize("dated", [Dated.SENDER, Dated.MESSAGE, Dated.RECEIPT])
def test_a_preliminary_report_never_undoes_a_final_one(dated):
    """Whatever is said of its time: what is final is only undone by a correction."""
    final, preliminary = stated(F, "1", 1, dated=dated), stated(P, "2", 5)
    for order in permutations([final, preliminary]):
        assert current(arrive(order)[0]).status is F


def test_that_there_is_no_value_yet_says_nothing_against_one():
    """A pending status stands below every statement, whenever it comes."""
    pending = stated(LabStatus.CANCELLED, None, -1, dated=Dated.NOTHING)
    for dated in (Dated.SENDER, Dated.MESSAGE):
        final = stated(F, "1", 1, dated=dated)
        assert current(arrive([pending, final])[0]).status is F
        assert current(arrive([final, pending])[0]).status is F


def test_a_correction_that_nothing_dates_is_a_resend_only_of_what_counts():
    """The same correction sent again is a resend; after a retraction it is a new statement."""
    again = stated(C, "2", 4, dated=Dated.RECEIPT)
    _, judgements = arrive([stated(F, "1", 1), stated(C, "2", 2), again])
    assert judgements[-1] is Judgement.DUPLICATE
    versions, judgements = arrive([stated(C, "2", 2), stated(GONE, None, 3), again])
    assert judgements[-1] is Judgement.VERSION
    assert current(versions).status is C


def test_two_statements_of_one_instant_contradict_each_other():
    """Other content of the same standing at the same instant is nobody's to choose from."""
    assert judge(stated(F, "2"), [stated(F, "1", number=1)])[0] is Judgement.CONTRADICTION
    cancelled = stated(LabStatus.CANCELLED)
    assert judge(cancelled, [stated(F, "1", number=1)])[0] is Judgement.CONTRADICTION


def test_a_correction_of_the_same_instant_stands_above_what_it_corrects():
    """At one instant a retraction stands above a correction, and that above a first report."""
    ladder = [P, F, C, GONE]
    assert [standing(each) for each in ladder] == sorted({standing(each) for each in ladder})
    for order in permutations(ladder):
        versions, _ = arrive(stated(status, "1") for status in order)
        assert current(versions).status is GONE


@pytest.mark.parametrize(
    ("precision", "apart", "same"),
    [
        (TimePrecision.DAY, timedelta(hours=23, minutes=59), True),
        (TimePrecision.DAY, timedelta(days=1), False),
        (TimePrecision.HOUR, timedelta(minutes=59), True),
        (TimePrecision.HOUR, timedelta(hours=1), False),
        (TimePrecision.MINUTE, timedelta(seconds=59), True),
        (TimePrecision.MINUTE, timedelta(minutes=1), False),
        (TimePrecision.SECOND, timedelta(0), True),
        (TimePrecision.SECOND, timedelta(seconds=1), False),
    ],
)
def test_another_collection_time_is_another_specimen(precision, apart, same):
    """A first report may not join a specimen that was collected at another time, as told."""
    early = stated(P, "1", 1, precision=precision)
    late = stated(F, "1", 30, collected_at=COLLECTED + apart)
    expected = Judgement.VERSION if same else Judgement.SPECIMEN_REUSED
    assert arrive([early, late])[1][-1] is expected
    assert arrive([late, early])[1][-1] is expected


@pytest.mark.parametrize("status", [C, LabStatus.AMENDED, GONE, LabStatus.CANCELLED])
def test_a_correction_of_another_collection_is_a_question(status):
    """It may correct the time, or be meant for another specimen of the same number."""
    moved = stated(status, "1", 2, collected_at=COLLECTED + timedelta(days=2))
    assert arrive([stated(F, "1", 1), moved])[1][-1] is Judgement.SPECIMEN_REUSED


def test_two_collections_of_one_instant_do_not_contradict_each_other():
    """They are two specimens of one number, which is another question."""
    later = stated(F, "2", 1, collected_at=COLLECTED + timedelta(hours=4))
    assert not later.clashes(stated(F, "1", 1))
    assert arrive([stated(F, "1", 1), later])[1][-1] is Judgement.SPECIMEN_REUSED


def test_a_promotion_speaks_of_the_last_statement_before_it():
    """What was said later, and that there is no value yet, are not what it makes final."""
    preliminary = stated(P, "1", 1, number=1)
    pending = stated(LabStatus.CANCELLED, None, -1, dated=Dated.NOTHING)
    later = stated(C, "2", 3, number=2)
    promotion = stated(F, None, 2)
    assert promotable(promotion, [pending, preliminary, later]) == preliminary
    assert promotable(promotion, [pending, later]) is None
    assert promotable(promotion, []) is None
    withdrawn = stated(GONE, None, 1.5, number=3)
    assert promotable(promotion, [preliminary, withdrawn]) == withdrawn


@pytest.mark.parametrize("reason", InboxReason)
def test_every_reason_says_what_to_do(reason):
    """Each reason of the inbox has one sentence, unless a more exact one is given."""
    assert because(reason).code == reason.value
    assert because(reason).message == SENTENCES[reason]
    assert SENTENCES[reason].endswith(".")
    assert because(reason, "More exact.").message == "More exact."
