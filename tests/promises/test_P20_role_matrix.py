"""P20: every operation lets through exactly the roles of the published table, in every state.

One request for each role, operation and state: a subject that is there and one that is not, and for
what is of a subject a casebook that is open, frozen or locked. What is expected is read from
docs/roles.md; what each operation asks for is in operation_rights.py.
"""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.core.config import Settings
from app.domain.vocabulary import Role
from app.main import create_app
from app.services.role_matrix import MATRIX, Area
from app.services.role_page import AREAS, SHORT
from tests.factories.casebooks import bring_to
from tests.factories.doors import knock
from tests.factories.messages import laboratory
from tests.factories.people import speaking_for
from tests.factories.senders import create_sender
from tests.factories.subjects import register
from tests.promises.closed_case import REQUESTS, open_case
from tests.promises.operation_rights import ANYBODY, AUDITORS, OPEN, RIGHTS, SENDERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
ABSENT = "00000000-0000-7000-8000-000000000000"
DOCUMENT = create_app(Settings(), None, None, None).openapi()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
MEDIA = {
    operation["operationId"]: next(iter(operation["requestBody"]["content"]))
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
    if "requestBody" in operation
}
# Path parameters that are no ids.
FILLED = {"study": "NCT07212335", "number": "1", "criterion": "I6", "record_type": "infusion"}


def published() -> dict[Area, dict[Role, str]]:
    """Read the table of the page."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    roles = {short: role for role, short in SHORT.items()}
    areas = {words: area for area, words in AREAS.items()}
    return {
        areas[words]: dict(zip((roles[name] for name in header[1:]), cells, strict=True))
        for words, *cells in rows
    }


TABLE = published()


def allowed(role: Role | None, operation: str) -> bool:
    """Tell by the published table whether a role may ask for an operation."""
    if operation in OPEN | ANYBODY:
        return True
    if operation in SENDERS:
        return role is Role.LABORATORY_SYSTEM
    if operation in AUDITORS:
        return role is Role.AUDITOR
    area, right = RIGHTS[operation]
    if operation == "validate_hl7v2" and role is Role.LABORATORY_SYSTEM:
        return True
    return role is not None and right in TABLE[area][role]


async def ask(client, operation: str, subject_id: str) -> tuple[int, str]:
    """Send one request with nothing in it; return the status and the code of the refusal."""
    method, path = OPERATIONS[operation]
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        value = subject_id if name == "subject_id" else FILLED.get(name, ABSENT)
        path = path.replace(f"{{{name}}}", value)
    headers, content = {"If-Match": '"v1"'}, None
    if operation in MEDIA:
        headers["Content-Type"], content = MEDIA[operation], "{}"
    url = f"http://test{path}"
    answer = await client.request(method, url, content=content, headers=headers)
    problem = answer.headers.get("content-type", "").startswith("application/problem")
    return answer.status_code, answer.json().get("code", "") if problem else ""


def test_every_operation_is_in_the_table():
    """An operation that nobody has thought about fails here, and one that is gone, too."""
    assert set(OPERATIONS) == OPEN | ANYBODY | AUDITORS | SENDERS | set(RIGHTS)


@pytest.mark.parametrize("role", list(Role))
async def test_each_cell_is_as_published(api, role):
    """The role passes exactly where the page says so; a refusal comes before the body is judged."""
    subject_id = await register(api)
    await create_sender(api)
    wrong = []
    async with api(role) as client:
        for operation, (_, path) in OPERATIONS.items():
            for subject in (subject_id, ABSENT)[: 1 + ("{subject_id}" in path)]:
                status, code = await ask(client, operation, subject)
                if (status != 403) != allowed(role, operation) or status in (401, 500):
                    wrong.append((operation, subject == subject_id, status, code))
    assert wrong == []


class WritesAs(httpx.Auth):
    """Shows one person's token for what is read and another's for what is written."""

    def __init__(self, reader: httpx.Auth, writer: httpx.Auth) -> None:
        self._reader, self._writer = reader, writer

    def auth_flow(self, request: httpx.Request):
        """Choose by the method."""
        who = self._reader if request.method == "GET" else self._writer
        yield from who.auth_flow(request)


def writing_as(api, role: Role):
    """Return clients who prepare as the investigator and write in the role, whichever is asked."""

    def client(*_whoever) -> httpx.AsyncClient:
        made = api()
        made.auth = WritesAs(api().auth, api(role).auth)
        return made

    return client


async def reads(api, subject_id: str) -> dict[tuple[Role, str], int]:
    """Read everything of a subject in every role; give the statuses."""
    return {
        (role, operation): (await ask(api(role), operation, subject_id))[0]
        for operation, (method, path) in OPERATIONS.items()
        if method == "GET" and "{subject_id}" in path
        for role in Role
    }


async def written(case, api) -> dict[tuple[Role, str], int]:
    """Write every kind of record in every role, as far as a casebook refuses the allowed ones."""
    answers = {}
    for role in set(Role) - {Role.LABORATORY_SYSTEM}:  # whose late results wait; see P17
        as_role = replace(case, api=writing_as(api, role))
        for operation, request in REQUESTS.items():
            answers[role, operation] = (await request(as_role)).status_code
    return answers


@pytest.mark.parametrize("state", ["frozen", "locked"])
async def test_each_cell_is_as_published_in_a_closed_casebook(api, clock, state):
    """Who may write is told that it is closed (423), who may not that they may not (403).

    What is read is read as before. That the same requests pass while it is open is P17's control.
    """
    case = await open_case(api, clock)
    before = await reads(api, case.treated["id"])
    for subject_id in case.subjects:
        await bring_to(api, subject_id, state)
    await knock(await laboratory(api), "hl7v2")
    assert await reads(api, case.treated["id"]) == before
    answers = await written(case, api)
    expected = {
        (role, operation): 423 if allowed(role, operation) else 403 for role, operation in answers
    }
    wrong = {cell: found for cell, found in answers.items() if found != expected[cell]}
    assert wrong == {}


async def test_control_a_cell_that_differs_is_found(api, monkeypatch):
    """The control: a right that the code takes away and the page still shows is noticed."""
    subject_id = await register(api)
    operation = "read_safety_metrics"
    async with api(Role.SPONSOR) as client:
        assert (await ask(client, operation, subject_id))[0] == 200
        monkeypatch.setitem(MATRIX[Area.METRICS], Role.SPONSOR, "")
        status, _ = await ask(client, operation, subject_id)
    assert (status != 403) != allowed(Role.SPONSOR, operation)


async def test_who_has_no_role_finds_no_study(api):
    """Everything of the study answers as if it were not there; other doors refuse strangers."""
    subject_id = await register(api)
    wrong = []
    async with speaking_for(api, "stranger") as client:
        for operation in set(OPERATIONS) - OPEN - ANYBODY:
            status, code = await ask(client, operation, subject_id)
            expected = (403,) if operation in SENDERS | AUDITORS | {"create_study"} else (404,)
            if status not in expected:
                wrong.append((operation, status, code))
    assert wrong == []
