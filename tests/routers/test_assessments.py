"""Assessments over HTTP: content is held to its kind, exactly."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.assessment_content import CONTENT_KEYS
from app.domain.vocabulary import AssessmentKind, Role
from app.schemas.assessment_content import CONTENTS
from tests.factories.subjects import register

REASON = {"reason": "Source document reviewed."}
GOOD = {
    "vital_signs": {"temperature_c": 36.6, "systolic_mmhg": 120, "diastolic_mmhg": 80},
    "physical_examination": {"nyha_class": 1, "fev1_percent_predicted": 62.5},
    "ecog": {"score": 2},
    "ecg": {"qt_ms": 400, "rr_ms": 800, "qtcf_ms": 431},
    "bone_marrow": {"blasts_percent": 5.0, "flow_mrd": "negative"},
    "chimerism": {"donor_percent": 95.5},
    "pregnancy_test": {"result": "negative", "lactating": False},
    "infection_screen": {"hbcab": "positive", "hbv_dna": "negative"},
    "response_opinion": {"category": "PR", "week": 4, "note": "Transfusion independent."},
}


def assessment(subject_id, kind, content):
    """Return an assessment of 10 May."""
    performed_at = "2026-05-10T16:30:00Z"
    body = {"subject_id": subject_id, "kind": kind, "performed_at": performed_at}
    return body | {"content": content}


def test_every_kind_takes_what_the_rules_read():
    """No criterion of eligibility waits for an entry that nobody can make."""
    assert set(CONTENTS) == set(AssessmentKind) == set(GOOD)
    for kind, keys in CONTENT_KEYS.items():
        assert keys <= set(CONTENTS[kind].model_fields)


@pytest.mark.parametrize("kind", GOOD)
async def test_content_comes_back_as_it_was_sent(api, kind):
    """Numbers keep their digits through the database."""
    body = assessment(await register(api), kind, GOOD[kind])
    made = await api(Role.STUDY_COORDINATOR).post("/assessments", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["content"] == GOOD[kind]
    assert made.json()["day"] == "2026-05-11"
    read = await api().get(f"/assessments/{made.json()['id']}")
    assert (read.json(), read.headers["etag"]) == (made.json(), '"v1"')


@pytest.mark.parametrize(
    ("kind", "content", "pointer"),
    [
        ("ecog", {"score": 6}, "/body/content/score"),
        ("ecog", {"score": 1.5}, "/body/content/score"),
        ("ecog", {"score": "1"}, "/body/content/score"),
        ("ecog", {}, "/body/content/score"),
        ("ecog", {"score": 1, "karnofsky": 90}, "/body/content/karnofsky"),
        ("vital_signs", {}, "/body/content"),
        ("vital_signs", {"note": "Seen."}, "/body/content"),
        ("vital_signs", {"temperature_c": 98.6}, "/body/content/temperature_c"),
        ("vital_signs", {"systolic_mmhg": 80, "diastolic_mmhg": 120}, "/body/content"),
        ("physical_examination", {"nyha_class": 0}, "/body/content/nyha_class"),
        ("ecg", {"qt_ms": 400}, "/body/content"),
        ("ecg", {"rhythm": 7}, "/body/content/rhythm"),
        ("ecg", {"qt_ms": 0.4, "rr_ms": 0.8}, "/body/content/qt_ms"),
        ("bone_marrow", {"blasts_percent": 100.1}, "/body/content/blasts_percent"),
        ("bone_marrow", {"flow_mrd": "neg"}, "/body/content/flow_mrd"),
        ("chimerism", {"donor_percent": -1}, "/body/content/donor_percent"),
        ("pregnancy_test", {"lactating": "no"}, "/body/content/lactating"),
        ("infection_screen", {"cmv": "negative"}, "/body/content/cmv"),
        ("response_opinion", {"category": "SD", "week": 4}, "/body/content/category"),
        ("response_opinion", {"category": "CR"}, "/body/content/week"),
        ("ecog", None, "/body/content"),
        ("ecog", [2], "/body/content"),
    ],
)
async def test_content_that_does_not_fit_its_kind_is_refused(api, kind, content, pointer):
    """The refusal points at the entry; nothing is stored."""
    body = assessment(await register(api), kind, content)
    answer = await api(Role.STUDY_COORDINATOR).post("/assessments", json=body)
    assert answer.status_code == 422, answer.text
    assert pointer in [reason["pointer"] for reason in answer.json()["errors"]]
    assert (await api().get("/assessments")).json()["items"] == []


@pytest.mark.parametrize(
    ("qtcf", "status"), [(428, 422), (429, 201), (430.9, 201), (432, 201), (434, 422), (447, 422)]
)
async def test_a_reported_qtcf_has_to_follow_from_qt_and_rr(api, qtcf, status):
    """400 / 0.8^(1/3) is 430.89; 447.2 would be Bazett's formula."""
    content = {"qt_ms": 400, "rr_ms": 800, "qtcf_ms": qtcf}
    body = assessment(await register(api), "ecg", content)
    answer = await api(Role.STUDY_COORDINATOR).post("/assessments", json=body)
    assert answer.status_code == status, answer.text


