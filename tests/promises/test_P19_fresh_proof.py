"""P19: signing takes a fresh proof of who signs, and guessing locks it."""

from asyncio import gather, sleep
from datetime import timedelta

import httpx
import pytest

from app.core.config import Settings
from app.core.database import API_ROLE
from app.domain import signing
from app.domain.vocabulary import Role
from app.main import OwnIssuers, create_app
from app.services import security_events
from app.services.fixture_subjects import fixture_subject
from tests.conftest import KEYRING, TransactionDatabase, clients
from tests.factories.logins import Logins
from tests.factories.signing import lock_signing, sign, try_to_sign
from tests.factories.subjects import register

STEP_UP = "http://test/api/v1/development/step-up"
PI, ADMIN = Role.PRINCIPAL_INVESTIGATOR, Role.ADMINISTRATOR


@pytest.fixture
def app(database, issuer, clock):
    """The application with the issuer whose passwords sign."""
    own = OwnIssuers(development=issuer)
    served = TransactionDatabase(database.connection, API_ROLE)
    return create_app(Settings(), served, issuer.verifier(), KEYRING, clock, own)


@pytest.fixture
def api(app, issuer, clock):
    """Clients of that application."""
    return clients(app, issuer, clock)


@pytest.fixture
def logins(api, issuer, clock) -> Logins:
    """Clients with one certain token."""
    return Logins(api, issuer, clock)


async def prove(client: httpx.AsyncClient, password: str) -> httpx.Response:
    """Prove who one is with a password, in one's own session."""
    return await client.post(STEP_UP, json={"password": password})


async def guess(client: httpx.AsyncClient, times: int) -> list[int]:
    """Try wrong passwords; return the statuses."""
    return [(await prove(client, "not the password")).status_code for _ in range(times)]


async def code_of_signing(client: httpx.AsyncClient, subject_id: str) -> str:
    """Try to sign; return the code of the refusal, or `signed`."""
    answer = await try_to_sign(client, "eligibility", subject_id)
    return "signed" if answer.status_code == 201 else answer.json()["code"]


async def events(api, *kinds: str) -> list[str]:
    """List the kinds of security events, oldest first."""
    answer = await api(Role.AUDITOR).get("/security-events")
    assert answer.status_code == 200, answer.text
    return [item["kind"] for item in answer.json()["items"]]


async def test_a_session_alone_does_not_sign_and_two_components_do(api, logins, issuer):
    """The token of a session is one component; with the password there is a signature."""
    subject_id = await register(api)
    session_only = logins.client(signing=False)
    assert await code_of_signing(session_only, subject_id) == "insufficient_user_authentication"
    proved = await prove(session_only, issuer.password(fixture_subject(PI)))
    assert proved.status_code == 200, proved.text
    session_only.headers["Authorization"] = f"Bearer {proved.json()['access_token']}"
    assert await code_of_signing(session_only, subject_id) == "signed"


async def test_a_series_needs_one_component_and_both_after_its_time(api, logins, clock):
    """For five minutes and the leeway the session goes on signing; then it is asked again."""
    subject_id = await register(api)
    client = logins.client()
    for seconds, code in (
        (0, "signed"),
        (300, "signed"),
        (30, "signed"),
        (1, "insufficient_user_authentication"),
    ):
        clock.advance(seconds=seconds)
        assert await code_of_signing(client, subject_id) == code
    assert await code_of_signing(logins.client(), subject_id) == "signed"


@pytest.mark.parametrize(
    "acr", ["urn:msc-icaht:acr:session", "", "URN:MSC-ICAHT:ACR:SIGNING", None]
)
async def test_a_fresh_login_of_another_class_does_not_sign(api, logins, issuer, monkeypatch, acr):
    """A login of this moment that was not as strong as signing demands is no proof."""
    subject_id = await register(api)
    monkeypatch.setattr(issuer, "_acr", acr)
    client = logins.client()
    monkeypatch.undo()
    answer = await try_to_sign(client, "eligibility", subject_id)
    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'acr_values="urn:msc-icaht:acr:signing"' in answer.headers["www-authenticate"]
    assert (await api().get("/signatures")).json()["items"] == []
    assert await code_of_signing(logins.client(), subject_id) == "signed"


async def test_five_wrong_secrets_lock_signing_for_a_quarter_of_an_hour(api, logins, issuer, clock):
    """Neither the right secret nor a fresh login signs meanwhile; then both do again."""
    subject_id = await register(api)
    session_only = logins.client(signing=False)
    password = issuer.password(fixture_subject(PI))
    assert await guess(session_only, 4) == [401] * 4
    assert await code_of_signing(api(), subject_id) == "signed"
    assert await guess(session_only, 1) == [401]
    locked = await prove(session_only, password)
    assert (locked.status_code, locked.json()["code"]) == (429, "signing_locked")
    refused = await try_to_sign(api(), "eligibility", subject_id)
    assert (refused.status_code, refused.json()["code"]) == (429, "signing_locked")
    assert refused.headers["Retry-After"] == "900"
    # Reading and entering data go on: a lock of signing keeps nobody from a patient.
    assert (await api().get("/subjects")).status_code == 200
    clock.advance(minutes=14, seconds=59)
    assert await code_of_signing(api(), subject_id) == "signing_locked"
    clock.advance(seconds=1)
    assert await code_of_signing(api(), subject_id) == "signed"
    assert (await prove(logins.client(signing=False), password)).status_code == 200
    kinds = await events(api)
    assert kinds[:6] == ["wrong_secret"] * 5 + ["signing_locked"]
    assert set(kinds[6:]) == {"refused_while_locked"}


