"""Receiving messages: kept whole, answered alike, and every result accounted for."""

import asyncio
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.inbound import Door, InboundOutcome, InboxReason
from app.domain.sent_results import SentIdentifier
from app.domain.vocabulary import Role
from app.services import inbound_placing
from app.services.inbound import foresee, receive, sealed_place
from app.services.message_privacy import opened_answer
from tests.conftest import KEYRING, NOW, STUDY
from tests.factories.inbound import (
    ANC,
    PLT,
    again,
    at,
    calling,
    counting,
    delivery,
    result,
    rows,
    take,
)
from tests.factories.subjects import register

MESSAGES = "SELECT count(*) FROM inbound_message"
RESULTS = "SELECT count(*) FROM lab_result"


@pytest.fixture
async def caller(api, session):
    """A sender of the site of subject S-001."""
    await register(api)
    return await calling(api, session)


def counts(receipt) -> tuple[int, ...]:
    """Return what became of a message's results."""
    return (
        receipt.received, receipt.filed, receipt.duplicates, receipt.inbox, receipt.refused,
    )  # fmt: skip


async def test_a_message_is_kept_sealed_with_its_answer(session, caller):
    """Bytes and answer are kept; only the key opens them, and only in their place."""
    sent = delivery(result())
    receipt = await receive(session, caller, sent, KEYRING, NOW, lambda _: b"stored")
    assert receipt.answer == b"stored"
    query = "SELECT sealed, answer, received_at, size FROM inbound_message"
    ((sealed, answer, received_at, size),) = await rows(session, query)
    assert KEYRING.open(sealed, sealed_place(receipt.message_id)) == sent.raw
    assert opened_answer(KEYRING, receipt.message_id, answer) == b"stored"
    assert (received_at, size) == (NOW, len(sent.raw))
    assert b"S-001" not in sealed
    assert b"stored" not in answer


async def test_an_answer_from_before_is_given_as_it_was_kept(session, caller):
    """Before answers were sealed they were kept as they went out."""
    receipt = await receive(session, caller, delivery(result()), KEYRING, NOW, lambda _: b"one")
    assert opened_answer(KEYRING, receipt.message_id, b"in the open") == b"in the open"
    assert opened_answer(KEYRING, receipt.message_id, None) is None


@pytest.mark.parametrize(
    ("control_id", "is_kept"), [("M-1", True), ("S-001", False), ("X-MRN-7788", False)]
)
async def test_a_control_id_that_names_the_patient_is_not_kept(
    session, caller, control_id, is_kept
):
    """A keyed hash of it is; the same message is absorbed all the same, with its answer."""
    patients = (*result().patients, SentIdentifier(value="MRN-7788"))
    sent = delivery(replace(result(), patients=patients), control_id=control_id)
    first = await receive(session, caller, sent, KEYRING, NOW, lambda _: control_id.encode())
    again = await receive(session, caller, sent, KEYRING, NOW, lambda _: b"two")
    assert (again.repeated, again.answer) == (True, control_id.encode())
    assert again.message_id == first.message_id
    ((kept,),) = await rows(session, "SELECT control_id FROM inbound_message")
    assert (kept == control_id) == is_kept
    assert is_kept or re.fullmatch("withheld-[0-9a-f]{64}", kept)


async def test_the_same_bytes_again_get_the_same_answer(session, caller):
    """Nothing is written for a message that is here."""
    first = await receive(session, caller, delivery(result()), KEYRING, NOW, lambda _: b"one")
    second = await receive(session, caller, delivery(result()), KEYRING, NOW, lambda _: b"two")
    assert (second.repeated, second.answer, second.message_id) == (True, b"one", first.message_id)
    assert counts(second) == counts(first) == (1, 1, 0, 0, 0)
    assert await rows(session, MESSAGES) == [(1,)]


async def test_other_bytes_under_the_same_control_id_are_taken_and_flagged(session, caller):
    """Small counters restart; a result is not lost for it."""
    await take(session, caller, delivery(result()))
    receipt = await take(session, caller, delivery(result(ANC, "1.2")))
    assert receipt.flags == ("control_id_reused",)
    assert counts(receipt) == (1, 1, 0, 0, 0)


