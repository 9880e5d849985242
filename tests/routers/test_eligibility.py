"""Eligibility over HTTP: what the criteria come to, and people's answers to them."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.domain.vocabulary import Role
from app.models import LabResult
from app.schemas.eligibility import AnswerView, CriterionView, EligibilityView, ReadingView
from tests.factories.rows import move_to, writing
from tests.factories.subjects import eligible_subject, screened_subject


async def read(api, subject, **query):
    """Read a subject's eligibility."""
    answer = await api().get(f"/subjects/{subject['id']}/eligibility", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def criterion(api, subject, id_, **query):
    """Read one criterion."""
    found = await read(api, subject, **query)
    return next(each for each in found["criteria"] if each["id"] == id_)


async def answer(api, subject, id_, role=Role.STUDY_COORDINATOR, **body):
    """Answer a criterion."""
    return await api(role).put(f"/subjects/{subject['id']}/eligibility/{id_}", json=body)


async def test_an_eligible_subject_meets_every_criterion(api):
    """The answer has all criteria in the record's order with value, rule and evidence."""
    subject = await eligible_subject(api)
    found = await read(api, subject)
    assert found["verdict"] == "eligible"
    assert (found["failed"], found["unknown"]) == ([], [])
    assert [each["id"] for each in found["criteria"]][:4] == ["I1", "I2", "I3", "I4"]
    assert found["criteria"][-1]["id"] == "E19"
    count = next(each for each in found["criteria"] if each["id"] == "I4")
    assert (count["outcome"], count["value"], count["unit"]) == ("met", 0.8, "10*9/L")
    assert count["date"] == "2026-05-30"
    assert len(count["evidence"]) == 3
    assert found["protocol_version"] == 1
    assert len(found["protocol_digest"]) == 64
    assert found["as_of"].startswith("2026-06-01T04:00:00")


async def test_the_answer_is_as_documented(api):
    """Every field of verdict, criteria and readings is in the schema, and none is missing."""
    subject = await eligible_subject(api)
    await answer(api, subject, "I4", met=True)
    found = await read(api, subject)
    EligibilityView.model_validate(found)
    assert set(found) == set(EligibilityView.model_fields)
    for each in found["criteria"]:
        assert set(each) == set(CriterionView.model_fields)
        assert all(set(reading) == set(ReadingView.model_fields) for reading in each["readings"])
    given = next(each for each in found["criteria"] if each["id"] == "I4")["attestation"]
    assert set(given) == set(AnswerView.model_fields)


async def test_a_screened_subject_is_undetermined(api):
    """Without results and answers nothing shuts the subject out, and nothing is settled."""
    found = await read(api, await screened_subject(api))
    assert found["verdict"] == "undetermined"
    assert found["failed"] == []
    assert {"I4", "I6", "E4", "E19"} <= set(found["unknown"])


async def test_an_answer_settles_what_only_people_know(api):
    """The result names the answer; the latest answer counts."""
    subject = await screened_subject(api)
    yes = await answer(api, subject, "I6", met=True)
    assert yes.status_code == 200, yes.text
    assert (yes.json()["id"], yes.json()["outcome"], yes.json()["permits_entry"]) == (
        "I6",
        "met",
        True,
    )
    assert yes.json()["attestation"]["id"] in yes.json()["evidence"]
    no = await answer(api, subject, "I6", met=False)
    assert (no.json()["outcome"], no.json()["permits_entry"]) == ("not_met", False)
    assert no.json()["attestation"]["id"] != yes.json()["attestation"]["id"]
    assert (await read(api, subject))["verdict"] == "not_eligible"


@pytest.mark.parametrize(("id_", "met"), [("I4", False), ("E4", True)])
async def test_a_contradiction_of_the_records_needs_a_reason(api, id_, met):
    """Without one the answer is refused and nothing is stored; with one both are shown."""
    subject = await eligible_subject(api)
    refused = await answer(api, subject, id_, met=met)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/body/reason"
    assert (await criterion(api, subject, id_))["attestation"] is None
    taken = await answer(api, subject, id_, met=met, reason="The tube was mixed up.")
    assert taken.status_code == 200, taken.text
    assert taken.json()["computed_outcome"] != taken.json()["outcome"]
    assert taken.json()["permits_entry"] is False
    assert taken.json()["attestation"]["reason"] == "The tube was mixed up."


async def test_what_the_records_should_decide_is_not_answered_lightly(api):
    """A criterion that results decide takes an answer without results only with a reason."""
    subject = await screened_subject(api)
    refused = await answer(api, subject, "E4", met=False)
    assert refused.json()["code"] == "reason_required"
    taken = await answer(api, subject, "E4", met=False, reason="Measured elsewhere.")
    assert taken.json()["outcome"] == "not_met"


async def test_an_agreeing_answer_needs_no_reason(api):
    """Saying what the records say changes nothing."""
    subject = await eligible_subject(api)
    agreed = await answer(api, subject, "I4", met=True)
    assert agreed.json()["outcome"] == "met"


async def test_unknown_things_are_not_found(api):
    """A criterion the trial does not have and a subject of nobody are 404."""
    subject = await screened_subject(api)
    assert (await answer(api, subject, "I99", met=True)).status_code == 404
    stranger = {"id": str(uuid4())}
    assert (await answer(api, stranger, "I6", met=True)).status_code == 404
    assert (await api().get(f"/subjects/{stranger['id']}/eligibility")).status_code == 404


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 200),
        (Role.SUB_INVESTIGATOR, 200),
        (Role.STUDY_COORDINATOR, 200),
        (Role.DATA_MANAGER, 403),
        (Role.MONITOR, 403),
        (Role.SAFETY_COMMITTEE, 403),
    ],
)
async def test_who_may_answer(api, role, status):
    """Investigators answer, the coordinator records; nobody else does."""
    subject = await screened_subject(api)
    assert (await answer(api, subject, "I6", role, met=True)).status_code == status


