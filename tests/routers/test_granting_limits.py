"""Limits of granting: nobody is person and machine at once, and somebody always administers."""

from asyncio import gather, sleep

import pytest
from sqlalchemy import text

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.services import grants
from tests.factories.people import grant, join_at_console, newcomer, set_up_site, speaking_for
from tests.factories.senders import SENDER, SENDERS, create_sender

ADMIN, MACHINE = Role.ADMINISTRATOR, Role.LABORATORY_SYSTEM
WHY = {"reason": "Left the hospital."}


async def register_as(api, subject: str, role: Role = ADMIN):
    """Try to register a sender whose tokens are those of somebody."""
    body = SENDER | {"issuer": DEVELOPMENT_ISSUER, "subject": subject}
    return await api(role).post(SENDERS, json=body)


@pytest.mark.parametrize("role", [ADMIN, Role.DATA_MANAGER])
async def test_no_person_becomes_a_sender(api, session, role):
    """Whoever holds a person's role gets no machine's by a sender; nothing is granted."""
    await grant(api, Role.MONITOR, person=newcomer("mona"))
    answer = await register_as(api, "mona", role)
    assert (answer.status_code, answer.json()["code"]) == (409, "person_and_system")
    assert (await api().get(SENDERS)).json()["items"] == []
    held = "SELECT count(*) FROM role_grant r JOIN principal p ON p.id = r.principal_id"
    assert await session.scalar(text(f"{held} WHERE p.subject = 'mona'")) == 1


async def test_no_person_becomes_a_sender_after_leaving(api):
    """Who ever held a person's role, or is only proposed for one, is a person."""
    left = await grant(api, Role.MONITOR, person=newcomer("mona"))
    await api(ADMIN).post(f"/grants/{left['id']}/revocation", json=WHY)
    await grant(api, ADMIN, person=newcomer("nina"))
    for subject in ("mona", "nina"):
        assert (await register_as(api, subject)).json()["code"] == "person_and_system"


async def test_a_person_of_another_site_is_seen_to_be_one(api):
    """A data manager of one site registers nobody who works at another, and does not see whom."""
    await set_up_site(api, "02")
    await grant(api, Role.DATA_MANAGER, person=newcomer("dora"), site="01")
    await grant(api, Role.MONITOR, person=newcomer("mona"), site="02")
    body = SENDER | {"issuer": DEVELOPMENT_ISSUER, "subject": "mona", "site": "01"}
    answer = await speaking_for(api, "dora").post(SENDERS, json=body)
    assert answer.status_code == 409, answer.text
    assert (await api().get(SENDERS)).json()["items"] == []


@pytest.mark.parametrize("roles", [(Role.MONITOR, MACHINE), (MACHINE, Role.MONITOR)])
async def test_no_grant_makes_a_person_a_machine_or_a_machine_a_person(api, roles):
    """Neither the one beside the other, nor after the other has ended."""
    first, second = roles
    given = await grant(api, first, person=newcomer("mona"))
    body = {"role": second, "person_id": given["person"]["id"], "reason": "Also this."}
    answer = await api(ADMIN).post("/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "person_and_system")
    await api(ADMIN).post(f"/grants/{given['id']}/revocation", json=WHY)
    again = await api(ADMIN).post("/grants", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "person_and_system")


async def test_a_senders_identity_gets_no_persons_role(api):
    """Not even the administrator's second pair of hands."""
    await create_sender(api, subject="hospital-lis")
    people = (await api(ADMIN).get("/people", params={"limit": 200})).json()["items"]
    (system,) = [each for each in people if each["subject"] == "hospital-lis"]
    body = {"role": "study_coordinator", "person_id": system["id"], "reason": "Convenient."}
    answer = await api(ADMIN).post("/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "person_and_system")


async def test_a_machine_is_registered_again(api):
    """The identity of a machine may be given a second sender's role at another site."""
    await grant(api, MACHINE, person=newcomer("hospital-lis"))
    assert (await register_as(api, "hospital-lis")).status_code == 201


async def own_grant(client) -> dict:
    """Find the grant of the fixture administrator."""
    items = (await client.get("/grants", params={"limit": 200})).json()["items"]
    return next(each for each in items if each["person"]["subject"] == ADMIN.value)


async def ending(client, given: dict, way: str):
    """End one grant, or all that its person holds."""
    whose = {"grants": given["id"], "people": given["person"]["id"]}[way]
    return await client.post(f"/{way}/{whose}/revocation", json=WHY)


@pytest.mark.parametrize("way", ["grants", "people"])
async def test_the_last_administrator_stays(api, way):
    """Their own revocation is refused, and changes nothing; with a second one it is done."""
    client = api(ADMIN)
    given = await own_grant(client)
    answer = await ending(client, given, way)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
    assert (await own_grant(client))["status"] == "in_force"
    await grant(api, ADMIN, person=newcomer("nina"))
    proposed_only = await ending(client, given, way)
    assert proposed_only.json()["code"] == "last_administrator"
    other = await join_at_console(api, "adam", ADMIN)
    assert (await ending(client, given, way)).status_code == 201
    assert (await client.get("/grants")).status_code == 404
    assert (await other.get("/grants")).status_code == 200


async def test_an_administrator_of_a_site_does_not_stand_for_the_study(api):
    """Who may let people in at one site only is not enough; the site's own may go, however."""
    await set_up_site(api, "02")
    other = await join_at_console(api, "adam", ADMIN)
    lena = await grant(api, ADMIN, person=newcomer("lena"), site="02")
    confirmed = await other.post(f"/grants/{lena['id']}/confirmation", json={"reason": "Yes."})
    assert confirmed.status_code == 201
    client = api(ADMIN)
    given = await own_grant(client)
    adams = next(
        each
        for each in (await client.get("/grants", params={"limit": 200})).json()["items"]
        if each["person"]["subject"] == "adam"
    )
    assert (await ending(other, given, "people")).status_code == 201
    assert (await ending(other, adams, "people")).json()["code"] == "last_administrator"
    assert (await ending(speaking_for(api, "lena"), lena, "grants")).status_code == 201


async def test_two_administrators_do_not_end_each_other(committing_api, monkeypatch):
    """Of two who revoke each other at the same time one is left, whoever came first."""
    check = grants.check_somebody_administers

    async def slowly(*given):
        await check(*given)
        await sleep(0.3)

    monkeypatch.setattr(grants, "check_somebody_administers", slowly)
    api = committing_api
    other = await join_at_console(api, "adam", ADMIN)
    client = api(ADMIN)
    mine = await own_grant(client)
    items = (await client.get("/grants", params={"limit": 200})).json()["items"]
    theirs = next(each for each in items if each["person"]["subject"] == "adam")
    answers = await gather(ending(client, theirs, "people"), ending(other, mine, "people"))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    seen = [(await each.get("/grants")).status_code for each in (client, other)]
    assert sorted(seen) == [200, 404]
