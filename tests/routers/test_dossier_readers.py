"""The committee's dossier for its readers: one paper for all of them, and again for the moment."""

import json
from datetime import UTC, datetime

import pytest

from app.core.canonical import canonical, canonical_digest
from app.core.serialization import from_json
from app.domain.vocabulary import Role
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.ladder import decide
from tests.factories.people import holding, set_up_site, working_at
from tests.factories.queries import ask
from tests.factories.rows import move_to
from tests.factories.signing import sign
from tests.factories.subjects import FIRST_INFUSION, created, enrolled_subject, register
from tests.routers.test_data_cuts import disturb, present
from tests.routers.test_dossier import DAY, DOSSIER, dosed
from tests.routers.test_evidence_moved_of_subjects import correct, lab_of

READERS = {Role.PRINCIPAL_INVESTIGATOR, Role.SAFETY_COMMITTEE, Role.AUDITOR}


async def test_the_digest_is_of_all_the_rest(api, clock):
    """Anybody can compute it: canonical JSON of the answer without the digest itself."""
    await dosed(api, clock)
    answer = await api().get(DOSSIER)
    found = from_json(answer.content)
    assert found.pop("digest") == canonical_digest(canonical(found))


@pytest.fixture
async def asked_and_moved(api, session, clock):
    """Three dosed subjects: a question on one, whose eligibility rests on a result that moved."""
    subjects = await dosed(api, clock)
    await adverse_event(api, subjects[0], FIRST_INFUSION)
    created(await ask(api, subjects[0]["id"]))
    lab_id = await lab_of(session, subjects[0], "CREA")
    await correct(api, lab_id, value=200, unit="umol/L", reason="Mrs Wu read it wrongly.")
    return subjects


async def test_every_reader_has_the_same_bytes(api, asked_and_moved):
    """Investigator, committee and auditor hold the same paper; nobody else has it."""
    texts = set()
    for role in Role:
        answer = await api(role).get(DOSSIER)
        assert answer.status_code == (200 if role in READERS else 403), role
        if role in READERS:
            texts.add(answer.text)
    assert len(texts) == 1
    found = json.loads(texts.pop())
    assert [each["origin"] for each in found["open_queries"]] == ["person"]
    assert [each["type"] for each in found["evidence_moved"]] == ["enrolment"]


@pytest.mark.parametrize(
    "held",
    [
        ((Role.SAFETY_COMMITTEE, None), (Role.CELL_LABORATORY, None)),
        ((Role.CELL_LABORATORY, None), (Role.SAFETY_COMMITTEE, None)),
        ((Role.SAFETY_COMMITTEE, None), (Role.PRINCIPAL_INVESTIGATOR, "02")),
        ((Role.DATA_MANAGER, None), (Role.AUDITOR, None)),
    ],
)
async def test_what_else_a_reader_is_adds_nothing(api, asked_and_moved, held):
    """A person of two roles, one of which may read the dossier, reads that of everybody."""
    await set_up_site(api, "02")
    client = await holding(api, "lena", *held)
    answer = await client.get(DOSSIER)
    assert answer.status_code == 200, answer.text
    assert answer.text == (await api(Role.SAFETY_COMMITTEE).get(DOSSIER)).text


async def test_of_what_moved_no_words_are_shown(api, asked_and_moved):
    """Which fields of which record, and the role that wrote them: neither values nor reasons."""
    answer = await api().get(DOSSIER)
    (movement,) = answer.json()["evidence_moved"]
    assert (movement["title"], movement["subject_number"]) == ("Enrolment of S-001", "S-001")
    (record,) = movement["moved"]
    assert (record["record_type"], record["subject_number"]) == ("lab_result", "S-001")
    assert (record["fields"], record["written_as"]) == (["status", "value"], ["study_coordinator"])
    printed = await api().get(DOSSIER, params={"format": "html"})
    for shown in (answer.text, printed.text):
        assert "Mrs Wu" not in shown
        assert "Study coordinator" not in shown
    assert "lab result changed by study coordinator: status, value" in printed.text


async def test_whose_signature_moved_is_not_said(api, session):
    """A signature is named by what it is on, not by who gave it."""
    subject = await enrolled_subject(api)
    await sign(api(Role.SUB_INVESTIGATOR), "eligibility", subject["id"])
    await correct(api, await lab_of(session, subject, "CREA"), value=200, unit="umol/L")
    titles = [each["title"] for each in (await api().get(DOSSIER)).json()["evidence_moved"]]
    assert titles == ["Enrolment of S-001", "Signature on eligibility"]


async def test_a_role_for_one_site_does_not_have_it(api):
    """It would be other bytes for each site; the refusal says so in a sentence."""
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.AUDITOR, "gina")
    answer = await client.get(DOSSIER)
    assert (answer.status_code, answer.json()["code"]) == (403, "whole_study_only")


async def test_the_past_has_the_same_bytes_whatever_follows(
    committing_api, committing_database, clock
):
    """Read as it is, then again as of that moment after corrections and exits: nothing differs."""
    api = committing_api
    subject = await enrolled_subject(api)
    await create_bags(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    await dose_limiting_event(api, subject, FIRST_INFUSION)
    created(await ask(api, subject["id"]))
    await decide(api, "hold")
    before = await present(committing_database, clock)
    first = (await api().get(DOSSIER)).content
    moment = json.loads(first)["as_of"]
    assert datetime.fromisoformat(moment) > before, "read as it is, it names when that was"
    clock.advance(seconds=30)
    query = {"format": "html", "as_of": moment}
    pages = {"json": first, "html": (await api().get(DOSSIER, params=query)).content}
    await disturb(api, subject)
    clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    for role in READERS:
        for form, content in pages.items():
            query = {"format": form, "as_of": moment}
            again = await api(role).get(DOSSIER, params=query)
            assert again.content == content, (role, form)
    later = await api().get(DOSSIER)
    assert json.loads(later.content)["digest"] != json.loads(first)["digest"]


async def test_what_is_read_as_it_is_can_be_read_again(committing_api, committing_database, clock):
    """A clock that is late shows nothing that its own moment, asked for later, would not show."""
    api = committing_api
    subject = await enrolled_subject(api)
    await present(committing_database, clock)
    clock.advance(seconds=-2)
    await adverse_event(api, subject, clock.now.date() - DAY)
    one = (await api().get(DOSSIER)).json()
    assert len(one["events"]) == 1
    clock.advance(seconds=10)
    two = (await api().get(DOSSIER, params={"as_of": one["as_of"]})).json()
    assert two == one


async def test_a_moment_that_is_not_over_is_refused(committing_api, committing_database, clock):
    """Beyond the database's clock records may still be dated, though ours says it is past."""
    moment = await present(committing_database, clock)
    clock.now = moment + 2 * DAY
    answer = await committing_api().get(DOSSIER, params={"as_of": (moment + DAY).isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (422, "future_moment")


async def test_nobody_is_named(api, clock):
    """Neither initials nor identifiers nor a year of birth are in it, as JSON or on the page."""
    subject = await register(api, birth_year=1937, age_at_consent=88)
    identity = {"initials": "QXZ"}
    await api(Role.STUDY_COORDINATOR).put(f"/subjects/{subject}/identity", json=identity)
    await dosed(api, clock)
    for form in ("json", "html"):
        answer = await api().get(DOSSIER, params={"format": form})
        assert "QXZ" not in answer.text
        assert "1937" not in answer.text