async def test_another_senders_control_id_is_another(api, session, caller):
    """Two laboratories count their messages apart."""
    await take(session, caller, delivery(result()))
    other = await calling(api, session, code="LIS-02", issuer="urn:other", subject="other")
    receipt = await take(session, other, delivery(result()))
    assert (receipt.repeated, receipt.flags) == (False, ())


async def test_without_a_control_id_every_message_is_new(session, caller):
    """The result in it is a duplicate all the same."""
    await take(session, caller, delivery(result(), control_id=None))
    receipt = await take(session, caller, delivery(result(), control_id=None))
    assert (receipt.repeated, counts(receipt)) == (False, (1, 0, 1, 0, 0))


async def test_what_may_not_repeat_is_a_new_statement(session, caller):
    """Put again under its own id, the same resource is taken again."""
    sent = delivery(result(), may_repeat=False)
    await take(session, caller, sent)
    receipt = await take(session, caller, sent)
    assert (receipt.repeated, receipt.flags, receipt.duplicates) == (False, (), 1)


async def test_a_refused_message_is_kept_as_a_dead_letter(session, caller):
    """Its results count as refused, and none is filed."""
    receipt = await take(session, caller, delivery(result(), refusal="not_production"))
    assert counts(receipt) == (1, 0, 0, 0, 1)
    assert await rows(session, "SELECT refusal FROM inbound_message") == [("not_production",)]
    assert await rows(session, RESULTS) == [(0,)]


async def test_a_message_that_waits_whole_has_one_item(session, caller):
    """It stands for as many results as plain search found."""
    sent = delivery(counted=4, whole=InboxReason.COUNT_MISMATCH, control_id=None)
    receipt = await take(session, caller, sent)
    assert counts(receipt) == (4, 0, 0, 4, 0)
    query = "SELECT id, kind, results, reasons, position FROM inbox_item"
    assert await rows(session, query) == [
        (receipt.message_item_id, "message", 4, ["count_mismatch"], None)
    ]


async def test_what_is_foreseen_is_not_kept(session, caller):
    """A dry run says the same as the real one and leaves nothing."""
    sent = delivery(result(), result("X", "1"))
    foreseen = await foresee(session, caller, sent, KEYRING, NOW)
    assert (await rows(session, MESSAGES), await rows(session, RESULTS)) == ([(0,)], [(0,)])
    assert counts(foreseen) == counts(await take(session, caller, sent)) == (2, 1, 0, 1, 0)


