"""CSV files over HTTP: a report for each row, all of them or none, and never a value repeated."""

import asyncio
import hashlib

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.interop.lab_csv import MAX_ROWS
from tests.conftest import KEYRING, STUDY
from tests.factories.labs import neutrophils
from tests.factories.rows import owners_session
from tests.factories.senders import (
    BASE,
    bearer,
    change,
    create_key,
    create_sender,
    second_study,
    sending,
)
from tests.factories.subjects import created, register
from tests.interop.hl7v2 import samples

PATH = f"{BASE}/lis/csv"
HEADER = "subject,analyte,value,unit,lln,uln,collected_at,accession"
ANC = "S-001,ANC,1.2,10*9/L,1.8,6.3,2026-05-20T08:15:00+08:00,A-1"
PLT = "S-001,PLT,<15,10*9/L,,,2026-05-20 08:15,A-1"
HGB = "S-001,HGB,10.2,g/dL,,,2026-05-20 08:15,A-1"
TABLES = (
    "lab_result", "inbound_message", "inbox_item", "operation", "change", "idempotency_record",
)  # fmt: skip


@pytest.fixture
async def subject(api):
    """The first subject, S-001."""
    return await register(api)


def csv(*rows):
    """Return a file of these rows."""
    return "\n".join((HEADER, *rows, "")).encode()


async def upload(client, content, dry_run=None, kind="text/csv", **query):
    """Send a file."""
    params = query | ({} if dry_run is None else {"dry_run": dry_run})
    return await client.post(PATH, content=content, params=params, headers={"Content-Type": kind})


def outcomes(report):
    """Return the line and outcome of each row."""
    return [(row["line"], row["outcome"]) for row in report["rows"]]


def faults(report):
    """Return the places and codes of all errors of a report."""
    return [(each["pointer"], each["code"]) for row in report["rows"] for each in row["errors"]]


async def counts(session):
    """Count the rows that an upload could write."""
    return {name: await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}


async def test_a_file_is_stored_whole_with_a_report_for_each_row(api, subject, session):
    """Numbers are canonical beside the words of the file; the file is kept sealed, by digest."""
    raw = csv(ANC, PLT, HGB)
    answer = await upload(api(Role.STUDY_COORDINATOR), raw)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["stored"], report["source"]) == (True, "csv")
    assert report["digest"] == hashlib.sha256(raw).hexdigest()
    assert outcomes(report) == [(2, "new"), (3, "new"), (4, "new")]
    assert (report["received"], report["new"]) == (3, 3)
    results = {item["id"]: item for item in (await api().get("/labs")).json()["items"]}
    anc, plt, hgb = (results[row["lab_id"]] for row in report["rows"])
    assert (anc["analyte"], anc["value"], anc["subject_id"]) == ("ANC", 1.2, subject)
    assert (plt["comparator"], plt["value"], plt["original"]["value"]) == ("<", 15, "<15")
    assert (hgb["value"], hgb["unit"], hgb["original"]["unit"]) == (102, "g/L", "g/dL")
    assert {each["collected_at"] for each in (anc, plt, hgb)} == {"2026-05-20T00:15:00Z"}
    assert {each["source"] for each in results.values()} == {"csv"}
    (message,) = (await session.execute(text("SELECT * FROM inbound_message"))).mappings().all()
    assert (message["door"], message["sender_id"], message["charset"]) == ("csv", None, "utf-8")
    assert (message["results"], message["filed"], message["inbox"]) == (3, 3, 0)
    assert KEYRING.open(message["sealed"], f"inbound_message/{message['id']}") == raw
    rows = await session.execute(
        text("SELECT position, message_id, original_code FROM lab_result ORDER BY position")
    )
    assert [tuple(row) for row in rows] == [
        (0, message["id"], "ANC"), (1, message["id"], "PLT"), (2, message["id"], "HGB"),
    ]  # fmt: skip


