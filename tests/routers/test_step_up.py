"""Step-up: nothing binds without a fresh login of the person, and a refused act leaves nothing."""

import json
import re
from datetime import timedelta

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import text

from app.core.security import Identity
from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.main import openapi_document
from app.routers import BULK_ROUTERS, ROUTERS
from app.routers.signing import prover, signing_proof
from tests.conftest import STUDY
from tests.contract.aimed_requests import bodies, examples_of
from tests.factories.dosing import prescribe
from tests.factories.logins import Logins
from tests.factories.subjects import enrolled_subject, register
from tests.routers.test_signatures import OPINION

DOCUMENT = openapi_document()
NOBODY = "01930000-0000-7000-8000-000000000001"
ROLES = [
    Role.PRINCIPAL_INVESTIGATOR,
    Role.SAFETY_COMMITTEE,
    Role.DATA_MANAGER,
    Role.ADMINISTRATOR,
]
STALE = timedelta(minutes=5, seconds=31)
CHALLENGE = (
    'Bearer realm="msc-icaht", error="insufficient_user_authentication",'
    ' acr_values="urn:msc-icaht:acr:signing", max_age="300"'
)
# These ask for a signature in some cases only, so each is shown below or beside its own tests.
IN_SOME_CASES = {"change_infusion", "create_assessment", "change_assessment", "lock_casebook"}


@pytest.fixture
def logins(api, issuer, clock) -> Logins:
    """Clients with one certain token."""
    return Logins(api, issuer, clock)


def depends_on(dependant: Dependant, wanted) -> bool:
    """Tell whether an endpoint asks for something, itself or below."""
    return dependant.call is wanted or any(depends_on(d, wanted) for d in dependant.dependencies)


ROUTES = [
    (prefix, route)
    for prefix, router in (*ROUTERS, *BULK_ROUTERS)
    for route in router.routes
    if isinstance(route, APIRoute)
]
BINDING = {
    route.name: (prefix + route.path, route)
    for prefix, route in ROUTES
    if depends_on(route.dependant, signing_proof)
}


def test_the_acts_that_bind_ask_for_a_signature():
    """What the specification lists is signed, always or where the case asks for it."""
    assert {
        "adjudicate_dlt",
        "propose_decision",
        "propose_expansion",
        "give_verdict",
        "activate_protocol_version",
        "prescribe_infusion",
        "create_signature",
    } <= set(BINDING)
    sometimes = {route.name for _, route in ROUTES if depends_on(route.dependant, prover)} - set(
        BINDING
    )
    assert sometimes >= IN_SOME_CASES


def request_of(name: str) -> tuple[str, str, dict]:
    """Return method, address and an example of the body of a binding operation."""
    path, route = BINDING[name]
    (method,) = route.methods
    described = DOCUMENT["paths"][path][method.lower()]
    (example, *_) = examples_of(DOCUMENT, bodies(described)["application/json"])
    address = re.sub(r"{(\w+)}", lambda m: {"study": STUDY, "number": "1"}.get(m[1], NOBODY), path)
    return method, f"http://test{address}", example


async def contents(session) -> list:
    """Count the rows of every table."""
    tables = await session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    )
    union = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables)
    return [tuple(row) for row in await session.execute(text(union))]


@pytest.mark.parametrize("name", sorted(BINDING))
@pytest.mark.parametrize(
    "login",
    [{"signing": False}, {"age": STALE}, {"age": timedelta(hours=4)}],
    ids=["no login", "stale by a second", "stale by hours"],
)
async def test_a_token_alone_does_not_bind(logins, session, name, login):
    """401 with the challenge of RFC 9470 in the first role that may; nothing is stored."""
    method, address, body = request_of(name)
    before = await contents(session)
    for role in ROLES:
        answer = await logins.client(role, **login).request(method, address, json=body)
        if answer.status_code != 403:
            break
    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
    assert await contents(session) == before


