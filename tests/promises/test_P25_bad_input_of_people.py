"""P25: bad input gets a clear problem document, is not stored nor echoed, and is never a 5xx."""

import json

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.routers import strict_json
from tests.routers.test_subjects import SUBJECT

SECRET = "Zz-canary-91"


def with_field(name: str, raw: str) -> bytes:
    """Return a subject's body in which one field has the given raw JSON text."""
    body = {key: value for key, value in SUBJECT.items() if key != name}
    rest = json.dumps(body)[1:]
    return f'{{"{name}": {raw}, {rest}'.encode()


BODIES = {
    "integer above int8": (with_field("birth_year", "9223372036854775808"), 422),
    "integer of 5,000 digits": (with_field("birth_year", "9" * 5000), 400),
    "boolean for an integer": (with_field("birth_year", "true"), 422),
    "text for an integer": (with_field("birth_year", '"1980"'), 422),
    "fraction for an integer": (with_field("birth_year", "1980.0"), 422),
    "text for a number": (with_field("weight_kg", '"60"'), 422),
    "NUL in a text": (with_field("car_t_product", '"a\\u0000b"'), 422),
    "NUL in a key": (with_field("a\\u0000b", "1"), 422),
    "lone surrogate": (with_field("car_t_product", '"\\ud800"'), 422),
    "NaN": (with_field("weight_kg", "NaN"), 422),
    "Infinity": (with_field("weight_kg", "Infinity"), 422),
    "1e999": (with_field("weight_kg", "1e999"), 422),
    "1e1000000": (with_field("weight_kg", "1e1000000"), 422),
    "exponent that no decimal holds": (with_field("weight_kg", "1e9999999999999999999"), 422),
    "exponent of 5,000 digits": (with_field("weight_kg", "1e" + "9" * 5000), 422),
    "implausible weight": (with_field("weight_kg", "605"), 422),
    "birth after the screening": (with_field("birth_year", "2027"), 422),
    "60,000 keys": (b"{" + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}", 400),
    "more decimals than are kept": (with_field("weight_kg", "60.0000000001"), 422),
    "more digits than any reader keeps": (with_field("weight_kg", "1234567890.1234567"), 422),
    "negative weight": (with_field("weight_kg", "-1"), 422),
    "number for a date": (with_field("screening_date", "20260102"), 422),
    "instant for a date": (with_field("screening_date", '"2026-01-02T00:00:00Z"'), 422),
    "date that does not exist": (with_field("screening_date", '"2026-02-30"'), 422),
    "year 0001": (with_field("screening_date", '"0001-01-01"'), 422),
    "future date": (with_field("screening_date", '"2026-06-02"'), 422),
    "unknown key": (with_field("is_admin", "true"), 422),
    "same key twice": (with_field("birth_year", '1980, "birth_year": 1981'), 400),
    "unknown word": (with_field("sex", f'"{SECRET}"'), 422),
    "text that is too long": (with_field("car_t_product", '"' + "x" * 201 + '"'), 422),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(SUBJECT).encode(), 400),
    "UTF-16": (json.dumps(SUBJECT).encode("utf-16"), 400),
    "invalid UTF-8": (b'{"sex": "\xff"}', 400),
    "nested 2,000 deep": (b"[" * 2000 + b"]" * 2000, 400),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, 400),
    "trailing comma": (b'{"sex": "female",}', 400),
    "null": (b"null", 422),
    "array": (b"[]", 422),
    "empty": (b"", 422),
    "larger than the limit": (b'{"sex": "' + b"x" * 1_000_001 + b'"}', 413),
}


