"""Batches of laboratory results: each result has its own outcome, and none is lost silently."""

import asyncio
import json

from app.domain.vocabulary import Role
from tests.factories.labs import hemoglobin, measured, neutrophils, refusal
from tests.factories.subjects import register

OTHER_SUBJECT = "01890000-0000-7000-8000-000000000000"


async def test_good_results_are_stored_and_doubtful_ones_reported(api):
    """One outcome for each result, in order, and counts that add up."""
    client, subject_id = api(Role.LABORATORY_SYSTEM), await register(api)
    batch = [
        neutrophils(subject_id),
        hemoglobin(subject_id, value=10.2, unit="g/L"),
        measured(subject_id, "PLT", 30, "bananas"),
        measured(OTHER_SUBJECT, "PLT", 30, "10*9/L"),
        neutrophils(subject_id),
        neutrophils(subject_id, value=1.3),
        measured(subject_id, "HEMO", 30, "10*9/L"),
        measured(subject_id, "PLT", 30, "10*9/L", collected_at="2026-07-01T00:00:00Z"),
    ]
    answer = await client.post("/labs", json={"results": batch})
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert [(item["index"], item["outcome"], item["code"]) for item in receipt["results"]] == [
        (0, "created", None),
        (1, "refused", "implausible_value"),
        (2, "refused", "unknown_unit"),
        (3, "refused", "unknown_subject"),
        (4, "duplicate", None),
        (5, "refused", "result_differs"),
        (6, "refused", "unknown_analyte"),
        (7, "refused", "future_moment"),
    ]
    counts = {name: receipt[name] for name in ("received", "created", "duplicates", "refused")}
    assert counts == {"received": 8, "created": 1, "duplicates": 1, "refused": 6}
    assert receipt["results"][4]["id"] == receipt["results"][0]["id"]
    stored = (await api().get("/labs")).json()["items"]
    assert [item["id"] for item in stored] == [receipt["results"][0]["id"]]


async def test_no_answer_repeats_a_value(api):
    """A refusal explains itself without the number that was sent."""
    subject_id = await register(api)
    batch = [hemoglobin(subject_id, value=7654321, unit="g/L")]
    answer = await api().post("/labs", json={"results": batch})
    assert answer.json()["refused"] == 1
    assert "7654321" not in answer.text


async def test_a_batch_that_cannot_be_read_stores_nothing(api):
    """A body that does not fit the schema is refused whole and says where."""
    subject_id = await register(api)
    batch = [neutrophils(subject_id), neutrophils(subject_id) | {"value": True}]
    answer = await api().post("/labs", json={"results": batch})
    assert refusal(answer) == (422, "validation_failed", "/body/results/1/value")
    assert (await api().get("/labs")).json()["items"] == []


async def test_a_batch_has_at_least_one_and_at_most_ten_thousand_results(api):
    """Beyond that it is refused as a whole."""
    subject_id = await register(api)
    for results in ([], [neutrophils(subject_id)] * 10_001):
        answer = await api().post("/labs", json={"results": results})
        assert refusal(answer) == (422, "validation_failed", "/body/results")


async def test_ten_thousand_results_are_one_statement(api, database):
    """A large batch passes the limit of ordinary bodies and is written by one INSERT."""
    subject_id = await register(api)
    batch = [neutrophils(subject_id, accession=f"A-{number}") for number in range(10_000)]
    body = json.dumps({"results": batch}, indent=2).encode()
    assert len(body) > 1_000_000
    headers = {"Content-Type": "application/json"}
    statements = []

    async with database.direct() as connection:
        with connection.query_logger(lambda query: statements.append(query.query)):
            answer = await api(Role.LABORATORY_SYSTEM).post("/labs", content=body, headers=headers)
    assert answer.json()["created"] == 10_000
    assert sum("INSERT INTO lab_result" in statement for statement in statements) == 1
    again = await api(Role.LABORATORY_SYSTEM).post("/labs", content=body, headers=headers)
    assert again.json()["duplicates"] == 10_000


async def test_ten_megabytes_are_the_limit(api):
    """A body beyond it is refused before it is read."""
    answer = await api().post("/labs", content=b"x" * 10_000_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_the_same_result_from_two_senders_at_once_is_stored_once(committing_api):
    """Concurrent requests with one natural key: one creates, all others find it."""
    subject_id = await register(committing_api)
    clients = [committing_api(Role.LABORATORY_SYSTEM) for _ in range(8)]
    answers = await asyncio.gather(
        *(client.post("/labs", json=neutrophils(subject_id)) for client in clients)
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_result_and_an_exit_do_not_pass_each_other(committing_api):
    """Of a death and a result from after it, sent at once, only one is taken."""
    for day in range(1, 6):
        subject_id = await register(committing_api)
        exit_ = {"event": "died", "event_date": f"2026-05-{day:02d}", "reason": "Documented."}
        answers = await asyncio.gather(
            committing_api().post(f"/subjects/{subject_id}/disposition", json=exit_),
            committing_api().post("/labs", json=neutrophils(subject_id)),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409], answers