@pytest.mark.parametrize("name", sorted(BINDING))
async def test_with_a_fresh_login_the_act_itself_is_looked_at(logins, name):
    """The control: the same request with a login of 5:30 ago gets beyond the signature."""
    method, address, body = request_of(name)
    for role in ROLES:
        client = logins.client(role, age=STALE - timedelta(seconds=1))
        answer = await client.request(method, address, json=body)
        if answer.status_code != 403:
            break
    assert answer.status_code != 401, answer.text


async def test_only_who_may_act_is_asked_to_log_in(logins):
    """Without the right it is 403, and for a stranger's study 404, however fresh the login."""
    method, address, body = request_of("adjudicate_dlt")
    monitor = logins.client(Role.MONITOR, signing=False)
    assert (await monitor.request(method, address, json=body)).status_code == 403
    elsewhere = address.replace(STUDY, "NCT00000000")
    investigator = logins.client(signing=False)
    assert (await investigator.request(method, elsewhere, json=body)).status_code == 404


async def test_another_class_of_login_does_not_sign(app, logins):
    """The class is configured: a token of another is answered with the one that is wanted."""
    app.state.settings = app.state.settings.model_copy(update={"signing_acr": "phishing-resistant"})
    method, address, body = request_of("adjudicate_dlt")
    answer = await logins.client().request(method, address, json=body)
    assert answer.status_code == 401
    assert 'acr_values="phishing-resistant"' in answer.headers["WWW-Authenticate"]


async def test_a_changed_order_asks_and_a_record_does_not(api, logins, session):
    """Only the planned day and the weight are the order."""
    subject = await enrolled_subject(api)
    await prescribe(api, subject["id"])
    path, stale = f"/subjects/{subject['id']}/infusions/1", logins.client(signing=False)
    before = await contents(session)
    for order in ({"weight_kg": 61}, {"planned_date": "2026-06-02"}):
        body = order | {"reason": "Anew."}
        answer = await stale.patch(path, json=body, headers={"If-Match": '"v1"'})
        assert answer.json()["code"] == "insufficient_user_authentication"
    assert await contents(session) == before
    body = {"note": "Prepared.", "reason": "Noted."}
    answer = await stale.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text


async def test_an_opinion_asks_and_another_assessment_does_not(api, logins, session):
    """An investigator's opinion on the response binds, new or changed; an ECOG score does not."""
    subject_id = await register(api)
    made = (await api().post("/assessments", json=OPINION | {"subject_id": subject_id})).json()
    stale = logins.client(signing=False)
    before = await contents(session)
    refused = await stale.post("/assessments", json=OPINION | {"subject_id": subject_id})
    assert refused.json()["code"] == "insufficient_user_authentication"
    refused = await stale.patch(
        f"/assessments/{made['id']}",
        json={"retracted": True, "reason": "No."},
        headers={"If-Match": '"v1"'},
    )
    assert refused.json()["code"] == "insufficient_user_authentication"
    assert await contents(session) == before
    ecog = OPINION | {"subject_id": subject_id, "kind": "ecog", "content": {"score": 1}}
    assert (await stale.post("/assessments", json=ecog)).status_code == 201


async def test_a_repeated_request_gets_its_answer_when_the_login_is_old(api, logins, clock):
    """The same key and body sign nothing new, so no new login is asked for."""
    await enrolled_subject(api)
    body = {
        "digest": (await api().get("/escalation")).json()["digest"],
        "action": "hold",
        "rationale": "A test is repeated.",
    }
    headers = {"Idempotency-Key": "hold-1"}
    first = await api().post("/escalation/decisions", json=body, headers=headers)
    again = await logins.client(signing=False).post(
        "/escalation/decisions", json=body, headers=headers
    )
    assert (again.status_code, json.loads(again.text)) == (201, first.json())


async def test_no_machine_signs():
    """Whatever the scopes and the login, a machine is refused before anything is proved."""

    class Request:
        class state:  # noqa: N801 - as Starlette names it
            actor = None

    caller = Identity("issuer", "machine", scopes=frozenset())
    prove = await prover(Request(), None, caller, None)
    with pytest.raises(DomainError) as refused:
        await prove()
    assert refused.value.code == "machines_do_not_sign"