async def stored(session) -> int:
    """Count everything a request could have stored."""
    tables = ("subject", "operation", "change", "idempotency_record")
    counts = [await session.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables]
    return sum(counts)


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_refused_whole(api, session, name):
    """The answer is a problem document of the listed status; nothing is stored or echoed."""
    body, status = BODIES[name]
    before = await stored(session)
    client = api(Role.STUDY_COORDINATOR)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    answer = await client.post("/subjects", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"].endswith(".")
    assert SECRET not in answer.text
    assert await stored(session) == before
    assert (await client.post("/subjects", json=SUBJECT)).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=["plain", "xml", "none", "gzip"],
)
async def test_another_media_type_is_refused(api, headers):
    """Only plain JSON that says so is read."""
    answer = await api(Role.STUDY_COORDINATOR).post(
        "/subjects", content=json.dumps(SUBJECT), headers=headers
    )
    assert answer.status_code == 415, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=0",
        "limit=201",
        "limit=999999999999",
        "limit=1&limit=2",
        "offset=5",
        "cursor=!!!",
        "cursor=AAAAAAAAAAE",
        "as_of=2026-01-01",
        "as_of=2026-01-01T00:00:00",
        "as_of=1767225600",
        "as_of=2027-01-01T00:00:00Z",
        "as_of=0001-01-01T00:00:00%2B14:00",
        "as_of=9999-12-31T23:59:59-14:00",
        "as_of=%00",
    ],
)
async def test_a_bad_query_is_refused(api, query):
    """Parameters out of range, repeated, unknown or without offset are 422."""
    answer = await api(Role.STUDY_COORDINATOR).get(f"/subjects?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"] or answer.json()["code"]


async def test_not_a_character_of_an_id_is_quoted(api):
    """What is wrong with a malformed id is said without the id."""
    answer = await api(Role.STUDY_COORDINATOR).get("/labs?subject=%C3%A3123")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "This must be an id as the service gave it."
    assert "\u00e3" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/subjects/1", "/subjects/%00", "/subjects/01930000-0000-7000-8000-000000000000", "/nothing"],
)
async def test_an_unknown_address_is_404(api, path):
    """Malformed, foreign and absent ids answer alike."""
    answer = await api(Role.STUDY_COORDINATOR).get(path)
    assert answer.status_code in (404, 422) if "%00" in path else answer.status_code == 404


async def test_another_study_looks_absent(api):
    """A study without a grant and one that does not exist give the same body."""
    client = api(Role.STUDY_COORDINATOR)
    client.base_url = "http://test/api/v1/studies/NCT00000000"
    answer = await client.get("/subjects")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no such study here; check the identifier."


async def test_a_method_that_is_not_offered_is_405(api):
    """The Allow header names all that is offered."""
    answer = await api(Role.STUDY_COORDINATOR).delete("/subjects")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_a_long_list_of_misfits_is_cut(api):
    """Fifty misfits are named, the rest is counted, so that no answer outgrows its request."""
    body = SUBJECT | {f"unknown{number}": 1 for number in range(200)}
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 50
    assert answer.json()["detail"].endswith("These are the first 50 of 200.")


@pytest.mark.parametrize("text_value", ["'; DROP TABLE subject; --", "<script>", "=1+1", "{{7*7}}"])
async def test_text_is_only_text(api, text_value):
    """SQL, markup and formulas are kept as they are written."""
    answer = await api(Role.STUDY_COORDINATOR).post(
        "/subjects", json=SUBJECT | {"car_t_product": text_value}
    )
    assert answer.status_code == 201
    assert answer.json()["car_t_product"] == text_value


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c", "Bearer " + "x" * 9000],
)
async def test_without_a_valid_token_nothing_is_answered(api, authorization):
    """Every kind of missing or broken token gets the same 401 body."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await api(None).get("/subjects", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "invalid_token"


async def test_control_a_lax_reader_stores_what_is_listed(api, session, monkeypatch):
    """Control: read as the standard library reads it, one of the bodies is taken and stored."""
    monkeypatch.setattr(strict_json, "parse", json.loads)
    before = await stored(session)
    body, status = BODIES["same key twice"]
    headers = {"Content-Type": "application/json"}
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", content=body, headers=headers)
    assert answer.status_code == 201 != status
    assert await stored(session) > before