async def test_a_stored_file_is_one_operation(api, subject):
    """The trail names who uploaded, and every row that came of it."""
    answer = await upload(api(Role.STUDY_COORDINATOR), csv(ANC, PLT))
    query = {"request_id": answer.headers["x-request-id"]}
    audit = api(Role.AUDITOR)
    (operation,) = (await audit.get("/audit/operations", params=query)).json()["items"]
    assert (operation["command"], operation["role"]) == ("upload_csv", "study_coordinator")
    query = {"operation_id": operation["id"]}
    changes = (await audit.get("/audit/changes", params=query)).json()["items"]
    assert sorted(each["record_type"] for each in changes) == [
        "inbound_message", "lab_result", "lab_result",
    ]  # fmt: skip


async def test_a_dry_run_tells_the_same_and_keeps_nothing(api, subject, session):
    """Its report has no ids, because nothing is stored; the upload afterwards is as foretold."""
    before = await counts(session)
    trial = await upload(api(), csv(ANC, PLT, ANC), dry_run="true")
    assert trial.status_code == 200, trial.text
    after = await counts(session)
    assert after == before | {"operation": after["operation"]}
    foretold = trial.json()
    assert (foretold["stored"], foretold["message_id"]) == (False, None)
    assert outcomes(foretold) == [(2, "new"), (3, "new"), (4, "duplicate")]
    assert [row["lab_id"] for row in foretold["rows"]] == [None] * 3
    real = (await upload(api(), csv(ANC, PLT, ANC), dry_run="false")).json()
    assert outcomes(real) == outcomes(foretold)


async def test_a_dry_run_reports_bad_rows_without_failing(api, subject):
    """It answers 200: the question was what would happen."""
    answer = await upload(api(), csv(ANC, PLT.replace("<15", "1.5E+01")), dry_run="true")
    assert answer.status_code == 200
    assert outcomes(answer.json()) == [(2, "new"), (3, "refused")]
    assert faults(answer.json()) == [("/body/lines/3/value", "scientific_notation")]


