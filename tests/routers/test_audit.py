"""The audit trail over HTTP: every row that was written, by whom, in which role, and why."""

import pytest
from sqlalchemy import text

from app.core.ids import new_id
from app.domain.vocabulary import Role
from tests.factories.dosing import create_bags, dose
from tests.factories.labs import neutrophils
from tests.factories.subjects import register
from tests.routers.test_adverse_events import EVENT, change


@pytest.fixture
def auditor(api):
    """The auditor's client."""
    return api(Role.AUDITOR)


async def read(client, path: str, **query) -> list[dict]:
    """Read one page of the trail."""
    answer = await client.get(f"/audit/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def every(client, path: str, limit: int, **query) -> list[dict]:
    """Read all pages of a list."""
    items, cursor = [], {}
    while True:
        params = query | cursor | {"limit": limit}
        page = (await client.get(f"/audit/{path}", params=params)).json()
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


async def test_a_change_shows_old_and_new_with_its_author(api, auditor):
    """Who, in which role, why, with which request: and the row before and after."""
    subject = await register(api)
    body = EVENT | {"subject_id": subject, "grade": 1}
    event = (await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body)).json()
    answer = await change(api(Role.SUB_INVESTIGATOR), event, grade=3)
    inserted, updated = await read(
        auditor, "changes", record_id=event["id"], record_type="adverse_event"
    )
    assert (inserted["action"], updated["action"]) == ("insert", "update")
    assert (inserted["command"], updated["command"]) == (
        "create_adverse_event",
        "change_adverse_event",
    )
    assert inserted["old"] is None
    assert inserted["new"]["grade"] == updated["old"]["grade"] == 1
    assert updated["new"]["grade"] == 3
    assert updated["changed_fields"] == ["grade"]
    assert {"term", "grade", "onset_at"} <= set(inserted["changed_fields"])
    assert "ended_at" not in inserted["changed_fields"]
    assert updated["actor_name"] == "Sub investigator (development)"
    assert (updated["role"], updated["organisation"]) == ("sub_investigator", "Development")
    assert updated["reason"] == "Corrected after review."
    assert updated["request_id"] == answer.headers["x-request-id"]


async def test_an_append_only_row_is_shown_as_the_insert_it_was(api, auditor):
    """A laboratory result has no change row of its own and is in the trail all the same."""
    subject = await register(api)
    made = await api(Role.LABORATORY_SYSTEM).post("/labs", json=neutrophils(subject))
    (entry,) = await read(auditor, "changes", record_id=made.json()["id"])
    assert (entry["record_type"], entry["action"]) == ("lab_result", "insert")
    assert entry["command"] == "record_labs"
    assert entry["role"] == "laboratory_system"
    assert entry["old"] is None
    assert entry["new"]["value"] == 1.2
    assert entry["request_id"] == made.headers["x-request-id"]


async def test_the_set_up_of_the_study_is_in_the_trail(auditor):
    """The first operation wrote the study, its site, people, grants, protocol and cohort."""
    first = (await read(auditor, "operations"))[0]
    assert first["command"] == "create_study"
    assert first["reason"] == "Study loaded for tests."
    written = await every(auditor, "changes", 200, operation_id=first["id"])
    assert {entry["record_type"] for entry in written} == {
        "study",
        "site",
        "principal",
        "role_grant",
        "protocol_version",
        "protocol_activation",
        "cohort",
    }
    (study,) = [entry for entry in written if entry["record_type"] == "study"]
    assert study["new"]["key"] == "NCT07212335"


async def test_pages_hold_every_row_once_and_in_order(api, auditor, session):
    """Small pages together are the one large page, by operation and by row."""
    subject = await register(api)
    await dose(api, subject)
    await api().post("/adverse-events", json=EVENT | {"subject_id": subject})
    whole = await every(auditor, "changes", 200)
    paged = await every(auditor, "changes", 7)
    assert paged == whole
    operations = [entry["operation_id"] for entry in whole]
    assert operations == sorted(operations)
    counted = await session.scalar(
        text(
            "SELECT (SELECT count(*) FROM change) + (SELECT count(*) FROM principal)"
            " + (SELECT count(*) FROM role_grant) + (SELECT count(*) FROM enrolment)"
            " + 5"  # study, site, protocol version, activation, cohort
        )
    )
    assert len(whole) == counted
    assert await every(auditor, "operations", 1) == await read(auditor, "operations")


