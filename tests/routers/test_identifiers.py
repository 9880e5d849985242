"""Hospital identifiers over HTTP: matched by, read by few, and nowhere in the clear."""

import hashlib
from asyncio import gather
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.core.keyring import SECRET_BYTES, Keyring
from app.domain.vocabulary import IdentifierKind, Role
from app.models import SubjectIdentifier
from app.services.inbound_matching import Identifier, identifier_token
from tests.conftest import Api
from tests.factories.senders import change, tables_holding
from tests.factories.subjects import created, register

CANARY = "Zz-canary-91"
READERS = {Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR}


async def record(api: Api, subject_id: str, value: str = CANARY, kind: str = "patient", **headers):
    """Record an identifier as a coordinator."""
    named = {name: headers.pop(name) for name in ("authority", "type") if name in headers}
    body = {"kind": kind, "value": value} | named
    path = f"/subjects/{subject_id}/identifiers"
    return await api(Role.STUDY_COORDINATOR).post(path, json=body, headers=headers)


async def listed(api: Api, subject_id: str, **query: str) -> list[dict]:
    """List a subject's identifiers as an investigator."""
    answer = await api().get(f"/subjects/{subject_id}/identifiers", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_an_identifier_is_kept_to_match_by(api, session, keyring):
    """Its token is the one that messages of the subject's site are matched by."""
    subject_id = await register(api)
    answer = await record(api, subject_id, " MRN-1 ")
    made = created(answer)
    assert answer.headers["etag"] == '"v1"'
    assert (made["subject_id"], made["kind"], made["retracted"]) == (subject_id, "patient", False)
    assert "value" not in made
    assert await listed(api, subject_id) == [
        made | {"value": "MRN-1", "authority": None, "type": None}
    ]
    stored = (await session.scalars(select(SubjectIdentifier))).one()
    named = Identifier(kind=IdentifierKind.PATIENT, value="MRN-1")
    assert stored.token == identifier_token(keyring, stored.site_id, named)


async def test_the_same_identifier_again_changes_nothing(api):
    """For the same subject it is answered 200 with what is there; another kind is another one."""
    subject_id = await register(api)
    made = created(await record(api, subject_id))
    again = await record(api, subject_id)
    assert (again.status_code, again.json()) == (200, made)
    created(await record(api, subject_id, kind="specimen"))
    assert [item["kind"] for item in await listed(api, subject_id)] == ["patient", "specimen"]


async def test_a_number_is_recorded_with_whose_it_is(api):
    """Authority and type come back; a specimen has neither, and a number of whoever is taken."""
    subject_id, other = await register(api), await register(api)
    named = {"authority": "HOSPITAL-A", "type": "MR"}
    created(await record(api, subject_id, "MRN-1", **named))
    assert (await record(api, subject_id, "MRN-1", **named)).status_code == 200
    created(await record(api, other, "MRN-1", authority="HOSPITAL-B"))
    (stored,) = await listed(api, subject_id)
    assert (stored["value"], stored["authority"], stored["type"]) == ("MRN-1", "HOSPITAL-A", "MR")
    assert (await record(api, subject_id, kind="specimen", **named)).status_code == 422
    created(await record(api, subject_id, "MRN-2"))
    taken = await record(api, other, "MRN-2", **named)
    assert (taken.status_code, taken.json()["code"]) == (409, "identifier_taken")


async def test_an_identifier_belongs_to_one_subject(api):
    """For another subject it is refused without being repeated, until it is retracted."""
    subject_id, other = await register(api), await register(api)
    made = created(await record(api, subject_id))
    refused = await record(api, other)
    assert (refused.status_code, refused.json()["code"]) == (409, "identifier_taken")
    assert CANARY not in refused.text
    one = f"/subjects/{subject_id}/identifiers/{made['id']}"
    retracted = await change(api(Role.STUDY_COORDINATOR), one, 1, retracted=True)
    assert (retracted.status_code, retracted.headers["etag"]) == (200, '"v2"')
    assert (retracted.json()["retracted"], "value" in retracted.json()) == (True, False)
    created(await record(api, other))
    assert [item["retracted"] for item in await listed(api, subject_id)] == [True]
    assert (await record(api, subject_id)).status_code == 409


@pytest.mark.parametrize("role", Role)
async def test_who_may_see_and_who_may_record(api, role):
    """Only who treats the subject sees a value; only the coordinator records and retracts."""
    subject_id = await register(api)
    made = created(await record(api, subject_id))
    client, path = api(role), f"/subjects/{subject_id}/identifiers"
    seen = await client.get(path)
    assert seen.status_code == (200 if role in READERS else 403)
    assert (CANARY in seen.text) == (role in READERS)
    may_write = role is Role.STUDY_COORDINATOR
    body = {"kind": "specimen", "value": "A-1"}
    assert (await client.post(path, json=body)).status_code == (201 if may_write else 403)
    retracted = await change(client, f"{path}/{made['id']}", 1, retracted=True)
    assert retracted.status_code == (200 if may_write else 403)


async def test_the_value_stands_nowhere(api, session, capsys):
    """After recording, repeating, refusing and retracting no table, log or answer holds it."""
    subject_id, other = await register(api), await register(api)
    answers = [
        await record(api, subject_id, **{"Idempotency-Key": "k"}),
        await record(api, subject_id, **{"Idempotency-Key": "k"}),
        await record(api, subject_id),
        await record(api, other),
        await record(api, subject_id, kind=CANARY),
        await record(api, subject_id, value=CANARY * 20),
        await record(api, subject_id, value=CANARY + "\x07"),
        await record(api, "0" * 8),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 409, 422, 422, 422, 404]
    one = f"/subjects/{subject_id}/identifiers/{answers[0].json()['id']}"
    await change(api(Role.STUDY_COORDINATOR), one, 1, retracted=True)
    trail = await api(Role.AUDITOR).get("/audit/changes?limit=200")
    assert "subject_identifier" in trail.text
    assert [CANARY in answer.text for answer in (*answers, trail)] == [False] * 9
    assert await tables_holding(session, CANARY) == []
    assert CANARY not in "".join(capsys.readouterr())
    folder = Path(await session.scalar(text("SELECT current_setting('data_directory')")))
    log = (folder.parent / "log").read_text(encoding="utf-8", errors="replace")
    assert log
    assert CANARY not in log


async def test_a_short_value_cannot_be_guessed_from_the_tables(api, session):
    """Two bodies are told apart by a keyed hash: no plain digest of a number is kept."""
    subject_id = await register(api)
    answer = await record(api, subject_id, "12345678", **{"Idempotency-Key": "k"})
    body = answer.request.content
    for plain in (b"12345678", body, b"\n" + body):
        assert await tables_holding(session, hashlib.sha256(plain).hexdigest()) == []
    reused = await record(api, subject_id, "12345679", **{"Idempotency-Key": "k"})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")


async def test_without_its_key_an_identifier_says_nothing(api, app):
    """Where the key is lost or destroyed, the rows stay and no value comes back."""
    subject_id = await register(api)
    created(await record(api, subject_id))
    app.state.keyring = Keyring(b"x" * SECRET_BYTES)
    assert [item["value"] for item in await listed(api, subject_id)] == [None]


async def test_a_change_names_its_version_and_its_reason(api):
    """Retracting is of the version that was read, explained, and not taken back."""
    subject_id, other = await register(api), await register(api)
    made = created(await record(api, subject_id))
    client, path = api(Role.STUDY_COORDINATOR), f"/subjects/{subject_id}/identifiers/{made['id']}"
    body = {"retracted": True, "reason": "Wrong person."}
    assert (await client.patch(path, json=body)).status_code == 428
    assert (await change(client, path, 2, retracted=True)).status_code == 412
    assert (await change(client, path, 1, retracted=True, reason="")).status_code == 422
    assert (await change(client, path, 1, retracted=False)).status_code == 422
    foreign = f"/subjects/{other}/identifiers/{made['id']}"
    assert (await change(client, foreign, 1, retracted=True)).status_code == 404
    assert (await change(client, path, 1, retracted=True)).status_code == 200


async def test_identifiers_are_read_as_they_were(api, session, clock):
    """At an earlier moment a retracted identifier stood, and opens still."""
    subject_id = await register(api)
    made = created(await record(api, subject_id))
    moment = text("SELECT clock_timestamp()")
    before = await session.scalar(moment)
    path = f"/subjects/{subject_id}/identifiers/{made['id']}"
    await change(api(Role.STUDY_COORDINATOR), path, 1, retracted=True)
    clock.now = await session.scalar(moment)
    past = await listed(api, subject_id, as_of=before.isoformat())
    assert [(item["value"], item["retracted"]) for item in past] == [(CANARY, False)]
    present = await listed(api, subject_id)
    assert [(item["value"], item["retracted"]) for item in present] == [(CANARY, True)]


async def test_one_identifier_recorded_for_many_at_once_goes_to_one(committing_api):
    """Of concurrent requests for two subjects one subject gets it, the other is told."""
    subjects = [await register(committing_api) for _ in range(2)]
    answers = await gather(*(record(committing_api, subject_id) for subject_id in subjects * 4))
    by_subject = {
        subject_id: {answers[i + 2 * j].status_code for j in range(4)}
        for i, subject_id in enumerate(subjects)
    }
    assert {frozenset(each) for each in by_subject.values()} == {
        frozenset({201, 200}),
        frozenset({409}),
    }
    assert {answer.json().get("code") for answer in answers} == {None, "identifier_taken"}
