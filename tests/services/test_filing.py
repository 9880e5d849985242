"""Filing what laboratory systems send: any order ends alike, and what is doubtful is not filed."""

import random
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest

from app.domain.sender_profile import SpecimenBy
from app.domain.vocabulary import Role
from tests.factories.inbound import ANC, PLT, at, calling, counting, delivery, result, rows, take
from tests.factories.subjects import register

# Six messages about one specimen, an hour apart: (status, ANC, PLT); None says nothing of it.
SAID = [
    ("P", "1.1", "90"), ("F", "1.2", "89"), ("C", "1.3", None), ("D", "", None),
    ("C", None, "98"), ("W", "", None),
]  # fmt: skip
ORDERS = random.Random(7).sample(list(permutations(range(6))), 24)
OPEN = "SELECT kind, reasons FROM inbox_item WHERE status = 'open' ORDER BY id"


@pytest.fixture
async def caller(api, session):
    """A sender of the site of subject S-001."""
    await register(api)
    return await calling(api, session)


async def say(session, caller, *results):
    """Send results in a message of their own; return what became of them."""
    receipt = await take(session, caller, delivery(*results, control_id=None))
    return [
        (each.outcome.value, *(reason.code for reason in each.reasons)) for each in receipt.results
    ]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(map(str, order)))
async def test_every_order_of_arrival_ends_alike(session, caller, order):
    """Whatever comes first of P, F, C, D, C, W: ANC is retracted, PLT is 98 and corrected."""
    for place in order:
        status, anc, plt = SAID[place]
        results = [
            result(code, value, status, stated=at(1 + place))
            for code, value in ((ANC, anc), (PLT, plt))
            if value is not None
        ]
        await say(session, caller, *results)
    assert await counting(session) == {
        "ANC": ("entered_in_error", None),
        "PLT": ("corrected", Decimal(98)),
    }
    assert await rows(session, OPEN) == [("task", ["wrong_patient"])]


async def test_a_promotion_waits_for_what_it_makes_final(session, caller):
    """It files itself when the preliminary result comes, with the content of that."""
    promotion = result(value="", status="U", stated=at(3))
    assert await say(session, caller, promotion) == [("inbox", "nothing_to_promote")]
    assert await say(session, caller, result(status="P", stated=at(2))) == [("filed",)]
    assert await counting(session) == {"PLT": ("final", Decimal(98))}
    ended = "SELECT status, resolution, lab_result_id IS NOT NULL FROM inbox_item"
    assert await rows(session, ended) == [("filed", "promoted_by_arrival", True)]


async def test_a_promotion_makes_what_is_here_final(session, caller):
    """The preliminary result stays as a version; a promotion sent again is a duplicate."""
    await say(session, caller, result(status="P"))
    promotion = result(value="", status="U", stated=at(2))
    assert await say(session, caller, promotion) == [("filed",)]
    assert await say(session, caller, promotion) == [("duplicate",)]
    assert await counting(session) == {"PLT": ("final", Decimal(98))}


# What is said of one preliminary count of 98, with the hour; the promotion says nothing itself.
PROMOTED = {
    "withdrawn": ([("P", "98", 1), ("D", "", 2), ("U", "", 3)], ("entered_in_error", None)),
    "corrected": ([("P", "98", 1), ("C", "100", 2), ("U", "", 3)], ("corrected", Decimal(100))),
    "final": ([("P", "98", 1), ("F", "101", 2), ("U", "", 3)], ("final", Decimal(101))),
    "again": ([("P", "98", 1), ("P", "99", 2), ("U", "", 3)], ("final", Decimal(99))),
    "pending": ([("I", "", 0), ("P", "98", 1), ("U", "", 3)], ("final", Decimal(98))),
    "pending later": ([("P", "98", 1), ("U", "", 3), ("O", "", 4)], ("final", Decimal(98))),
}


@pytest.mark.parametrize(("said", "end"), PROMOTED.values(), ids=PROMOTED)
async def test_what_surrounds_a_promotion_ends_alike_in_any_order(session, caller, said, end):
    """What was said after the preliminary count stands above it, made final or not."""
    for number, order in enumerate(permutations(said)):
        own = f"A-{number}"
        for status, value, hour in order:
            sent = result(value=value, status=status, stated=at(hour), accession=own)
            await say(session, caller, sent)
        assert await counting(session, own) == {"PLT": end}, order


@pytest.mark.parametrize("undo", ["C", "D"])
async def test_an_old_report_in_a_new_message_undoes_nothing(session, caller, undo):
    """In any order of arrival, and also when it comes without its reference range."""
    old = result(value="98", stated_by_message=True, reference_range="125-350")
    again = replace(old, stated=at(9), reference_range="")
    later = result(value="100" if undo == "C" else "", status=undo, stated=at(2))
    end = ("corrected", Decimal(100)) if undo == "C" else ("entered_in_error", None)
    for number, order in enumerate(permutations([old, again, later])):
        own = f"A-{number}"
        for each in order:
            await say(session, caller, replace(each, accession=own))
        assert await counting(session, own) == {"PLT": end}, order


async def test_two_draws_of_one_number_in_one_message_are_two_questions(session, caller):
    """The first is filed, the second may be another specimen; neither contradicts the other."""
    both = await say(session, caller, result(value="98"), result(value="60", collected=at(0.5)))
    assert sorted(both) == [("filed",), ("inbox", "specimen_reused")]