async def test_one_bad_row_refuses_the_file(api, subject, session):
    """Nothing is stored, the good rows neither; the report and the first errors say why."""
    before = await counts(session)
    bad = [
        ANC,
        PLT.replace("10*9/L", "bananas"),
        PLT.replace("PLT", "HEMO"),
        PLT.replace("S-001", "S-999"),
        PLT.replace("2026-05-20", "2026-07-20"),
        HGB.replace("10.2", "1020"),
        "S-001,PLT",
    ]
    answer = await upload(api(), csv(*bad))
    assert (answer.status_code, answer.json()["code"]) == (422, "rows_refused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("6 of 7 rows cannot be stored, so none is")
    report = answer.json()["report"]
    assert (report["stored"], report["new"], report["refused"]) == (False, 1, 6)
    assert faults(report) == [
        ("/body/lines/3/unit", "unknown_unit"),
        ("/body/lines/4/analyte", "unknown_analyte"),
        ("/body/lines/5/subject", "unknown_subject"),
        ("/body/lines/6/collected_at", "future_moment"),
        ("/body/lines/7/value", "implausible_value"),
        ("/body/lines/8", "short_row"),
    ]
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == faults(report)
    assert report["rows"][0]["lab_id"] is None
    assert await counts(session) == before


async def test_no_answer_repeats_a_value(api, subject):
    """Refusals and conflicts are told without anything that the file says of a patient."""
    await upload(api(), csv(ANC))
    for row in (HGB.replace("10.2", "98765"), ANC.replace("1.2", "4.4321"), "S-777,Zz-canary,1"):
        for dry_run in ("true", "false"):
            answer = await upload(api(), csv(row), dry_run=dry_run)
            for canary in ("98765", "4.4321", "Zz-canary", "S-777", "A-1"):
                assert canary not in answer.text


async def test_errors_are_cut_but_the_report_is_whole(api, subject):
    """Fifty are listed; every row has its own in the report."""
    answer = await upload(api(), csv(*["S-001"] * 60))
    assert len(answer.json()["errors"]) == 50
    assert len(faults(answer.json()["report"])) == 60


async def test_what_is_here_already_is_left_alone(api, subject):
    """Identical rows are duplicates of what is stored, whatever file they came in."""
    first = (await upload(api(), csv(ANC))).json()
    again = (await upload(api(), csv(ANC, PLT))).json()
    assert outcomes(again) == [(2, "duplicate"), (3, "new")]
    assert again["rows"][0]["lab_id"] == first["rows"][0]["lab_id"]
    assert len((await api().get("/labs")).json()["items"]) == 2


@pytest.mark.parametrize("status", ["final", "corrected", "amended"])
async def test_what_differs_is_a_conflict_and_never_overwritten(api, subject, status):
    """Also a row that calls itself a correction changes nothing; the file is refused whole."""
    await upload(api(), csv(ANC))
    raw = f"{HEADER},status\n{ANC.replace('1.2', '1.3')},{status}\n{PLT},\n".encode()
    answer = await upload(api(), raw)
    assert (answer.status_code, answer.json()["code"]) == (409, "results_differ")
    assert outcomes(answer.json()["report"]) == [(2, "conflict"), (3, "new")]
    assert faults(answer.json()["report"]) == [("/body/lines/2", "result_differs")]
    (stored,) = (await api().get("/labs?versions=all")).json()["items"]
    assert (stored["value"], stored["result_version"]) == (1.2, 1)


async def test_a_conflict_beside_a_bad_row_is_a_bad_file(api, subject):
    """What cannot be read weighs more than what differs; both are reported."""
    await upload(api(), csv(ANC))
    answer = await upload(api(), csv(ANC.replace("1.2", "1.3"), PLT.replace("PLT", "X")))
    assert answer.status_code == 422
    assert outcomes(answer.json()["report"]) == [(2, "conflict"), (3, "refused")]


async def test_rows_that_repeat_one_another_are_stored_once(api, subject):
    """The later row points to the first one, also when it is spelled in another unit."""
    same = HGB.replace("10.2,g/dL", "102,g/L")
    report = (await upload(api(), csv(HGB, PLT, same))).json()
    assert outcomes(report) == [(2, "new"), (3, "new"), (4, "duplicate")]
    assert report["rows"][2]["same_as_line"] == 2
    assert (report["received"], report["new"], report["duplicates"]) == (3, 2, 1)
    assert len((await api().get("/labs")).json()["items"]) == 2


async def test_rows_that_contradict_one_another_are_all_refused(api, subject):
    """Nobody knows which one counts; each names the line of another."""
    other = ANC.replace("1.2", "1.3")
    answer = await upload(api(), csv(ANC, ANC, other))
    assert answer.status_code == 422
    report = answer.json()["report"]
    assert outcomes(report) == [(2, "refused"), (3, "duplicate"), (4, "refused")]
    assert faults(report) == [("/body/lines/2", "rows_differ"), ("/body/lines/4", "rows_differ")]
    assert report["rows"][0]["errors"][0]["message"].startswith("Line 4 says something else")
    assert report["rows"][2]["errors"][0]["message"].startswith("Line 2 says something else")


async def test_the_same_file_again_gets_the_same_report(api, subject, session):
    """Nothing is written, whoever sends it again; even what was corrected since is no conflict."""
    first = await upload(api(Role.STUDY_COORDINATOR), csv(ANC, PLT))
    lab_id = first.json()["rows"][0]["lab_id"]
    correction = {"value": 1.3, "unit": "10*9/L", "reason": "Counted again."}
    created(await api().post(f"/labs/{lab_id}/corrections", json=correction))
    before = await counts(session)
    again = await upload(api(), csv(ANC, PLT))
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replay"] == "true"
    assert "idempotent-replay" not in first.headers
    after = await counts(session)
    assert after == before | {"operation": after["operation"]}


async def test_a_refused_file_can_be_sent_again(api):
    """Nothing of it is remembered: once the subject is registered the same bytes are stored."""
    assert (await upload(api(), csv(ANC))).status_code == 422
    await register(api)
    assert (await upload(api(), csv(ANC))).json()["new"] == 1


async def test_the_same_file_sent_twice_at_once_is_stored_once(committing_api):
    """One upload waits for the other and gets its report."""
    await register(committing_api)
    answers = await asyncio.gather(*(upload(committing_api(), csv(ANC, PLT)) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replay" in answer.headers for answer in answers) == 3
    async with owners_session(committing_api) as session:
        assert await session.scalar(text("SELECT count(*) FROM inbound_message")) == 1


async def test_an_idempotency_key_answers_once(api, subject):
    """The same key and file get the same bytes; the same key with another file is refused."""
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "file-1"}
    one, two = [await api().post(PATH, content=csv(ANC), headers=headers) for _ in range(2)]
    assert (one.status_code, one.content) == (200, two.content)
    other = await api().post(PATH, content=csv(PLT), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        ("text/csv", "utf-8"),
        ("text/csv", "utf-8-sig"),
        ("text/csv; charset=utf-8", "utf-8-sig"),
        ('text/csv; header=present; charset="GB18030"', "gb18030"),
        ("TEXT/CSV; charset=gbk", "gbk"),
        ("text/csv; charset=utf-16", "utf-16"),
    ],
)
async def test_the_charset_is_the_declared_one(api, subject, kind, codec):
    """UTF-8 unless the header says otherwise; a byte order mark is no part of the text."""
    raw = f"{HEADER},finding\nS-001,HBsAg,,,,,2026-05-20 08:15,A-2,阳性\n".encode(codec)
    answer = await upload(api(), raw, kind=kind)
    assert answer.status_code == 200, answer.text
    (stored,) = (await api().get("/labs")).json()["items"]
    assert stored["finding"] == "positive"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": ""},
        {"Content-Type": "text/csv; charset=latin-1"},
        {"Content-Type": "text/csv", "Content-Encoding": "gzip"},
    ],
    ids=["json", "none", "charset", "gzip"],
)
async def test_another_media_type_or_charset_is_refused(api, subject, headers):
    """Only plain CSV in a charset that is known is read."""
    answer = await api().post(PATH, content=csv(ANC), headers=headers)
    assert answer.status_code == 415, answer.text