async def test_a_change_is_read_by_the_kind_of_the_record(api):
    """New content replaces the old, and content of another kind is refused."""
    client = api(Role.STUDY_COORDINATOR)
    body = assessment(await register(api), "vital_signs", GOOD["vital_signs"])
    made = (await client.post("/assessments", json=body)).json()
    path, tag = f"/assessments/{made['id']}", {"If-Match": '"v1"'}
    wrong = await client.patch(path, json=REASON | {"content": {"score": 1}}, headers=tag)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_content")
    empty = await client.patch(path, json=REASON | {"content": None}, headers=tag)
    assert (empty.status_code, empty.json()["code"]) == (422, "invalid_content")
    change = REASON | {"content": {"pulse_per_min": 88}}
    done = await client.patch(path, json=change, headers=tag)
    assert (done.json()["content"], done.json()["version"]) == ({"pulse_per_min": 88}, 2)
    kind = await client.patch(path, json=REASON | {"kind": "ecog"}, headers={"If-Match": '"v2"'})
    assert kind.status_code == 422
    retracted = await client.patch(
        path, json=REASON | {"retracted": True}, headers={"If-Match": '"v2"'}
    )
    assert (retracted.json()["retracted"], retracted.json()["version"]) == (True, 3)


async def test_assessments_are_listed_by_subject_and_kind(api):
    """A cursor leads on from page to page."""
    client, mine, other = api(), await register(api), await register(api)
    for subject_id in (mine, other):
        for kind in ("ecog", "ecg"):
            body = assessment(subject_id, kind, GOOD[kind])
            assert (await client.post("/assessments", json=body)).status_code == 201
    found = await client.get("/assessments", params={"subject": mine, "kind": "ecg"})
    assert [(item["subject_id"], item["kind"]) for item in found.json()["items"]] == [(mine, "ecg")]
    first = (await client.get("/assessments", params={"limit": 3})).json()
    rest = (await client.get("/assessments", params={"cursor": first["next"]})).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 1, None)


async def test_an_assessment_of_the_future_is_refused(api):
    """Nobody can have been seen tomorrow."""
    body = assessment(await register(api), "ecog", GOOD["ecog"])
    body["performed_at"] = "2026-06-02T00:00:00Z"
    answer = await api().post("/assessments", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "future_moment")


async def test_qtcf_is_worked_out_beside_what_was_reported(api):
    """The formula's own value is shown, with and without a reported one."""
    body = assessment(await register(api), "ecg", {"qt_ms": 400, "rr_ms": 800})
    made = (await api().post("/assessments", json=body)).json()
    assert made["computed_qtcf_ms"] == 430.89
    assert made["content"] == {"qt_ms": 400, "rr_ms": 800}
    body["content"] = {"qtcf_ms": 431}
    assert (await api().post("/assessments", json=body)).json()["computed_qtcf_ms"] is None


async def test_a_marrow_says_what_its_disease_still_asks_for(api, session, clock):
    """A lymphoma asks for both findings; a changed disease for another, and the past stays."""
    client = api(Role.STUDY_COORDINATOR)
    subject_id = await register(api, disease="lymphoma")
    body = assessment(subject_id, "bone_marrow", {"blasts_percent": 1})
    made = (await client.post("/assessments", json=body)).json()
    missing = ["flow_mrd_missing", "ihc_infiltration_missing"]
    assert [each["code"] for each in made["doubts"]] == missing
    before = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    path, tag = f"/subjects/{subject_id}", {"If-Match": '"v1"'}
    change = REASON | {"disease": "acute_lymphoblastic_leukemia"}
    assert (await client.patch(path, json=change, headers=tag)).status_code == 200
    (found,) = (await client.get("/assessments")).json()["items"]
    assert found["doubts"] == []
    clock.now = before + timedelta(days=1)
    then = await client.get(f"/assessments/{made['id']}", params={"as_of": before.isoformat()})
    assert [each["code"] for each in then.json()["doubts"]] == missing
