"""Whose a result is: by identifiers that count, never by a specimen that somebody else may have."""

from dataclasses import replace

import pytest

from app.domain.sender_profile import SpecimenBy
from app.domain.sent_results import SentIdentifier
from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.factories.inbound import ANC, at, calling, delivery, result, rows, take
from tests.factories.subjects import created, register

FILED = (
    "SELECT number, accession FROM lab_result JOIN subject ON subject.id = subject_id ORDER BY 2"
)
SPECIMENS = "SELECT DISTINCT specimen = accession FROM lab_result"


@pytest.fixture
async def subjects(api):
    """The ids of subjects S-001 and S-002."""
    return [await register(api), await register(api)]


@pytest.fixture
async def caller(api, session, subjects):
    """A sender of the subjects' site."""
    return await calling(api, session)


async def known(api, subject_id, value, kind="patient", **named):
    """Record by what the hospital knows a subject."""
    path = f"/subjects/{subject_id}/identifiers"
    body = {"kind": kind, "value": value} | named
    created(await api(Role.STUDY_COORDINATOR).post(path, json=body))


def called(*numbers):
    """Return identifiers from (value, authority, type)."""
    return tuple(
        SentIdentifier(value=value, authority=by, kind=kind) for value, by, kind in numbers
    )


def of(number, **changes):
    """Return a result of a subject by its number in the study."""
    return result(patients=(SentIdentifier(value=number, authority=STUDY),), **changes)


async def say(session, caller, *results):
    """Send results in a message of their own; return what became of them."""
    receipt = await take(session, caller, delivery(*results, control_id=None))
    return [
        (each.outcome.value, *(reason.code for reason in each.reasons)) for each in receipt.results
    ]


@pytest.mark.parametrize("named", [{}, {"authority": "H"}, {"type": "MR"}])
async def test_a_number_matches_as_closely_as_it_was_recorded(
    api, session, caller, subjects, named
):
    """What was recorded of authority and type has to be what is sent; the rest may be anything."""
    await known(api, subjects[0], "7", **named)
    sent = {"authority": ("7", "OTHER", "MR"), "type": ("7", "H", "PI")}
    for accession, identifier in {"A-0": ("7", "H", "MR"), **sent}.items():
        expected = ("inbox", "unknown_patient") if accession in named else ("filed",)
        one = result(patients=called(identifier), accession=accession)
        assert await say(session, caller, one) == [expected]


async def test_other_numbers_that_happen_to_be_alike_name_nobody(api, session, caller, subjects):
    """An insurance number equal to a subject's hospital number is not that subject's."""
    await known(api, subjects[0], "7")
    stranger = called(("999", "H", "MR"), ("7", "INSURANCE", "SN"))
    assert await say(session, caller, result(patients=stranger)) == [("inbox", "unknown_patient")]
    only = called(("7", "INSURANCE", "SN"))
    one = result(patients=only, accession="")
    assert await say(session, caller, one) == [("inbox", "patient_missing")]


async def test_two_records_of_one_number_that_both_fit_are_ambiguous(
    api, session, caller, subjects
):
    """Hospital 7 of one subject, and 7 of whoever of another: nobody can tell."""
    await known(api, subjects[0], "7", authority="H")
    await known(api, subjects[1], "7")
    sent = result(patients=called(("7", "H", "MR")))
    assert await say(session, caller, sent) == [("inbox", "ambiguous_patient")]


async def test_a_known_specimen_does_not_outweigh_an_unknown_patient(
    api, session, caller, subjects
):
    """Numbers of specimens are used for other patients; alone they do lead to the subject."""
    await known(api, subjects[0], "A-1", kind="specimen")
    for patients in (called(("NOBODY", "H", "MR")), called(("S-999", STUDY, ""))):
        sent = await say(session, caller, result(patients=patients))
        assert sent == [("inbox", "ambiguous_patient")]
    assert await say(session, caller, result(patients=())) == [("filed",)]
    assert await rows(session, FILED) == [("S-001", "A-1")]


async def test_a_specimen_and_a_patient_of_two_subjects_are_ambiguous(
    api, session, caller, subjects
):
    """One of both is wrong."""
    await known(api, subjects[0], "A-1", kind="specimen")
    assert await say(session, caller, of("S-002")) == [("inbox", "ambiguous_patient")]


@pytest.mark.parametrize("by", SpecimenBy)
async def test_one_specimen_is_not_two_subjects(session, caller, by):
    """The same number and collection time under another subject waits, whatever is measured."""
    other = replace(caller, profile=replace(caller.profile, specimen_by=by))
    assert await say(session, other, of("S-001")) == [("filed",)]
    refused = [("inbox", "specimen_of_another")]
    assert await say(session, caller, of("S-002")) == refused
    assert await say(session, caller, of("S-002", code=ANC, value="1.2")) == refused
    assert await say(session, caller, of("S-002", collected=at(48), stated=at(49))) == [("filed",)]
    assert await say(session, caller, of("S-002", accession="A-2")) == [("filed",)]


async def test_one_delivery_that_gives_a_specimen_to_two_files_it_for_none(session, caller):
    """What is about other specimens is filed."""
    sent = (of("S-001"), of("S-002"), of("S-002", accession="A-2"))
    waits = ("inbox", "specimen_of_another")
    assert await say(session, caller, *sent) == [waits, waits, ("filed",)]


async def test_a_specimen_taken_back_may_be_another_subjects(session, caller):
    """After the withdrawal it is filed for whom it is; a withdrawal itself always is."""
    assert await say(session, caller, of("S-001")) == [("filed",)]
    assert await say(session, caller, of("S-001", value="", status="W", stated=at(2))) == [
        ("filed",)
    ]
    assert await say(session, caller, of("S-002", stated=at(3))) == [("filed",)]
    late = of("S-001", value="", status="D", stated=at(4))
    assert [outcome for outcome, *_ in await say(session, caller, late)] == ["filed"]


@pytest.mark.parametrize("by", SpecimenBy)
async def test_a_specimen_stays_one_when_the_profile_changes(session, caller, by):
    """Sent again it is a duplicate, its correction a version; its other results join it."""
    before = replace(caller, profile=replace(caller.profile, specimen_by=by))
    after = next(each for each in SpecimenBy if each is not by)
    now = replace(caller, profile=replace(caller.profile, specimen_by=after))
    first = of("S-001", stated_by_message=True)
    assert await say(session, before, first) == [("filed",)]
    assert await say(session, now, replace(first, stated=at(5))) == [("duplicate",)]
    corrected = of("S-001", value="90", status="C", stated=at(6))
    assert await say(session, now, corrected, of("S-001", code=ANC, value="1.2")) == [
        ("filed",), ("filed",),
    ]  # fmt: skip
    assert await rows(session, SPECIMENS) == [(by is SpecimenBy.ACCESSION,)]
    versions = "SELECT count(*), count(DISTINCT result_id) FROM lab_result"
    assert await rows(session, versions) == [(3, 2)]