BAD_FILES = {
    "empty": (b"", 422, "empty_file", None),
    "only a header": (csv(), 422, "no_rows", None),
    "an unbalanced quote": (csv(ANC, '"S-001,ANC'), 422, "malformed_row", "/body/lines/3"),
    "a NUL": (csv(ANC, "S-001,\x00"), 422, "unstorable_text", "/body/lines/3"),
    "UTF-16 undeclared": (csv(ANC).decode().encode("utf-16"), 422, "undecodable_text", None),
    "GBK undeclared": ("患者\n".encode("gbk"), 422, "undecodable_text", None),
    "no header": (f"{ANC}\n{PLT}".encode(), 422, "unknown_column", "/body/lines/1"),
    "a repeated column": (b"subject,subject\nx,x", 422, "duplicate_column", "/body/lines/1"),
    "a missing column": (b"subject\nx", 422, "missing_column", "/body/lines/1"),
    "too many rows": (csv(*["x"] * (MAX_ROWS + 1)), 413, "body_too_large", None),
    "too many bytes": (b"x" * 10_000_001, 413, "body_too_large", None),
}


@pytest.mark.parametrize("name", BAD_FILES)
async def test_a_bad_file_is_refused_whole(api, subject, session, name):
    """The answer names the line, nothing is stored, and the next file is taken."""
    raw, status, code, pointer = BAD_FILES[name]
    before = await counts(session)
    for dry_run in ("true", "false"):
        answer = await upload(api(), raw, dry_run=dry_run)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        if pointer:
            assert answer.json()["errors"][0]["pointer"] == pointer
    assert await counts(session) == before
    assert (await upload(api(), csv(ANC))).status_code == 200


