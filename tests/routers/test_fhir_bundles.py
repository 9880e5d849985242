"""Bundles of laboratory systems: batch, transaction and message, each entry with its outcome."""

import pytest
from sqlalchemy import text

from tests.factories.subjects import register
from tests.interop.fhir.samples import bundle, entry, message, neutrophils, patient, platelets
from tests.routers.fhir_doors import issue, laboratory, post, valid

UNKNOWN = {"text": "Nobody knows"}


@pytest.fixture
async def lab(api):
    """A client of a laboratory system at the site of the subject S-001."""
    await register(api)
    return await laboratory(api)


def statuses(answer):
    """Return the status of each entry of an answered bundle."""
    return [each["response"]["status"][:3] for each in valid(answer)["entry"]]


async def stored(session):
    """Return how many messages, results and inbox items there are."""
    tables = ("inbound_message", "lab_result", "inbox_item")
    return [await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables]


@pytest.mark.parametrize("path", ["", "/"])
async def test_a_batch_takes_what_it_can(lab, session, path):
    """Both addresses answer without a redirect; what is not stored says so, entry by entry."""
    sent = bundle(
        entry(patient()),
        entry(neutrophils(id="a"), "PUT"),
        entry(platelets(code=UNKNOWN)),
        entry(neutrophils(id="a"), "DELETE"),
        {"resource": neutrophils(), "request": {"method": "POST", "url": "Patient"}},
    )
    answer = await post(lab, path, sent)
    assert valid(answer)["type"] == "batch-response"
    assert statuses(answer) == ["422", "201", "200", "422", "400"]
    filed = answer.json()["entry"][1]["response"]
    assert filed["location"].startswith("Observation/")
    assert filed["etag"] == 'W/"1"'
    assert "location" not in answer.json()["entry"][2]["response"]
    assert await stored(session) == [1, 1, 1]


async def test_a_batch_sent_again_is_answered_the_same(lab, session):
    """With an identifier the same bytes write nothing; without one each result is a duplicate."""
    named = bundle(entry(neutrophils()), identifier={"system": "urn:lab", "value": "B-1"})
    first, again = await post(lab, "", named), await post(lab, "", named)
    assert (statuses(first), statuses(again)) == (["201"], ["200"])
    location = [each.json()["entry"][0]["response"]["location"] for each in (first, again)]
    assert location[0] == location[1]
    assert await stored(session) == [1, 1, 0]
    unnamed = bundle(entry(neutrophils()))
    assert statuses(await post(lab, "", unnamed)) == ["200"]
    assert statuses(await post(lab, "", unnamed)) == ["200"]
    assert await stored(session) == [3, 1, 0]


async def test_a_transaction_is_all_or_nothing(lab, session):
    """One entry that is not taken refuses the whole; its place is named."""
    sent = bundle(entry(neutrophils()), entry(patient()), type_="transaction")
    found = issue(await post(lab, "", sent), 422)
    assert (found["code"], found["expression"]) == ("not-supported", ["Bundle.entry[1]"])
    broken = bundle(
        entry(neutrophils()), {"request": {"method": "POST", "url": "x"}}, type_="transaction"
    )
    assert issue(await post(lab, "", broken), 400)["code"] == "structure"
    assert await stored(session) == [0, 0, 0]


async def test_a_lenient_sender_is_told_what_was_passed_over(lab, session):
    """With `handling=lenient` the transaction is stored and the entry has an information issue."""
    sent = bundle(entry(neutrophils()), entry(patient()), type_="transaction")
    answer = await post(lab, "", sent, Prefer="handling=lenient")
    assert valid(answer)["type"] == "transaction-response"
    assert statuses(answer) == ["201", "200"]
    (told,) = answer.json()["entry"][1]["response"]["outcome"]["issue"]
    assert (told["severity"], told["code"]) == ("information", "not-supported")
    assert await stored(session) == [1, 1, 0]


async def test_a_transaction_with_doubtful_results_keeps_them(lab, session):
    """A result that waits in the inbox is no bad entry, unless the sender is strict."""
    sent = bundle(entry(neutrophils()), entry(platelets(code=UNKNOWN)), type_="transaction")
    refused = await post(lab, "", sent, Prefer="handling=strict")
    assert refused.status_code == 422
    assert await stored(session) == [0, 0, 0]
    assert statuses(await post(lab, "", sent)) == ["201", "200"]
    assert await stored(session) == [1, 1, 1]


@pytest.mark.parametrize("path", ["/$process-message", ""])
async def test_a_message_is_answered_by_a_message(lab, session, path):
    """The response names the header it answers, says ok, and holds an outcome for each result."""
    mine = neutrophils(subject={"reference": "Patient/p1"})
    answer = valid(await post(lab, path, message(patient(), mine, platelets())))
    header, outcome = (each["resource"] for each in answer["entry"])
    assert answer["type"] == "message"
    assert (header["response"]["identifier"], header["response"]["code"]) == ("m-1", "ok")
    assert header["response"]["details"]["reference"] == answer["entry"][1]["fullUrl"]
    assert len(outcome["issue"]) == 2
    assert await stored(session) == [1, 1, 1]
    again = valid(await post(lab, path, message(patient(), mine, platelets())))
    assert again["entry"][1]["resource"]["issue"] == outcome["issue"]
    assert await stored(session) == [1, 1, 1]


async def test_a_message_without_much_of_a_header_is_answered(lab):
    """Ids and events that R4 does not allow are not echoed."""
    sent = message(platelets())
    sent["entry"][0]["resource"] = {"resourceType": "MessageHeader", "id": "<no id>"}
    header = valid(await post(lab, "", sent))["entry"][0]["resource"]
    assert header["response"]["identifier"] == "unknown"


async def test_what_was_not_read_whole_waits_whole(lab, session):
    """An Observation that plain search finds in an unusual place sends all to a person."""
    outcome = valid(await post(lab, "", message(platelets(), bundle(entry(neutrophils())))))
    (found,) = outcome["entry"][1]["resource"]["issue"]
    assert "kept whole" in found["diagnostics"]
    assert await stored(session) == [1, 0, 1]
    strict = await post(
        lab, "", message(bundle(entry(neutrophils())), id="2"), Prefer="handling=strict"
    )
    assert strict.status_code == 422


async def test_only_messages_are_processed_as_messages(lab):
    """A batch is for the base address."""
    found = issue(await post(lab, "/$process-message", bundle(entry(neutrophils()))), 400)
    assert found["expression"] == ["Bundle.type"]


async def test_a_bundle_of_500_entries_is_too_large(lab, session):
    """413, and nothing is stored."""
    answer = await post(lab, "", bundle(*[entry(neutrophils())] * 500))
    assert issue(answer, 413)["code"] == "too-costly"
    assert await stored(session) == [0, 0, 0]