async def test_a_right_secret_ends_a_series_of_wrong_ones(api, logins, issuer):
    """Four, a right one, and four again do not lock."""
    subject_id = await register(api)
    session_only = logins.client(signing=False)
    await guess(session_only, 4)
    proved = await prove(session_only, issuer.password(fixture_subject(PI)))
    assert proved.status_code == 200
    await guess(session_only, 4)
    assert await code_of_signing(api(), subject_id) == "signed"
    assert await events(api) == ["wrong_secret"] * 4 + ["secret_proved"] + ["wrong_secret"] * 4


async def test_an_administrator_unlocks_and_says_why(api, logins):
    """Not oneself, not what is not locked, and nobody else may."""
    subject_id = await register(api)
    await guess(logins.client(signing=False), 5)
    (locked,) = [
        item
        for item in (await api(ADMIN).get("/security-events")).json()["items"]
        if item["kind"] == "signing_locked"
    ]
    body = {"principal_id": locked["principal_id"], "reason": "Identity checked on the telephone."}
    assert locked["principal_name"] == "Principal investigator (development)"
    assert (await api().post("/security-events/unlocks", json=body)).status_code == 403
    unlocked = await api(ADMIN).post("/security-events/unlocks", json=body)
    assert (unlocked.status_code, unlocked.json()["kind"]) == (201, "signing_unlocked")
    assert await code_of_signing(api(), subject_id) == "signed"
    again = await api(ADMIN).post("/security-events/unlocks", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "not_locked")


async def test_of_many_unlocks_at_once_one_is_recorded(committing_api, clock, monkeypatch):
    """Eight administrators' requests at the same time leave one event; the others hear so."""
    api, history = committing_api, security_events._history_of

    async def slowly(*given):
        found = await history(*given)
        await sleep(0.1)
        return found

    monkeypatch.setattr(security_events, "_history_of", slowly)
    person = await lock_signing(api, PI, clock())
    body = {"principal_id": person, "reason": "Identity checked on the telephone."}
    client = api(ADMIN)
    answers = await gather(*(client.post("/security-events/unlocks", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert (await events(api)).count("signing_unlocked") == 1


async def test_nobody_unlocks_oneself(api, logins):
    """An administrator whose own signing is locked asks another one."""
    await guess(logins.client(ADMIN, signing=False), 5)
    (item, *_) = (await api(ADMIN).get("/security-events")).json()["items"]
    body = {"principal_id": item["principal_id"], "reason": "It was I."}
    refused = await api(ADMIN).post("/security-events/unlocks", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_lock")


async def test_a_stranger_locks_nobody_out(api, logins):
    """Wrong secrets count against the session they come from, and need one."""
    subject_id = await register(api)
    assert await guess(api(None), 5) == [401] * 5
    await guess(logins.client(Role.MONITOR, signing=False), 5)
    assert await code_of_signing(api(), subject_id) == "signed"
    listed = (await api(ADMIN).get("/security-events")).json()["items"]
    assert {item["principal_name"] for item in listed} == {"Monitor (development)"}


async def test_refused_signatures_store_nothing_but_the_event(api, logins):
    """While locked each attempt leaves one security event and no signature."""
    subject_id = await register(api)
    await guess(logins.client(signing=False), 5)
    for _ in range(2):
        assert await code_of_signing(api(), subject_id) == "signing_locked"
    assert (await api().get("/signatures")).json()["items"] == []
    assert (await events(api))[6:] == ["refused_while_locked"] * 2


async def test_without_the_freshness_a_session_of_yesterday_signs(api, logins, monkeypatch):
    """The control: take the age out of the rule, and the token alone is enough."""
    subject_id = await register(api)
    client = logins.client(age=timedelta(days=1))
    assert await code_of_signing(client, subject_id) == "insufficient_user_authentication"
    monkeypatch.setattr(signing, "MAX_AGE", timedelta(days=30))
    assert await code_of_signing(client, subject_id) == "signed"


async def test_without_the_count_guessing_goes_on(api, logins, monkeypatch):
    """The control: with no limit the sixth guess is answered like the first."""
    monkeypatch.setattr(signing, "FAILURES_TO_LOCK", 1_000)
    subject_id = await register(api)
    assert await guess(logins.client(signing=False), 7) == [401] * 7
    assert await code_of_signing(api(), subject_id) == "signed"


async def test_every_signature_says_how_its_signer_was_proved(api):
    """The time and class of the login are on the signature."""
    made = await sign(api(), "eligibility", await register(api))
    assert made["auth_time"] == "2026-06-01T04:00:00Z"
    assert made["acr"] == "urn:msc-icaht:acr:signing"