@pytest.mark.parametrize("accession", ["=1+1", "@SUM(A1)", "'; DROP TABLE lab_result; --"])
async def test_formulas_and_code_are_only_text(api, subject, accession):
    """What stands in an identifier is kept letter for letter."""
    answer = await upload(api(), csv(ANC.replace("A-1", accession)))
    assert answer.status_code == 200, answer.text
    (stored,) = (await api().get("/labs")).json()["items"]
    assert stored["accession"] == accession


async def test_a_file_takes_nothing_back(api, subject):
    """Entered in error is a matter for a correction, which gives its reason."""
    raw = f"{HEADER},status\n{ANC},entered_in_error\n".encode()
    answer = await upload(api(), raw)
    assert faults(answer.json()["report"]) == [("/body/lines/2/status", "nothing_to_withdraw")]


async def test_nothing_is_filed_after_death(api, subject):
    """What was collected until that day is taken, what comes later is refused by its row."""
    exit_ = {"event": "died", "event_date": "2026-05-20", "reason": "As documented."}
    created(await api().post(f"/subjects/{subject}/disposition", json=exit_))
    late = ANC.replace("2026-05-20T", "2026-05-21T").replace("A-1", "A-2")
    answer = await upload(api(), csv(ANC, late))
    assert outcomes(answer.json()["report"]) == [(2, "new"), (3, "refused")]
    assert faults(answer.json()["report"]) == [("/body/lines/3", "after_death")]


async def test_a_file_of_a_laboratory_system_meets_what_it_pushed(api, subject):
    """Under the sender's code the backlog and the messages are the same results."""
    sender = await create_sender(api)
    lis = sending(api, bearer((await create_key(api, sender["id"]))["key"]))
    pushed = await lis.post(
        f"{BASE}/lis/hl7v2",
        content=samples.generic_cbc(),
        headers={"Content-Type": "application/hl7-v2"},
    )
    assert pushed.status_code == 200
    (anc,) = (await api().get("/labs", params={"analyte": "ANC"})).json()["items"]
    original = anc["original"]
    row = ",".join(
        (
            "S-001", "ANC", original["value"], original["unit"], original["lln"] or "",
            original["uln"] or "", anc["collected_at"], anc["accession"],
        )
    )  # fmt: skip
    report = (await upload(api(), csv(row), sender="LIS-01")).json()
    assert (report["source"], outcomes(report)) == ("LIS-01", [(2, "duplicate")])
    assert report["rows"][0]["lab_id"] == anc["id"]
    elsewhere = (await upload(api(), csv(row))).json()
    assert (elsewhere["source"], outcomes(elsewhere)) == ("csv", [(2, "new")])


async def test_an_unknown_sender_is_not_found(api, subject):
    """A source is a sender that is registered, or none is named."""
    assert (await upload(api(), csv(ANC), sender="LIS-77")).status_code == 404


async def test_a_specimen_is_told_as_the_senders_profile_says(api, subject):
    """Where accession numbers are used again, the time of collection belongs to the specimen."""
    profile = {"specimen_by": "accession_and_collection"}
    await create_sender(api, profile=profile)
    later = ANC.replace("1.2", "1.4").replace("08:15", "18:15")
    report = (await upload(api(), csv(ANC, later), sender="LIS-01")).json()
    assert outcomes(report) == [(2, "new"), (3, "new")]
    refused = await upload(api(), csv(ANC, later))
    assert refused.json()["code"] == "rows_refused"


async def test_one_specimen_is_not_two_subjects(api, subject):
    """In one file both rows are refused; beside what is here the new one is."""
    await register(api)
    other, why = PLT.replace("S-001", "S-002"), "specimen_of_another"
    both = await upload(api(), csv(PLT, other))
    places = [("/body/lines/2", why), ("/body/lines/3", why)]
    assert faults(both.json()["report"]) == places
    assert (await upload(api(), csv(PLT))).status_code == 200
    refused = await upload(api(), csv(other))
    assert refused.status_code == 422
    assert faults(refused.json()["report"]) == places[:1]