async def test_operations_are_filtered(api, auditor):
    """By person, command, record, request and time."""
    subject = await register(api)
    event = (await api().post("/adverse-events", json=EVENT | {"subject_id": subject})).json()
    answer = await change(api(Role.SUB_INVESTIGATOR), event, grade=2)

    async def commands(**query) -> list[str]:
        return [item["command"] for item in await read(auditor, "operations", **query)]

    (last,) = await read(auditor, "operations", request_id=answer.headers["x-request-id"])
    assert last["command"] == "change_adverse_event"
    assert await commands(record_id=event["id"]) == ["create_adverse_event", "change_adverse_event"]
    assert await commands(actor=last["actor_id"]) == ["change_adverse_event"]
    assert await commands(command="create_subject") == ["create_subject"]
    assert (await commands(**{"from": last["recorded_at"]})) == ["change_adverse_event"]
    assert len(await commands(to=last["recorded_at"])) == 4
    assert await commands(record_id=str(new_id())) == []
    assert await read(auditor, "changes", operation_id=str(new_id())) == []


async def test_a_request_that_fails_wrote_nothing(api, auditor):
    """A refused event leaves neither operation nor row."""
    before = await read(auditor, "operations")
    subject = await register(api)
    refused = await api().post(
        "/adverse-events", json=EVENT | {"subject_id": subject, "term": "Ague"}
    )
    assert refused.status_code == 422
    after = await read(auditor, "operations")
    assert [item["command"] for item in after[len(before) :]] == ["create_subject"]


async def test_the_trail_is_read_as_it_was(api, auditor, session, clock):
    """With as_of neither later operations nor later rows are shown."""
    await register(api)
    between = await session.scalar(text("SELECT clock_timestamp()"))
    await register(api)
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    then = {"as_of": between.isoformat()}
    made = {"command": "create_subject"}
    assert len(await read(auditor, "operations", **made, **then)) == 1
    assert len(await read(auditor, "operations", **made)) == 2
    assert len(await read(auditor, "changes", record_type="subject", **then)) == 1
    assert len(await read(auditor, "changes", record_type="subject")) == 2


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("changes", "record_type=idempotency_record", "/query/record_type"),
        ("changes", "cursor=AAAA", "/query/cursor"),
        ("changes", "cursor=%21", "/query/cursor"),
        ("operations", "cursor=AAAA", "/query/cursor"),
        ("operations", "from=2026-01-01", "/query/from"),
        ("operations", "colour=red", "/query/colour"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(auditor, path, query, pointer):
    """422 names the parameter."""
    answer = await auditor.get(f"/audit/{path}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_any_cursor_of_the_right_length_is_answered(auditor):
    """A made-up cursor selects nothing or something, and never breaks the query."""
    for cursor in ("_" * 53 + "w", "A" * 54):
        answer = await auditor.get(f"/audit/changes?cursor={cursor}")
        assert answer.status_code == 200, answer.text


async def test_who_may_read_the_trail(api):
    """The site's staff, data manager, monitor and auditor may, the cell laboratory its own."""
    allowed = {
        Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR,
        Role.DATA_MANAGER, Role.MONITOR, Role.AUDITOR, Role.CELL_LABORATORY,
    }  # fmt: skip
    for role in Role:
        for path in ("operations", "changes"):
            answer = await api(role).get(f"/audit/{path}")
            assert answer.status_code == (200 if role in allowed else 403), (role, path)


async def test_the_cell_laboratory_reads_what_it_did_itself(api):
    """Of the trail it is shown its own operations and their rows, nothing of a subject."""
    await register(api)
    await create_bags(api)
    client = api(Role.CELL_LABORATORY)
    operations = (await client.get("/audit/operations")).json()["items"]
    assert {item["command"] for item in operations} == {"create_product_lot", "create_product_bag"}
    changes = (await client.get("/audit/changes")).json()["items"]
    written = {item["record_type"] for item in changes}
    assert written == {"product_lot", "product_bag", "bag_movement"}
