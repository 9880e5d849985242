"""HL7 v2 over HTTP: who may send, in which form, what is answered, and the dry run."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.domain.vocabulary import Role
from tests.conftest import STUDY, build_app
from tests.documented import misfits
from tests.factories.mllp import msa
from tests.factories.senders import BASE, basic, bearer, create_key, create_sender, sending
from tests.factories.subjects import register
from tests.interop.hl7v2 import samples

PATH, TRY = f"{BASE}/lis/hl7v2", f"{BASE}/lis/hl7v2/validation"
ER7 = {"Content-Type": "application/hl7-v2"}
COUNTS = ("received", "filed", "duplicates", "inbox", "refused")


@pytest.fixture
async def subject(api):
    """The first subject, S-001."""
    return await register(api)


@pytest.fixture
async def laboratory(api, subject):
    """A client of the sender LIS-01 that shows its API key."""
    sender = await create_sender(api)
    key = (await create_key(api, sender["id"]))["key"]
    return sending(api, bearer(key))


async def count(session, table: str) -> int:
    """Count the rows of a table."""
    return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def test_a_blood_count_is_filed_and_acknowledged(laboratory, session, subject):
    """Four results are stored under the subject, and the answer echoes MSH-10 with AA."""
    answer = await laboratory.post(PATH, content=samples.generic_cbc(), headers=ER7)
    assert answer.status_code == 200, answer.text
    assert msa(answer.content)[1:3] == ["AA", "MSG-0001"]
    query = "SELECT analyte, value, unit, source FROM lab_result WHERE subject_id = :id"
    found = {row.analyte: row for row in await session.execute(text(query), {"id": subject})}
    assert sorted(found) == ["ANC", "HGB", "PLT", "WBC"]
    assert (int(found["PLT"].value), found["PLT"].source) == (98, "LIS-01")
    operation = "SELECT command, role FROM operation ORDER BY id DESC LIMIT 1"
    assert tuple((await session.execute(text(operation))).one()) == (
        "receive_hl7v2", "laboratory_system",
    )  # fmt: skip


@pytest.mark.parametrize(
    "sent", ["application/hl7-v2", "x-application/hl7-v2+er7", "text/plain", "Text/Plain;q=1"]
)
async def test_the_answer_is_of_the_media_type_that_was_sent(sent, laboratory):
    """Three media types are taken, and answered in kind with the charset of the message."""
    answer = await laboratory.post(
        PATH, content=samples.generic_cbc(), headers={"Content-Type": sent}
    )
    kind = sent.partition(";")[0].lower()
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/hl7-v2+xml"},
        {},
        ER7 | {"Content-Encoding": "gzip"},
    ],
)
async def test_other_forms_are_refused_with_a_sentence(headers, laboratory, session):
    """JSON, XML, an unnamed body and a compressed one are 415; nothing is stored."""
    answer = await laboratory.post(PATH, content=samples.generic_cbc(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.json()["detail"].startswith("Send the ")
    assert await count(session, "inbound_message") == 0


async def test_an_empty_body_is_no_message(laboratory, session):
    """There is nothing to keep, so it is refused and not a dead letter."""
    answer = await laboratory.post(PATH, content=b"", headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert await count(session, "inbound_message") == 0


async def test_what_is_not_hl7_is_kept_and_refused(laboratory, session):
    """Bytes without a header are answered AR with nothing to echo, and are a dead letter."""
    answer = await laboratory.post(PATH, content=b"<html>hello</html>", headers=ER7)
    assert (answer.status_code, msa(answer.content)[1:3]) == (200, ["AR", ""])
    kept = await session.execute(text("SELECT refusal, size FROM inbound_message"))
    assert [tuple(row) for row in kept] == [("not_hl7", 18)]


async def test_gb18030_goes_in_and_comes_back(laboratory, session):
    """Characters whose second byte is a separator survive, and the answer is in GB 18030 too."""
    raw = samples.chinese_oul(charset="gb18030")
    raw = raw.replace(b"|LIS|", f"|{samples.TRAPS}|".encode("gb18030"), 1)
    answer = await laboratory.post(PATH, content=raw, headers=ER7)
    assert answer.headers["content-type"] == "application/hl7-v2; charset=gb18030"
    assert answer.content.decode("gb18030").split("|")[4] == samples.TRAPS
    row = (await session.execute(text("SELECT charset, results, flags FROM inbound_message"))).one()
    assert tuple(row) == ("gb18030", 3, [])


@pytest.mark.parametrize("charset", ["GB18030", '"gb18030"', "gbk"])
async def test_the_charset_of_the_content_type_wins(charset, laboratory, session):
    """MSH-18 says UTF-8, the bytes are GB 18030 as the Content-Type says."""
    raw = samples.message(
        samples.msh(), samples.pid(name=samples.TRAPS), samples.obr(), samples.obx(),
        charset="gb18030",
    )  # fmt: skip
    headers = {"Content-Type": f"application/hl7-v2; charset={charset}"}
    answer = await laboratory.post(PATH, content=raw, headers=headers)
    assert msa(answer.content)[1] == "AA"
    row = (await session.execute(text("SELECT charset, flags FROM inbound_message"))).one()
    assert tuple(row) == ("gb18030", [])


async def test_a_message_above_the_limit_is_refused(laboratory, session):
    """More than 10 MB is 413, and 3 MB are nothing special."""
    note = samples.segment("NTE", {1: "1", 3: "x" * 3_000_000})
    large = samples.generic_cbc() + samples.message(note)
    assert msa((await laboratory.post(PATH, content=large, headers=ER7)).content)[1] == "AA"
    answer = await laboratory.post(PATH, content=large * 4, headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert await count(session, "inbound_message") == 1


async def test_only_senders_get_in(api, subject, laboratory, session):
    """Without credentials or with wrong ones it is 401, with a person's token 403."""
    message = samples.generic_cbc()
    for authorization in ("", bearer("msck_00000000_" + "A" * 43), basic("LIS-01", "guess")):
        answer = await sending(api, authorization).post(PATH, content=message, headers=ER7)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
        assert "Basic" in answer.headers["www-authenticate"]
    answer = await api(Role.PRINCIPAL_INVESTIGATOR).post(PATH, content=message, headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_sender")
    assert await count(session, "inbound_message") == 0


async def test_a_sender_stays_in_its_network_and_below_its_rate(api, subject):
    """From elsewhere it is 403; above the rate 429 says how long to wait."""
    sender = await create_sender(api, networks=["10.20.0.0/16"], rate_per_minute=1)
    key = bearer((await create_key(api, sender["id"]))["key"])
    message = samples.generic_cbc()
    answer = await sending(api, key).post(PATH, content=message, headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (403, "network_not_allowed")
    inside = sending(api, key, "10.20.3.4")
    assert (await inside.post(PATH, content=message, headers=ER7)).status_code == 200
    answer = await inside.post(PATH, content=message, headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_messages")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_without_a_commit_there_is_no_acknowledgement(laboratory, session, monkeypatch):
    """A commit that fails is 503 with Retry-After, never AA or AE; the resend is taken."""

    async def fail(self):
        await self.rollback()
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(AsyncSession, "commit", fail)
        answer = await laboratory.post(PATH, content=samples.generic_cbc(), headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert await count(session, "inbound_message") == 0
    answer = await laboratory.post(PATH, content=samples.generic_cbc(), headers=ER7)
    assert msa(answer.content)[1] == "AA"


async def test_without_a_database_there_is_no_acknowledgement(issuer, clock):
    """Nobody answers at the database's address: 503 with Retry-After, never AA or AE."""
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    transport = httpx.ASGITransport(build_app(away, issuer, clock))
    headers = ER7 | {"Authorization": bearer("msck_00000000_" + "A" * 43)}
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.post(PATH, content=samples.generic_cbc(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"
    await away.close()


async def test_a_repeated_request_is_replayed(laboratory, session):
    """With the same Idempotency-Key the same answer comes without looking at the message."""
    headers = ER7 | {"Idempotency-Key": "one"}
    first, second = [
        await laboratory.post(PATH, content=samples.generic_cbc(), headers=headers)
        for _ in range(2)
    ]
    assert second.headers["idempotent-replay"] == "true"
    assert (second.content, second.headers["content-type"]) == (
        first.content, first.headers["content-type"],
    )  # fmt: skip
    assert await count(session, "inbound_message") == 1


MIXED = samples.message(
    samples.msh(), samples.pid(), samples.obr(),
    samples.obx(samples.HGB, "10.2", "g/dL", {7: "11.5-15.0", 8: "L~Z9"}),
    samples.obx("X99^Mystery^L"),
)  # fmt: skip
TABLES = ("inbound_message", "lab_result", "inbox_item")


async def test_a_sender_tries_a_message(app, laboratory, session):
    """It learns outcomes, analytes, reasons and the answer; no values; nothing is stored."""
    answer = await laboratory.post(TRY, content=MIXED, headers=ER7)
    assert misfits(app, "validate_hl7v2", answer) == []
    (message,) = answer.json()["messages"]
    assert [message[name] for name in COUNTS] == [2, 1, 0, 1, 0]
    good, bad = message["results"]
    assert good == {
        "position": 0, "outcome": "filed", "analyte": "HGB", "reasons": [], "reading": None,
    }  # fmt: skip
    assert (bad["outcome"], bad["analyte"]) == ("inbox", None)
    assert [reason["code"] for reason in bad["reasons"]] == ["unmapped_code"]
    assert message["control_id"] == "MSG-0001"
    assert (message["message_type"], message["version"]) == ("ORU^R01^ORU_R01", "2.5.1")
    assert msa(message["acknowledgement"].encode())[1:3] == ["AA", "MSG-0001"]
    assert [await count(session, name) for name in TABLES] == [0, 0, 0]


async def test_a_data_manager_tries_a_message_of_a_sender(api, laboratory, session):
    """Who may read results sees what would be stored, in the canonical unit."""
    client = api(Role.DATA_MANAGER)
    answer = await client.post(TRY, content=MIXED, headers=ER7, params={"sender": "LIS-01"})
    assert answer.status_code == 200, answer.text
    good, bad = answer.json()["messages"][0]["results"]
    assert good["reading"] == {
        "status": "final", "value": 102, "comparator": None, "unit": "g/L", "lln": 115, "uln": 150,
        "finding": None, "flags": ["L", "Z9"], "collected_at": "2026-05-31T23:30:00Z",
        "reported_at": "2026-06-01T00:45:00Z",
    }  # fmt: skip
    assert bad["reading"] is None
    assert [await count(session, name) for name in TABLES] == [0, 0, 0]


async def test_the_profile_says_what_a_flag_means(api, laboratory):
    """The dry run shows flags in its words; one that it does not know stays as it came."""
    client = api(Role.DATA_MANAGER)
    senders = f"{BASE}/lis/senders"
    (sender,) = (await client.get(senders)).json()["items"]
    body = {"profile": {"flags": {"Z9": "critical"}}, "reason": "The laboratory's own flag."}
    made = await client.post(f"{senders}/{sender['id']}/profiles", json=body)
    assert made.status_code == 201, made.text
    answer = await client.post(TRY, content=MIXED, headers=ER7, params={"sender": "LIS-01"})
    good, _ = answer.json()["messages"][0]["results"]
    assert good["reading"]["flags"] == ["L", "critical"]


async def test_who_may_not_read_results_sees_none(api, laboratory):
    """An administrator sets senders up without seeing a value; a sponsor does not get in."""
    asked = {"content": MIXED, "headers": ER7, "params": {"sender": "LIS-01", "study": STUDY}}
    answer = await api(Role.ADMINISTRATOR).post(TRY, **asked)
    assert [each["reading"] for each in answer.json()["messages"][0]["results"]] == [None, None]
    assert (await api(Role.SPONSOR).post(TRY, **asked)).json()["code"] == "role_not_allowed"


async def test_a_person_names_a_sender_that_exists(api, laboratory):
    """Without a sender nobody knows how to read the message."""
    client = api(Role.DATA_MANAGER)
    answer = await client.post(TRY, content=MIXED, headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (422, "sender_needed")
    answer = await client.post(TRY, content=MIXED, headers=ER7, params={"sender": "LIS-99"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (samples.analyzer_quality_control(), {"refusal": "not_production", "refused": 2}),
        (b"hello", {"refusal": "not_hl7", "control_id": None, "message_type": None}),
        (samples.message(samples.msh(fields={2: "^^"})), {"waits_as_whole": "unreadable_message"}),
    ],
)
async def test_what_cannot_be_read_can_be_tried_too(content, said, laboratory, session):
    """The dry run says why a message would be refused or would wait as a whole."""
    (message,) = (await laboratory.post(TRY, content=content, headers=ER7)).json()["messages"]
    assert {name: message[name] for name in said} == said
    assert message["results"] == []
    assert await count(session, "inbound_message") == 0


async def test_a_message_that_came_before_is_recognized(laboratory):
    """The dry run of what is here already shows the counts and the answer of the first time."""
    first = await laboratory.post(PATH, content=MIXED, headers=ER7)
    (message,) = (await laboratory.post(TRY, content=MIXED, headers=ER7)).json()["messages"]
    assert (message["repeated"], message["results"]) == (True, [])
    assert [message[name] for name in COUNTS] == [2, 1, 0, 1, 0]
    assert message["acknowledgement"].encode() == first.content


async def test_each_message_of_a_batch_is_tried(laboratory):
    """The dry run of a batch has an entry for each of its messages, in their order."""
    content = samples.batch(samples.generic_cbc("A"), samples.one_result(control_id="B"))
    messages = (await laboratory.post(TRY, content=content, headers=ER7)).json()["messages"]
    assert [(each["control_id"], each["filed"]) for each in messages] == [("A", 4), ("B", 1)]


@pytest.mark.parametrize("path", [f"{PATH}/", f"{TRY}/", f"{BASE}/studies/"])
async def test_another_address_is_not_found_and_nothing_is_redirected(path, laboratory):
    """An engine takes 307 for sent, and would lose every message."""
    answer = await laboratory.post(path, content=samples.generic_cbc(), headers=ER7)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_long_message_is_read_beside_other_requests(laboratory):
    """Beyond 256 kB in a thread; the result is the same."""
    note = samples.segment("NTE", {1: "1", 3: "x" * 300_000})
    raw = samples.generic_cbc() + samples.message(note)
    answer = await laboratory.post(PATH, content=raw, headers=ER7)
    assert "4 received, 4 filed" in msa(answer.content)[3]
