"""P25: bad input to the FHIR façade gets the status and the OperationOutcome it is due."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.routers.fhir_answers import FACADE
from tests.factories.senders import bearer, create_sender, sending
from tests.factories.subjects import register
from tests.interop.fhir.samples import concept, neutrophils, quantity
from tests.routers.fhir_doors import FHIR, JSON, issue, laboratory, post, put, valid

STRICT = {"Prefer": "handling=strict"}
XML = "<Observation xmlns='http://hl7.org/fhir'><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///x'>]>&e;"


@pytest.fixture
async def lab(api):
    """A client of a laboratory system at the site of the subject S-001."""
    await register(api)
    return await laboratory(api)


async def nothing_stored(session):
    """Tell whether no message was taken in."""
    return await session.scalar(text("SELECT count(*) FROM inbound_message")) == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"{", 400, "invalid"),
        (b"<a/>", 400, "invalid"),
        (b"null", 400, "structure"),
        (b"[]", 400, "structure"),
        (b"{}", 400, "structure"),
        (b'{"resourceType":"Observation","resourceType":"Observation"}', 400, "invalid"),
        (b'\xef\xbb\xbf{"resourceType":"Observation"}', 400, "invalid"),
        (b'{"resourceType":"\xff"}', 400, "invalid"),
        (b"[" * 5000, 400, "invalid"),
        (b'{"resourceType":"Observation","valueQuantity":{"value":NaN}}', 422, "processing"),
        (b'{"resourceType":"Observation","valueQuantity":{"value":1e9999999}}', 422, "processing"),
        (b'{"resourceType":"Observation","valueString":"\\u0000"}', 422, "processing"),
        (b'{"resourceType":"Patient"}', 400, "structure"),
        (b'{"resourceType":"DiagnosticReport"}', 400, "structure"),
    ],
)
async def test_what_is_no_observation(lab, session, body, status, code):
    """Malformed JSON is 400, as is another type than the address says."""
    answer = await lab.post(f"{FHIR}/Observation", content=body, headers=JSON)
    assert issue(answer, status)["code"] == code
    assert await nothing_stored(session)


@pytest.mark.parametrize("kind", ["application/fhir+xml", "text/xml", "text/plain", ""])
async def test_only_json_is_read(lab, session, kind):
    """XML is refused before anything reads it, so no entity is ever resolved."""
    answer = await lab.post(f"{FHIR}/Observation", content=XML, headers={"Content-Type": kind})
    found = issue(answer, 415)
    assert ("not as XML" in found["diagnostics"]) == ("xml" in kind)
    assert await nothing_stored(session)


@pytest.mark.parametrize("kind", ["application/json", "application/fhir+json; charset=utf-8"])
async def test_two_names_of_json_are_read(lab, kind):
    """Fhirpy says application/json, fhirclient application/fhir+json."""
    answer = await post(lab, "/Observation", neutrophils(), Content_Type=kind)
    valid(answer, 201)


async def test_only_json_is_answered(api, lab):
    """A client that takes XML only is told so."""
    for asked in ({"params": {"_format": "xml"}}, {"headers": {"Accept": "application/fhir+xml"}}):
        answer = await api().get(f"{FHIR}/Observation", **asked)
        assert issue(answer, 406)["code"] == "not-supported"
    for accepted in ("*/*", "application/*", "text/html, application/json;q=0.9"):
        valid(await api().get(f"{FHIR}/Observation", headers={"Accept": accepted}))


async def test_a_compressed_body_is_refused(lab):
    """415, as everywhere."""
    answer = await post(lab, "/Observation", neutrophils(), Content_Encoding="gzip")
    assert issue(answer, 415)["code"] == "not-supported"


async def test_an_unknown_type_is_nowhere(api, lab):
    """404 for reading and for sending."""
    assert issue(await api().get(f"{FHIR}/Encounter"), 404)["code"] == "not-found"
    assert issue(await api().get(f"{FHIR}/Encounter/1"), 404)["code"] == "not-found"
    sent = await post(lab, "/Encounter", {"resourceType": "Encounter"})
    assert issue(sent, 404)["code"] == "not-found"


@pytest.mark.parametrize("path", ["Observation", "Patient", "ResearchSubject", "AdverseEvent"])
async def test_an_absent_record_is_not_found(api, path):
    """404, the same for what is no id at all."""
    ids = ("01930000-0000-7000-8000-000000000001", "1", "x" * 65)
    answers = [await api().get(f"{FHIR}/{path}/{id_}") for id_ in ids]
    assert len({issue(answer, 404)["diagnostics"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "Observation/a", "GET, PUT"),
        ("DELETE", "Observation/a", "GET, PUT"),
        ("POST", "Observation/client-id", "GET, PUT"),
        ("PUT", "Observation", "GET, POST"),
        ("POST", "Patient", "GET"),
        ("DELETE", "Patient/1", "GET"),
        ("GET", "", "POST"),
    ],
)
async def test_a_method_that_is_not_offered(api, method, path, allowed):
    """405 with Allow: corrections are further versions, nothing is patched or deleted."""
    answer = await api().request(method, f"{FHIR}/{path}".rstrip("/"))
    assert issue(answer, 405)["code"] == "not-supported"
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"valueQuantity": {"value": 1, "unit": "10*9/L"}},
        {"valueQuantity": quantity(1, system="http://other")},
        {"component": [{"code": concept("777-3"), "valueQuantity": {"value": 1}}]},
        {"status": None},
        {"code": None},
        {"code": concept("nobody-knows")},
        {"code": {"text": "Neutrophils"}},
        {"status": "finished"},
        {"valueQuantity": quantity(1, "apples")},
        {"valueQuantity": quantity(100000)},
        {"effectiveDateTime": "2030-01-01T00:00:00Z"},
        {"subject": {"reference": "Patient/S-999"}},
        {"subject": None},
    ],
)
async def test_a_strict_sender_has_everything_refused_that_is_not_filed(lab, session, changes):
    """422 and nothing stored; without the wish the same result is kept, filed or in the inbox."""
    body = neutrophils(**changes)
    refused = await post(lab, "/Observation", body, **STRICT)
    assert issue(refused, 422)["code"] == "processing"
    assert await nothing_stored(session)
    kept = await post(lab, "/Observation", body)
    assert kept.status_code in {200, 201}
    assert await session.scalar(text("SELECT results FROM inbound_message")) >= 1


async def test_a_strict_sender_is_taken_at_its_word(lab):
    """What is whole and known is filed."""
    body = neutrophils(_status={"id": "x"}, note=[{"text": "n"}], valueQuantity=quantity(1))
    valid(await post(lab, "/Observation", body, **STRICT), 201)


async def test_unknown_and_foreign_subjects_get_the_same_words(api, lab):
    """Nobody learns from an answer that a subject exists elsewhere."""
    foreign = {"identifier": {"system": "urn:msc-icaht:subject-number:NCT1", "value": "S-001"}}
    texts = {
        issue(await post(lab, "/Observation", neutrophils(subject=subject), **STRICT), 422)[
            "diagnostics"
        ]
        for subject in (foreign, {"reference": "Patient/S-999"}, {"identifier": {"value": "X"}})
    }
    assert len(texts) == 1


async def test_addresses_are_never_fetched(lab, session):
    """A reference to another host names nobody; the translation has nothing to fetch with."""
    body = neutrophils(subject={"reference": "http://127.0.0.1:9/Patient/S-001"})
    assert "inbox" in issue(await post(lab, "/Observation", body), 200)["diagnostics"]
    sources = (Path(__file__).parents[2] / "app/interop/fhir").glob("*.py")
    imported = {
        name.name.partition(".")[0]
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert not imported & {"httpx", "requests", "socket", "http", "aiohttp"}


async def test_a_script_in_a_narrative_goes_nowhere(api, lab):
    """Narrative is not read, so it cannot be shown."""
    narrative = {"status": "generated", "div": "<div><script>alert(1)</script></div>"}
    made = await post(lab, "/Observation", neutrophils(text=narrative))
    assert "script" not in made.text
    assert "script" not in (await api().get(made.headers["location"])).text


@pytest.mark.parametrize(
    ("query", "strict"),
    [
        ("_count=-1", False),
        ("_count=a", False),
        ("date=yesterday", False),
        ("_lastUpdated=xx2020", False),
        ("colour=red", True),
        ("subject:Group=x", False),
        ("status:not=final", False),
        ("code:missing=true", False),
        ("patient.name=x", False),
        ("_has:Observation:patient:code=x", False),
        ("_sort=-date", True),
    ],
)
async def test_a_search_that_cannot_be_meant(api, query, strict):
    """400 for a value that means nothing, and for an unknown parameter if the client is strict."""
    headers = STRICT if strict else {}
    answer = await api().get(f"{FHIR}/Observation?{query}", headers=headers)
    assert issue(answer, 400)["code"] == "invalid"
    if strict:
        valid(await api().get(f"{FHIR}/Observation?{query}"))


async def test_text_that_cannot_be_stored_is_refused_in_a_query(api):
    """NUL and lone surrogates end before the database."""
    answer = await api().get(f"{FHIR}/Patient?identifier=%00")
    assert issue(answer, 422)["code"] == "processing"


async def test_nobody_gets_in_without_credentials(api, lab):
    """401 with the ways to authenticate, for reading and for sending."""
    for answer in (
        await api(None).get(f"{FHIR}/Observation"),
        await post(api(None), "/Observation", neutrophils()),
        await post(sending(api, bearer("msc_wrong")), "/Observation", neutrophils()),
    ):
        assert issue(answer, 401)["code"] == "login"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path",
    [
        *("Observation", "Patient", "ResearchSubject", "ResearchStudy", "AdverseEvent"),
        *("Observation/1", "Patient/1", "ResearchSubject/1", "ResearchStudy/1", "AdverseEvent/1"),
    ],
)
async def test_nothing_but_the_statement_is_open(api, path):
    """Every read and search needs a token."""
    assert issue(await api(None).get(f"{FHIR}/{path}"), 401)["code"] == "login"


async def test_people_send_nothing_here(api, lab):
    """A token of a person opens no sender's door, and a key reads nothing."""
    assert issue(await post(api(), "/Observation", neutrophils()), 403)["code"] == "forbidden"
    assert issue(await lab.get(f"{FHIR}/Observation"), 401)["code"] == "login"


