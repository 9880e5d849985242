"""P24: requests drawn from the OpenAPI document get only the answers that it promises.

New operations are covered as soon as they are in the document. `MSC_FUZZ_EXAMPLES` is the number
of random requests to each operation, `MSC_FUZZ_SEED` the seed; `make fuzz` sets a large number,
with which each operation also gets the requests at the edges of its schema.
"""

import os
from asyncio import get_running_loop
from datetime import date, datetime, timedelta, timezone

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from app.core.database import Database
from app.main import openapi_document
from tests.conftest import TestClock, administrator, build_app, clients, on
from tests.contract import wire_texts
from tests.contract.fuzzed_service import FuzzedService, populate

SEED = int(os.environ.get("MSC_FUZZ_SEED", "7212335"))
EXAMPLES = int(os.environ.get("MSC_FUZZ_EXAMPLES", "12"))
THOROUGH = IS_LONG = EXAMPLES >= 100
PARAMETERS = {"examples_of_each_operation": EXAMPLES}

# Left out: positive_data_acceptance, because the trial's rules refuse much that fits a schema.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
# Beside the usual refusals of a misfit: a change is refused by its version (412) before its body
# is looked at, and a body by its length (413).
REFUSALS = ["400", "403", "404", "405", "409", "412", "413", "415", "422", "428"]
CONFIG = schemathesis.Config.from_dict(
    {
        "seed": SEED,
        "generation": {
            "max-examples": EXAMPLES,
            "no-shrink": True,
            "database": "none",
            "allow-extra-parameters": False,  # every unknown one is refused; see P25
            "with-security-parameters": False,  # each request has a valid token of its role
        },
        "phases": {"coverage": {"enabled": THOROUGH}},
        "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
    }
)
DOCUMENT = openapi_document()

# Most days lie in the time of the trial under test, the rest anywhere.
DAYS = st.dates(date(2026, 5, 20), date(2026, 7, 10)) | st.dates()
OFFSETS = st.sampled_from([timezone(timedelta(hours=hours)) for hours in (0, 8, -12, 14)])
INSTANTS = st.builds(datetime.combine, DAYS, st.times(), tzinfo=OFFSETS)
schemathesis.openapi.format("date", DAYS.map(date.isoformat))
schemathesis.openapi.format("date-time", INSTANTS.map(datetime.isoformat))
wire_texts.register(DOCUMENT)
schema = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@pytest.fixture(scope="module")
async def service(server_url, template, issuer):
    """A service of its own that really commits, with records of every kind."""
    print(f"MSC_FUZZ_SEED={SEED} MSC_FUZZ_EXAMPLES={EXAMPLES}")
    async with administrator(server_url) as connection:
        await connection.execute(text(f"CREATE DATABASE msc_fuzz TEMPLATE {template}"))
    database, clock = Database(on(server_url, "msc_fuzz")), TestClock()
    api = clients(build_app(database, issuer, clock), issuer, clock)
    # To aim, the ids of all rows are read as the owner; the service itself works as the API.
    owner = Database(on(server_url, "msc_fuzz"), pool_size=1, role=None)
    service = FuzzedService(api, owner, DOCUMENT, get_running_loop())
    try:
        await populate(service, clock)
        yield service
    finally:
        await owner.close()
        await database.close()


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case, service):
    """No 5xx, no undocumented status, content type or field, and no misfit is accepted."""
    for answer in service.ask(case):
        case.validate_response(answer, checks=CHECKS)


SUBJECTS = schema["/api/v1/studies/{study}/subjects"]
JSON = {"Content-Type": "application/json"}
PAGE = {"items": [], "next": None}


def answered(status: int, headers: dict[str, str], body: object) -> httpx.Response:
    """Return an answer as if the service had given it."""
    request = httpx.Request("GET", "http://test/")
    answer = httpx.Response(status, headers=headers, json=body, request=request)
    answer.headers.update(headers)
    answer.elapsed = timedelta()
    return answer


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, JSON, PAGE),
        (418, JSON, PAGE),
        (200, {"Content-Type": "text/plain"}, PAGE),
        (200, JSON, {"items": [{}], "next": None}),
        (200, JSON, {"next": None}),
    ],
)
def test_control_a_careless_answer_is_noticed(status, headers, body):
    """Control: 5xx, an undocumented status or media type and a missing field do not pass."""
    case = SUBJECTS["GET"].Case(path_parameters={"study": "NCT07212335"})
    case.validate_response(answered(200, JSON, PAGE), checks=CHECKS)
    with pytest.raises(BaseExceptionGroup):
        case.validate_response(answered(status, headers, body), checks=CHECKS)


def test_control_an_accepted_misfit_is_noticed():
    """Control: a service that takes what does not fit the schema does not pass."""
    misfits = SUBJECTS["POST"].as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(max_examples=5, database=None, deadline=None, phases=[Phase.generate])
    @given(misfits)
    def accept(case) -> None:
        with pytest.raises(BaseExceptionGroup, match="failure"):
            case.validate_response(answered(200, JSON, PAGE), checks=[negative_data_rejection])

    accept()