async def test_eligibility_is_read_as_it_was(api, clock):
    """Before the answer the criterion was open, and the day counted is that moment's."""
    clock.now = datetime.now(UTC)
    subject = await screened_subject(api, clock.now.date() + timedelta(days=2))
    before = datetime.now(UTC)
    await answer(api, subject, "I6", met=True)
    clock.now = datetime.now(UTC)
    assert (await criterion(api, subject, "I6"))["outcome"] == "met"
    then = await read(api, subject, as_of=before.isoformat())
    assert "I6" in then["unknown"]
    assert datetime.fromisoformat(then["as_of"]) == before


async def test_a_result_moves_the_conclusion_and_shuts_out(api):
    """Creatinine of exactly 1.5 times its limit, the day after, fails E4."""
    subject = await eligible_subject(api)
    async with writing(api) as (session, actor):
        session.add(later_creatinine(actor.study_id, UUID(subject["id"])))
    found = await read(api, subject)
    assert (found["verdict"], found["failed"]) == ("not_eligible", ["E4"])


async def test_a_result_that_comes_in_after_an_answer_overrules_it(api):
    """HIV was denied without a test; the positive one collected before the answer excludes."""
    subject = await screened_subject(api)
    taken = await answer(api, subject, "E11a", met=False, reason="Asked at screening.")
    assert taken.json()["outcome"] == "not_met"
    await send(api, subject, analyte="HIV_AGAB", finding="positive")
    found = await read(api, subject)
    assert (found["verdict"], found["failed"]) == ("not_eligible", ["E11a"])
    (flag,) = [each for each in found["flags"] if each["criterion"] == "E11a"]
    assert flag["code"] == "contradiction_outdated"


async def test_a_correction_after_a_contradiction_overrules_it(api):
    """The same specimen, contradicted at 151 and corrected to 600, excludes again."""
    subject = await screened_subject(api)
    high = {"analyte": "CREA", "value": 151, "uln": 100, "unit": "umol/L"}
    result = await send(api, subject, **high)
    taken = await answer(api, subject, "E4", met=False, reason="The tube was haemolysed.")
    assert taken.json()["outcome"] == "not_met"
    body = {"value": 600, "uln": 100, "unit": "umol/L", "status": "corrected", "reason": "Diluted."}
    path = f"/labs/{result['id']}/corrections"
    corrected = await api(Role.STUDY_COORDINATOR).post(path, json=body)
    assert corrected.status_code == 201, corrected.text
    assert (await criterion(api, subject, "E4"))["outcome"] == "met"


async def send(api, subject, **content):
    """Send a result that was collected the day before."""
    body = {"subject_id": subject["id"], "collected_at": "2026-05-31T01:00:00Z"} | content
    sent = await api(Role.STUDY_COORDINATOR).post("/labs", json=body)
    assert sent.status_code == 201, sent.text
    return sent.json()


def later_creatinine(study_id, subject_id):
    """Make a result of 150 umol/L against a limit of 100."""
    id_ = uuid4()
    return LabResult(
        study_id=study_id, id=id_, result_id=id_, subject_id=subject_id, source="manual",
        specimen="later", analyte="CREA", status="final", value=150, uln=100, unit="umol/L",
        collected_at=datetime(2026, 5, 31, tzinfo=UTC),
        stated_at=datetime(2026, 5, 31, tzinfo=UTC), standing=2,
    )  # fmt: skip


async def test_nothing_is_answered_after_consent_was_withdrawn(api, clock):
    """The day after the withdrawal an answer is refused."""
    subject = await screened_subject(api)
    left = {"event": "withdrew_consent", "event_date": "2026-06-01", "reason": "Moved away."}
    done = await api().post(f"/subjects/{subject['id']}/disposition", json=left)
    assert done.status_code == 201, done.text
    assert (await answer(api, subject, "I6", met=True)).status_code == 200
    move_to(clock, date(2026, 6, 2))
    refused = await answer(api, subject, "I6", met=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "consent_withdrawn")