async def test_a_poison_message_waits_whole(session, caller, monkeypatch):
    """Whatever breaks on a message, it is kept and acknowledged, and nothing of it is filed."""

    def breaks(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(inbound_placing, "interpret", breaks)
    receipt = await take(session, caller, delivery(result(), result(ANC, "1.2")))
    assert counts(receipt) == (2, 0, 0, 2, 0)
    assert await rows(session, "SELECT reasons FROM inbox_item") == [(["processing_failed"],)]


async def test_a_database_that_is_busy_acknowledges_nothing(session, caller, monkeypatch):
    """Then the sender has to send again, so the failure passes on."""

    async def away(*_):
        raise TimeoutError

    monkeypatch.setattr(inbound_placing, "match_subjects", away)
    with pytest.raises(TimeoutError):
        await take(session, caller, delivery(result()))


async def test_whose_result_nobody_knows_waits(session, caller):
    """A message without a patient, with an unknown identifier or an unknown number."""
    unknown = (SentIdentifier(value="MRN-7", authority="HOSPITAL"),)
    for patients, reason in (
        ((), "patient_missing"),
        (unknown, "unknown_patient"),
        ((SentIdentifier(value="S-999", authority=STUDY),), "unknown_patient"),
    ):
        sent = delivery(result(patients=patients, accession=""), control_id=None)
        receipt = await take(session, caller, sent)
        assert [each.code for each in receipt.results[0].reasons] == [reason]


async def test_all_reasons_are_told_at_once(session, caller):
    """Who resolves an item should not meet its reasons one after the other."""
    odd = result("X", "?", "Z", patients=(), accession="")
    receipt = await take(session, caller, delivery(odd))
    found = {each.code for each in receipt.results[0].reasons}
    assert found >= {"unmapped_code", "unknown_status", "unreadable_value", "patient_missing"}


async def test_a_result_after_death_waits(api, session, caller):
    """The subject's own record says against it."""
    (subject,) = (await rows(session, "SELECT id FROM subject"))[0]
    body = {"event": "died", "event_date": "2026-05-01", "reason": "Recorded for a test."}
    answer = await api(Role.STUDY_COORDINATOR).post(f"/subjects/{subject}/disposition", json=body)
    assert answer.status_code == 201, answer.text
    receipt = await take(session, caller, delivery(result()))
    assert [each.code for each in receipt.results[0].reasons] == ["not_observable"]


async def test_the_same_message_twice_at_once_is_filed_once(committing_api, committing_database):
    """Eight deliveries of the same bytes at the same time: one is filed, seven are repeats."""
    await register(committing_api)
    async with committing_database.session() as session:
        await calling(committing_api, session)

    async def deliver():
        async with committing_database.session() as session:
            receipt = await take(session, await again(session), delivery(result()))
            await session.commit()
            return receipt.repeated

    repeated = await asyncio.gather(*(deliver() for _ in range(8)))
    assert sorted(repeated) == [False] + [True] * 7
    async with committing_database.session() as session:
        assert (await rows(session, MESSAGES), await rows(session, RESULTS)) == ([(1,)], [(1,)])


async def test_the_same_result_in_two_messages_at_once_is_filed_once(
    committing_api, committing_database
):
    """Other control ids, the same result: one version, and the rest are duplicates."""
    await register(committing_api)
    async with committing_database.session() as session:
        await calling(committing_api, session)

    async def deliver(number):
        async with committing_database.session() as session:
            sent = delivery(result(), result(ANC, "1.2"), control_id=f"M-{number}")
            receipt = await take(session, await again(session), sent)
            await session.commit()
            return receipt

    receipts = await asyncio.gather(*(deliver(number) for number in range(6)))
    assert sum(receipt.filed for receipt in receipts) == 2
    assert sum(receipt.duplicates for receipt in receipts) == 10


async def test_a_promotion_and_what_it_makes_final_at_once_meet(
    committing_api, committing_database
):
    """Whichever comes first, the count ends final and nothing waits."""
    await register(committing_api)
    async with committing_database.session() as session:
        await calling(committing_api, session)

    async def deliver(accession, status, value, hour):
        async with committing_database.session() as session:
            sent = result(value=value, status=status, stated=at(hour), accession=accession)
            message = delivery(sent, control_id=f"{accession}-{status}")
            await take(session, await again(session), message)
            await session.commit()

    for number in range(8):
        said = [(f"A-{number}", "P", "98", 1), (f"A-{number}", "U", "", 2)]
        await asyncio.gather(*(deliver(*each) for each in said))
    async with committing_database.session() as session:
        assert await rows(session, "SELECT DISTINCT status FROM inbox_item") in ([], [("filed",)])
        for number in range(8):
            assert await counting(session, f"A-{number}") == {"PLT": ("final", 98)}


RESULT = st.builds(
    result,
    code=st.sampled_from([ANC, PLT, "X"]),
    value=st.sampled_from(["1.2", "98", "?", ""]),
    status=st.sampled_from(["P", "F", "C", "D", "W", "U", "X", ""]),
    accession=st.sampled_from(["A-1", "A-2", ""]),
    stated=st.sampled_from([at(1), at(2), ""]),
    patients=st.sampled_from([(SentIdentifier(value="S-001", authority=STUDY),), ()]),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(messages=st.lists(st.lists(RESULT, max_size=4), min_size=1, max_size=4))
async def test_received_is_filed_and_duplicates_and_inbox_and_refused(session, caller, messages):
    """Whatever comes, the four counts sum up, and each filed result is one row."""
    attempt = await session.begin_nested()
    before = (await rows(session, RESULTS))[0][0]
    filed = 0
    for results in messages:
        receipt = await take(session, caller, delivery(*results, control_id=None))
        outcomes = [each.outcome for each in receipt.results]
        assert receipt.received == len(results) == sum(counts(receipt)[1:])
        assert receipt.filed == outcomes.count(InboundOutcome.FILED)
        assert receipt.inbox == outcomes.count(InboundOutcome.INBOX)
        filed += receipt.filed
    assert (await rows(session, RESULTS))[0][0] - before == filed
    await attempt.rollback()


@pytest.mark.parametrize("door", Door)
async def test_the_door_is_kept(session, caller, door):
    """Whichever way a message came, it is known by which."""
    await take(session, caller, delivery(result(), door=door))
    assert await rows(session, "SELECT door FROM inbound_message") == [(door.value,)]