@pytest.mark.parametrize("status", ["C", "A", "D", "W", "X"])
async def test_a_correction_of_another_collection_touches_nothing(session, caller, status):
    """It may be meant for another specimen of the same number, so a person decides."""
    await say(session, caller, result(value="98"))
    sent = result(value="55", status=status, collected=at(48), stated=at(50))
    assert await say(session, caller, sent) == [("inbox", "specimen_reused")]
    assert await counting(session) == {"PLT": ("final", Decimal(98))}


async def test_the_patients_own_number_names_no_specimen(session, caller):
    """It is not stored, and the collection tells the specimen."""
    assert await say(session, caller, result(accession="S-001")) == [("filed",)]
    assert await rows(session, "SELECT accession FROM lab_result") == [(None,)]


async def test_two_results_of_one_moment_contradict_each_other(session, caller):
    """In one message neither is filed; against what is here, the new one is not."""
    both = await say(session, caller, result(value="98"), result(value="89"))
    assert both == [("inbox", "contradiction")] * 2
    assert await say(session, caller, result(value="98")) == [("filed",)]
    assert await say(session, caller, result(value="89")) == [("inbox", "contradiction")]


async def test_the_same_result_twice_in_a_message_is_a_duplicate(session, caller):
    """One of the two is filed."""
    twice = await say(session, caller, result(), result())
    assert sorted(twice) == [("duplicate",), ("filed",)]


async def test_a_reused_accession_waits(session, caller):
    """The same number with another collection time may be another specimen."""
    await say(session, caller, result())
    later = result(value="60", collected=at(48), stated=at(50))
    assert await say(session, caller, later) == [("inbox", "specimen_reused")]


async def test_what_follows_a_specimen_told_apart_goes_to_it(session, caller):
    """Its correction, and its report sent again, do not touch the older specimen of the number."""
    await say(session, caller, result())
    later = {"collected": at(48), "stated_by_message": True}
    apart = replace(caller.profile, specimen_by=SpecimenBy.ACCESSION_AND_COLLECTION)
    second = result(value="60", stated=at(50), **later)
    assert await say(session, replace(caller, profile=apart), second) == [("filed",)]
    corrected = result(value="61", status="C", stated=at(51), **later)
    assert await say(session, caller, corrected) == [("filed",)]
    assert await say(session, caller, replace(second, stated=at(52))) == [("duplicate",)]
    query = "SELECT specimen = 'A-1', value FROM lab_result ORDER BY id"
    assert await rows(session, query) == [
        (True, Decimal(98)), (False, Decimal(60)), (False, Decimal(61)),
    ]  # fmt: skip


async def test_a_wrong_patient_raises_one_task(session, caller):
    """Also for a result that was withdrawn before; sent again it raises none."""
    await say(session, caller, result())
    await say(session, caller, result(value="", status="D", stated=at(2)))
    wrong = result(value="", status="W", stated=at(2))
    assert await say(session, caller, wrong) == [("duplicate",)]
    assert await say(session, caller, wrong) == [("duplicate",)]
    assert await rows(session, OPEN) == [("task", ["wrong_patient"])]


async def test_a_final_result_sent_again_is_a_duplicate(session, caller):
    """An old report repeated in a new message does not undo its correction."""
    await say(session, caller, result(value="98", stated=at(1), stated_by_message=True))
    await say(session, caller, result(value="89", status="C", stated=at(2)))
    again = result(value="98", stated=at(3), stated_by_message=True)
    assert await say(session, caller, again) == [("duplicate",)]
    assert await counting(session) == {"PLT": ("corrected", Decimal(89))}


async def test_versions_are_kept_with_the_senders_own_words(session, caller):
    """Each version says where it came from and what was written there."""
    await say(session, caller, result(reference_range="125-350", flags=("L",)))
    await say(session, caller, result(value="89", status="C", stated=at(2)))
    query = """
        SELECT result_version, value, original_value, original_status, original_range,
               original_flags, original_code, position, message_id IS NOT NULL
        FROM lab_result ORDER BY result_version
    """
    code = "777-3^LN"
    assert await rows(session, query) == [
        (1, Decimal(98), "98", "F", "125-350", "L", code, 0, True),
        (2, Decimal(89), "89", "C", None, None, code, 0, True),
    ]


async def test_a_correction_changes_what_rested_on_the_result(api, session, caller):
    """The grade of a neutrophil count follows its correction, and its retraction."""
    client = api(Role.PRINCIPAL_INVESTIGATOR)

    async def grades():
        items = (await client.get("/labs", params={"analyte": "ANC"})).json()["items"]
        return [
            (item["value"], [grade["grade"] for grade in item["grades"]], item["status"])
            for item in items
        ]

    await say(session, caller, result(ANC, "0.4", low="1.8", high="6.3"))
    (first,) = await grades()
    await say(session, caller, result(ANC, "1.2", "C", low="1.8", high="6.3", stated=at(2)))
    (second,) = await grades()
    assert (first[0], second[0]) == (0.4, 1.2)
    assert 4 in first[1]
    assert 4 not in second[1]
    await say(session, caller, result(ANC, "", "D", stated=at(3)))
    ((_, none, status),) = await grades()
    assert (none, status) == ([], "entered_in_error")