async def test_a_sender_that_is_too_fast_waits(api):
    """429 with Retry-After."""
    await register(api)
    lab = await laboratory(api, rate_per_minute=1)
    answers = [await post(lab, "/Observation", neutrophils()) for _ in range(20)]
    refused = next(each for each in answers if each.status_code == 429)
    assert issue(refused, 429)["code"] == "throttled"
    assert int(refused.headers["retry-after"]) > 0


async def test_too_much_at_once(lab):
    """413 beyond the limit of bulk bodies."""
    body = b'{"resourceType":"Observation","x":"' + b"x" * 10_000_000 + b'"}'
    answer = await lab.post(f"{FHIR}/Observation", content=body, headers=JSON)
    assert issue(answer, 413)["code"] == "too-costly"


async def test_a_failure_of_ours_is_an_outcome_too(api, monkeypatch):
    """500 as an OperationOutcome, without what went wrong inside."""

    async def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr("app.services.fhir_results.search_results", fail)
    answer = await api().get(f"{FHIR}/Observation")
    assert issue(answer, 500)["code"] == "exception"
    assert "secret" not in answer.text


async def test_the_address_of_the_facade_is_the_routers(app):
    """Refusals below this address are OperationOutcomes, and only there."""
    assert app.url_path_for("read_capabilities") == f"{FACADE}/metadata"


async def test_put_needs_a_sender_too(api):
    """The fixture laboratory system's own token opens the door once it is a sender's."""
    await register(api)
    client = api(Role.LABORATORY_SYSTEM)
    before = await put(client, "/Observation/a", neutrophils(id="a"))
    assert issue(before, 403)["code"] == "forbidden"
    await create_sender(api)
    valid(await put(client, "/Observation/a", neutrophils(id="a")), 201)
