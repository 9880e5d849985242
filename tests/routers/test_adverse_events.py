"""Adverse events over HTTP: dictionary terms, honest grades, history, and what follows."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.dosing import dose
from tests.factories.subjects import SUBJECT, register

EVENT = {"term": "Hypertension", "grade": 3, "onset_at": "2026-05-14T10:00:00+08:00"}
FATAL = {"grade": 5, "outcome": "fatal", "seriousness": ["death"]}


@pytest.fixture
async def subject(api) -> str:
    """A consented subject in screening."""
    return await register(api)


@pytest.fixture
def report(api, subject):
    """Post an event of the subject with changes; returns the answer."""

    async def report(role: Role = Role.STUDY_COORDINATOR, **changes):
        return await api(role).post(
            "/adverse-events", json={"subject_id": subject} | EVENT | changes
        )

    return report


async def change(client, event: dict, **values):
    """Change an event in the version that was read."""
    return await client.patch(
        f"/adverse-events/{event['id']}",
        json={"reason": "Corrected after review."} | values,
        headers={"If-Match": f'"v{event["version"]}"'},
    )


async def test_an_event_is_kept_in_the_dictionarys_words(report, clock):
    """Term and organ class come from the dictionary, awareness is now unless said otherwise."""
    made = await report(term="  inFusion RELATED reaction ", grade=2)
    assert made.status_code == 201, made.text
    event = made.json()
    assert made.headers["etag"] == '"v1"'
    assert event["term"] == "Infusion related reaction"
    assert event["soc"] == "Injury, poisoning and procedural complications"
    assert event["ctcae_version"] == "5.0"
    assert event["aware_at"] == "2026-06-01T04:00:00Z"
    assert event["special_interest"] == ["infusion_reaction"]
    assert event["serious"] is False
    assert event["due_reports"] == []
    assert event["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"term": "Ague"}, "/body/term", "unknown_term"),
        ({"term": "Anaphylaxis", "grade": 2}, "/body/grade", "grade_not_in_term"),
        ({"term": "Viremia", "grade": 4}, "/body/grade", "grade_not_in_term"),
        ({"term": "Viremia", "grade": 3, "baseline_grade": 1}, "/body/baseline_grade",
         "grade_not_in_term"),
        ({"term": "Cardiac disorders - Other, specify"}, "/body/other_specification",
         "specification_missing"),
        ({"other_specification": "Something else"}, "/body/other_specification",
         "specification_not_needed"),
        ({"grade": 5}, "/body/outcome", "death_without_fatal_outcome"),
        ({"grade": 5}, "/body/seriousness", "fatal_without_death"),
        ({"outcome": "fatal"}, "/body/grade", "fatal_without_grade_5"),
        ({"seriousness": ["death"]}, "/body/grade", "fatal_without_grade_5"),
        ({"term": "Chills", **FATAL}, "/body/grade", "grade_not_in_term"),
        ({"ended_at": "2026-05-14T09:59:00+08:00"}, "/body/ended_at", "end_before_onset"),
        ({"onset_at": "2026-06-01T12:01:00+08:00"}, "/body/onset_at", "future_moment"),
        ({"ended_at": "2026-06-01T12:01:00+08:00"}, "/body/ended_at", "future_moment"),
        ({"aware_at": "2026-06-01T12:01:00+08:00"}, "/body/aware_at", "future_moment"),
        ({"aware_at": "2026-05-14T09:59:00+08:00"}, "/body/aware_at", "aware_before_onset"),
        ({"onset_at": "2026-01-01T23:59:00+08:00"}, "/body/onset_at", "before_consent"),
        ({"grade": 0}, "/body/grade", "greater_than_equal"),
        ({"grade": True}, "/body/grade", "int_type"),
        ({"causality": "maybe"}, "/body/causality", "enum"),
    ],
)  # fmt: skip
async def test_an_event_that_cannot_be_is_refused(report, api, changes, pointer, code):
    """Each refusal is 422, names its field, and nothing is stored."""
    answer = await report(**changes)
    assert answer.status_code == 422, answer.text
    assert (pointer, code) in {
        (error["pointer"], error["code"]) for error in answer.json()["errors"]
    }
    assert (await api().get("/adverse-events")).json()["items"] == []


async def test_a_refused_grade_names_the_grades_that_exist(report):
    """The message lists the term's grades and the unknown term's points to the dictionary."""
    grade = (await report(term="Anaphylaxis", grade=2)).json()
    assert grade["errors"][0]["message"] == "This term has only the grades 3, 4, 5."
    term = (await report(term="Ague")).json()
    assert "/ctcae/terms" in term["detail"]


async def test_the_consent_day_counts_in_the_studys_zone(report):
    """An event of the local day of consent is collected, though in UTC it is the day before."""
    assert (await report(onset_at="2026-01-01T16:00:00Z")).status_code == 201
    assert (await report(onset_at="2026-01-01T15:59:00Z")).status_code == 422


async def test_without_consent_no_event_is_collected(api):
    """A subject whose consent is not recorded is a 409 with what to do."""
    client = api(Role.STUDY_COORDINATOR)
    body = {key: value for key, value in SUBJECT.items() if key != "consent_date"}
    made = (await client.post("/subjects", json=body)).json()
    answer = await client.post("/adverse-events", json=EVENT | {"subject_id": made["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_consent")


async def test_an_unknown_subject_is_not_found(report, subject):
    """An id that is not of this study is 404."""
    unknown = subject[:-1] + ("0" if subject[-1] != "0" else "1")
    assert (await report(subject_id=unknown)).status_code == 404


async def test_nothing_begins_after_death(api, report, subject):
    """An onset after the day of death is 409, one on that day is taken; retracting still works."""
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    later = (await report(onset_at="2026-05-01T10:00:00+08:00")).json()
    exit_ = {"event": "died", "event_date": "2026-05-20", "reason": "Died at home."}
    recorded = await client.post(f"/subjects/{subject}/disposition", json=exit_)
    assert recorded.status_code == 201, recorded.text
    assert (await report(onset_at="2026-05-20T10:00:00+08:00")).status_code == 201
    refused = await report(onset_at="2026-05-21T10:00:00+08:00")
    assert (refused.status_code, refused.json()["code"]) == (409, "after_death")
    assert (await change(client, later, retracted=True)).status_code == 200


async def test_the_history_of_the_grade_is_kept(api, report):
    """Each grade shows since when it stood; a change of something else adds none."""
    event = (await report(grade=1)).json()
    client = api(Role.STUDY_COORDINATOR)
    event = (await change(client, event, grade=3)).json()
    event = (await change(client, event, narrative="Seen twice.")).json()
    changed = await change(client, event, grade=2)
    assert changed.headers["etag"] == '"v4"'
    history = changed.json()["grade_history"]
    assert [item["grade"] for item in history] == [1, 3, 2]
    assert [item["since"] for item in history] == sorted(item["since"] for item in history)


async def test_a_change_is_held_to_the_same_rules(api, report):
    """The changed event is checked whole; a refusal stores nothing."""
    event = (await report(term="Fever", grade=1)).json()
    client = api(Role.STUDY_COORDINATOR)
    assert (await change(client, event, term="Anaphylaxis")).status_code == 422
    assert (await change(client, event, grade=5)).status_code == 422
    assert (await change(client, event, grade=None)).status_code == 422
    changed = await change(client, event, term="anaphylaxis", grade=4)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["term"], changed.json()["soc"]) == (
        "Anaphylaxis",
        "Immune system disorders",
    )
    assert (await change(client, event, grade=3)).status_code == 412
    fatal = await change(client, changed.json(), **FATAL)
    assert fatal.json()["seriousness"] == ["death"]


async def test_a_change_needs_version_and_reason(api, report):
    """Without If-Match it is 428, without a reason 422."""
    event = (await report()).json()
    path = f"/adverse-events/{event['id']}"
    client = api(Role.STUDY_COORDINATOR)
    assert (await client.patch(path, json={"grade": 2, "reason": "x"})).status_code == 428
    tagged = {"If-Match": '"v1"'}
    assert (await client.patch(path, json={"grade": 2}, headers=tagged)).status_code == 422


async def test_a_retracted_event_stays_but_counts_no_more(api, report, session, subject):
    """It has no conclusions, is changed only together with taking the retraction back."""
    await dose(api, subject)
    event = (await report(seriousness=["hospitalization"])).json()
    assert (event["treatment_emergent"], event["dlt"]["state"]) == (True, "pending")
    client = api(Role.STUDY_COORDINATOR)
    retracted = (await change(client, event, retracted=True)).json()
    assert retracted["retracted"] is True
    assert retracted["treatment_emergent"] is False
    assert retracted["due_reports"] == []
    assert retracted["dlt"]["reasons"][0]["code"] == "retracted"
    refused = await change(client, retracted, grade=2)
    assert (refused.status_code, refused.json()["code"]) == (409, "event_retracted")
    back = (await change(client, retracted, grade=2, retracted=False)).json()
    assert (back["retracted"], back["grade"]) == (False, 2)


async def test_events_are_filtered(api, report, subject):
    """By subject, term in any case, grade and seriousness; an unknown term is 422."""
    await report(term="Fever", grade=1)
    await report(grade=3, seriousness=["life_threatening"])
    other = await register(api)
    await report(subject_id=other, term="Fever", grade=2)

    async def grades(query: str) -> list[int]:
        answer = await api(Role.MONITOR).get(f"/adverse-events?{query}")
        assert answer.status_code == 200, answer.text
        return [item["grade"] for item in answer.json()["items"]]

    assert await grades("") == [1, 3, 2]
    assert await grades(f"subject={subject}") == [1, 3]
    assert await grades("term=fever") == [1, 2]
    assert await grades("grade=3") == [3]
    assert await grades("serious=true") == [3]
    assert await grades("serious=false") == [1, 2]
    assert await grades(f"subject={other}&serious=true") == []
    first = (await api().get("/adverse-events?limit=2")).json()
    assert len(first["items"]) == 2
    rest = (await api().get(f"/adverse-events?cursor={first['next']}")).json()
    assert [item["grade"] for item in rest["items"]] == [2]
    assert rest["next"] is None
    assert (await api().get("/adverse-events?term=Ague")).status_code == 422


async def test_an_event_is_read_as_it_was(api, report, session, clock):
    """With as_of the earlier grade, its history and the earlier version are shown."""
    event = (await report(grade=1)).json()
    between = await session.scalar(text("SELECT clock_timestamp()"))
    await change(api(Role.STUDY_COORDINATOR), event, grade=3)
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    params = {"as_of": between.isoformat()}
    then = await api().get(f"/adverse-events/{event['id']}", params=params)
    assert then.status_code == 200, then.text
    assert (then.json()["grade"], then.headers["etag"]) == (1, '"v1"')
    assert [item["grade"] for item in then.json()["grade_history"]] == [1]
    (listed,) = (await api().get("/adverse-events", params=params)).json()["items"]
    assert listed == then.json()
    now = (await api().get(f"/adverse-events/{event['id']}")).json()
    assert [item["grade"] for item in now["grade_history"]] == [1, 3]


async def test_reports_are_due_from_awareness(report):
    """A related, unexpected, life-threatening event is due in 24 hours, 7 and 15 days."""
    event = (
        await report(
            grade=4,
            seriousness=["life_threatening"],
            causality="possible",
            expected=False,
            aware_at="2026-05-31T23:30:00+08:00",
        )
    ).json()
    due = {
        (item["kind"], item["concerns"]): item["due_at"] or item["due_day"]
        for item in event["due_reports"]
    }
    assert due == {
        ("serious_initial", "serious"): "2026-06-01T15:30:00Z",
        ("susar_initial", "susar_fatal_or_life_threatening"): "2026-06-07",
        ("susar_complete", "susar_fatal_or_life_threatening"): "2026-06-15",
    }


async def test_an_expected_event_is_no_susar_and_news_starts_a_clock(api, report):
    """A change of a serious event is new information; that it became serious is not."""
    event = (await report(grade=3, expected=False)).json()
    client = api(Role.SUB_INVESTIGATOR)
    serious = (await change(client, event, seriousness=["disability"])).json()
    kinds = [item["kind"] for item in serious["due_reports"]]
    assert kinds == ["serious_initial", "susar_initial"]
    worse = (await change(client, serious, grade=4)).json()
    kinds = [item["kind"] for item in worse["due_reports"]]
    assert kinds == ["serious_initial", "susar_initial", "susar_new_information"]
    expected = (await change(client, worse, expected=True, corrects_assessment=True)).json()
    assert [item["kind"] for item in expected["due_reports"]] == ["serious_initial"]


async def test_emergence_needs_an_infusion_and_worsening(api, report, subject):
    """Before the first infusion nothing emerges; afterwards only what is worse than baseline."""
    assert (await report()).json()["treatment_emergent"] is False
    await dose(api, subject)
    assert (await report()).json()["treatment_emergent"] is True
    assert (await report(baseline_grade=3)).json()["treatment_emergent"] is False
    untimed = await report(onset_at="2026-05-04T00:00:00+08:00")
    assert untimed.json()["treatment_emergent"] is True
    before = {"onset_at": "2026-05-03T23:59:00+08:00"}
    assert (await report(**before)).json()["treatment_emergent"] is False
    worse = await report(**before, baseline_grade=1)
    assert worse.json()["treatment_emergent"] is True


async def test_who_may_record_and_read(api, report):
    """The cell laboratory records without reading, the sponsor does neither."""
    made = await report(role=Role.CELL_LABORATORY)
    assert made.status_code == 201
    path = f"/adverse-events/{made.json()['id']}"
    assert (await api(Role.CELL_LABORATORY).get(path)).status_code == 403
    assert (await api(Role.CELL_LABORATORY).get("/adverse-events")).status_code == 403
    assert (await change(api(Role.CELL_LABORATORY), made.json(), grade=2)).status_code == 403
    assert (await api(Role.SPONSOR).get(path)).status_code == 403
    assert (await report(role=Role.SPONSOR)).status_code == 403
    assert (await report(role=Role.MONITOR)).status_code == 403
    assert (await api(Role.SAFETY_COMMITTEE).get(path)).status_code == 200