@pytest.mark.parametrize("credentials", ["key", "token"])
async def test_a_laboratory_system_uploads_under_its_own_name(api, subject, session, credentials):
    """Its file is a message of the sender, and only the analytes it may send are taken."""
    sender = await create_sender(api, analytes=["ANC"])
    client = api(Role.LABORATORY_SYSTEM)
    if credentials == "key":
        client = sending(api, bearer((await create_key(api, sender["id"]))["key"]))
    answer = await upload(client, csv(ANC))
    assert answer.status_code == 200, answer.text
    assert answer.json()["source"] == "LIS-01"
    rows = await session.execute(text("SELECT sender_id, profile_number FROM inbound_message"))
    assert [(str(row.sender_id), row.profile_number) for row in rows] == [(sender["id"], 1)]
    refused = await upload(client, csv(PLT))
    assert faults(refused.json()["report"]) == [("/body/lines/2/analyte", "analyte_not_allowed")]
    other = await upload(client, csv(ANC), sender="LIS-77")
    assert other.status_code in (401, 403)
    foreign = await upload(client, csv(ANC), study="NCT00000009")
    assert foreign.status_code == 404


async def test_a_system_that_is_no_sender_or_closed_uploads_nothing(api, subject):
    """The grant alone is not enough: a person has registered the sender, and can close it."""
    system = api(Role.LABORATORY_SYSTEM)
    refused = await upload(system, csv(ANC))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_sender")
    sender = await create_sender(api)
    assert (await upload(system, csv(ANC))).status_code == 200
    url = f"{BASE}/lis/senders/{sender['id']}"
    closed = await change(api(Role.DATA_MANAGER), url, 1, active=False)
    assert closed.status_code == 200, closed.text
    assert (await upload(system, csv(PLT))).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 200),
        (Role.STUDY_COORDINATOR, 200),
        (Role.SUB_INVESTIGATOR, 403),
        (Role.DATA_MANAGER, 403),
        (Role.SPONSOR, 403),
        (None, 401),
    ],
)
async def test_who_may_upload(api, subject, role, status):
    """Those who may record results may upload them, also in a dry run."""
    for dry_run in ("true", "false"):
        assert (await upload(api(role), csv(ANC), dry_run=dry_run)).status_code == status


async def test_a_person_of_several_studies_names_one(api, subject):
    """The address names no study; with roles in one it may be left out."""
    assert (await upload(api(), csv(ANC), study=STUDY)).status_code == 200
    assert (await upload(api(), csv(ANC), study="NCT00000009")).status_code == 404
    await second_study(api)
    doubtful = await upload(api(Role.ADMINISTRATOR), csv(ANC))
    assert doubtful.status_code in (403, 422)


async def test_ten_thousand_rows_are_stored_together(api, subject, session):
    """The largest file that is taken is a few statements, and all of its rows are there."""
    rows = [ANC.replace("A-1", f"A-{number}") for number in range(MAX_ROWS)]
    answer = await upload(api(), csv(*rows))
    assert answer.status_code == 200, answer.text[:500]
    assert answer.json()["new"] == MAX_ROWS
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == MAX_ROWS


async def test_results_of_a_file_count_like_any_other(api, subject):
    """They are graded, and the JSON door finds them under their source."""
    await upload(api(), csv(ANC.replace("1.2", "0.4")))
    (stored,) = (await api().get("/labs")).json()["items"]
    assert [grade["grade"] for grade in stored["grades"]] == [4]
    same = neutrophils(subject, "2026-05-20T00:15:00Z", value=0.4, source="csv", accession="A-1")
    assert (await api().post("/labs", json=same)).json()["outcome"] == "duplicate"
