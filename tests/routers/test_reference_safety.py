"""The reference safety information over HTTP: versions, their approval, what they decide."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.signing import sign, try_to_sign
from tests.factories.subjects import created, register
from tests.routers.test_adverse_events import change

PATH = "/reference-safety-information"
LIST = {
    "effective_on": "2026-05-01",
    "title": "Investigator's brochure, edition 1",
    "entries": [{"term": "sepsis", "max_expected_grade": 4}, {"term": "Fever"}],
}
SEPSIS = {
    "term": "Sepsis",
    "grade": 4,
    "seriousness": ["hospitalization"],
    "causality": "possible",
    "onset_at": "2026-06-01T09:00:00+08:00",
}


async def add(api, role: Role = Role.DATA_MANAGER, **changes) -> dict:
    """Add a version."""
    return created(await api(role).post(PATH, json=LIST | changes))


async def approved(api, session, clock, **changes) -> dict:
    """Add a version and approve it on the day it is by the database's clock; go on from there."""
    made = await add(api, **changes)
    await sign(api(), "reference_safety_information", made["id"])
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    return (await api(Role.MONITOR).get(f"{PATH}/{made['id']}")).json()


@pytest.fixture
def report(api):
    """Record an event the site has just learned of; return it as it is read."""

    async def made(**changes) -> dict:
        body = {"subject_id": await register(api)} | SEPSIS | changes
        return created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body))

    return made


async def test_a_version_is_added_and_counts_once_it_is_approved(api, session, clock):
    """Terms get the dictionary's spelling; unsigned it counts for nothing, signed from that day."""
    made = await add(api)
    assert made["entries"] == [
        {"term": "Sepsis", "max_expected_grade": 4}, {"term": "Fever", "max_expected_grade": None},
    ]  # fmt: skip
    assert (made["number"], made["signed_at"], made["counts_from"], made["in_force"]) == (
        1, None, None, False,
    )  # fmt: skip
    await sign(api(), "reference_safety_information", made["id"])
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    signed = (await api().get(f"{PATH}/{made['id']}")).json()
    assert signed["signed_at"] is not None
    assert signed["counts_from"] > LIST["effective_on"]
    assert signed["in_force"] is True
    second = await add(api, Role.PRINCIPAL_INVESTIGATOR)
    items = (await api(Role.SAFETY_COMMITTEE).get(PATH)).json()["items"]
    assert [(item["number"], item["in_force"]) for item in items] == [(1, True), (2, False)]
    assert second["number"] == 2


async def test_a_signature_that_only_reviews_puts_nothing_into_force(api, session, clock):
    """The investigator has to approve it; the data manager cannot sign it at all."""
    made = await add(api)
    kind = "reference_safety_information"
    refused = await try_to_sign(api(Role.DATA_MANAGER), kind, made["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "role_does_not_sign")
    created(await try_to_sign(api(), kind, made["id"], meaning="reviewed"))
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    assert (await api().get(f"{PATH}/{made['id']}")).json()["counts_from"] is None


async def test_the_list_in_force_decides_where_nothing_is_recorded(api, report, session, clock):
    """Listed up to grade 4 it is expected and no SUSAR; the investigator's word goes before it."""
    await approved(api, session, clock)
    event = await report()
    assert event["expectedness"]["expected"] is True
    assert event["expectedness"]["reference_version"] == 1
    assert [each["kind"] for each in event["due_reports"]] == ["serious_initial"]
    against = (await change(api(), event, expected=False)).json()["expectedness"]
    assert (against["expected"], against["derived"], against["source"]) == (
        False, True, "recorded",
    )  # fmt: skip
    assert against["difference"].endswith("the investigator's word counts.")


async def test_an_event_keeps_the_list_of_its_awareness(api, report, session, clock):
    """A later version that lists more does not reach back to what the site knew of before."""
    before = await report()
    await approved(api, session, clock)
    now = await report(term="Headache", grade=3)
    again = (await api().get(f"/adverse-events/{before['id']}")).json()
    assert again["expectedness"]["source"] == "undecided"
    assert (now["expectedness"]["derived"], now["expectedness"]["source"]) == (False, "reference")


async def test_the_worst_grade_is_held_against_the_list(api, report, session, clock):
    """An event beyond its listed grade stays unexpected when it gets better."""
    await approved(api, session, clock, entries=[{"term": "Sepsis", "max_expected_grade": 3}])
    event = await report()
    assert event["expectedness"]["expected"] is False
    better = (await change(api(), event, grade=3)).json()
    assert better["expectedness"]["expected"] is False
    corrected = (await change(api(), better, grade=4)).json()
    assert corrected["expectedness"]["expected"] is False


@pytest.mark.parametrize(
    ("entries", "pointer"),
    [
        ([{"term": "Ague"}], "/body/entries/0/term"),
        ([{"term": "Fever"}, {"term": "fever"}], "/body/entries/1/term"),
        ([{"term": "Cardiac disorders - Other, specify"}], "/body/entries/0/term"),
        ([{"term": "Headache", "max_expected_grade": 4}], "/body/entries/0/max_expected_grade"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(api, entries, pointer):
    """Unknown terms, repeated and empty ones, grades that the term lacks; nothing is stored."""
    refused = await api().post(PATH, json=LIST | {"entries": entries})
    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]
    assert (await api().get(PATH)).json()["items"] == []


async def test_who_adds_a_version(api):
    """The investigator and the data manager; others read, the sponsor does not."""
    for role in (Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR, Role.MONITOR):
        assert (await api(role).post(PATH, json=LIST)).status_code == 403
        assert (await api(role).get(PATH)).status_code == 200
    assert (await api(Role.SPONSOR).get(PATH)).status_code == 403
    absent = f"{PATH}/00000000-0000-7000-8000-000000000000"
    assert (await api().get(absent)).status_code == 404
