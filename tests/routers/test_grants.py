"""Grants: who is let in, for how long and by whom; two persons where one alone would be too few."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.granting import GrantStatus
from app.domain.vocabulary import Role
from app.models import GrantConfirmation, RoleGrant
from tests.conftest import NOW
from tests.factories.people import grant, join_at_console, newcomer, set_up_site, speaking_for
from tests.factories.rows import writing

WHY = {"reason": "Left the hospital."}


async def listed(api, role=Role.AUDITOR, **params):
    """All grants, by id."""
    answer = await api(role).get("/grants", params={"limit": 200, **params})
    assert answer.status_code == 200, answer.text
    return {item["id"]: item for item in answer.json()["items"]}


async def test_a_grant_lets_somebody_in(api):
    """The new person works at once, and the list says who gave what, from when and why."""
    given = await grant(
        api, Role.MONITOR, person=newcomer("mona"), delegation_log="DL-017", trained_on="2026-05-20"
    )
    assert given["status"] == "in_force"
    assert (await speaking_for(api, "mona").get("/subjects")).status_code == 200
    entry = (await listed(api))[given["id"]]
    assert entry == given
    assert entry["granted"]["by"] == "Administrator (development)"
    assert entry["granted"]["reason"] == "Joins the study team."
    assert (entry["delegation_log"], entry["trained_on"]) == ("DL-017", "2026-05-20")
    assert entry["site"] is None
    assert entry["person"]["subject"] == "mona"


async def test_what_came_with_the_study_is_listed(api):
    """The fixture people's grants are there, by the operation that set the study up."""
    roles = {item["role"] for item in (await listed(api)).values()}
    assert roles == set(Role)


async def test_a_known_person_is_named_by_id(api):
    """A second role needs no second person; the identity again is refused."""
    first = await grant(api, Role.MONITOR, person=newcomer("mona"))
    second = await grant(api, Role.AUDITOR, person_id=first["person"]["id"])
    assert second["person"] == first["person"]
    body = {"role": "monitor", "person": newcomer("mona"), "reason": "Again."}
    answer = await api(Role.ADMINISTRATOR).post("/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "person_known")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"valid_from": "2026-06-01T03:59:59Z"}, 422, "back_dated"),
        ({"valid_until": "2026-06-01T04:00:00Z"}, 422, "ends_too_early"),
        ({"trained_on": "2026-06-02"}, 422, "future_training"),
        ({"site": "99"}, 422, "unknown_site"),
        ({"person": None}, 422, None),
        ({"person_id": "00000000-0000-7000-8000-000000000000", "person": None}, 404, "not_found"),
        ({"role": "owner"}, 422, None),
        ({"reason": " "}, 422, None),
    ],
)
async def test_a_grant_that_cannot_be_is_refused(api, fields, status, code):
    """Nothing of it is stored, and the answer says what is wrong."""
    before = await listed(api)
    body = {"role": "monitor", "person": newcomer("mona"), "reason": "Joins."} | fields
    answer = await api(Role.ADMINISTRATOR).post("/grants", json=body)
    assert answer.status_code == status, answer.text
    assert code in (None, answer.json()["code"])
    assert await listed(api) == before


async def test_the_same_grant_is_not_given_twice(api):
    """Where somebody has a role at every site, it is revoked before it is given anew."""
    given = await grant(api, Role.MONITOR, person=newcomer("mona"))
    body = {"role": "monitor", "person_id": given["person"]["id"], "reason": "Again."}
    answer = await api(Role.ADMINISTRATOR).post("/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "grant_exists")
    await api(Role.ADMINISTRATOR).post(f"/grants/{given['id']}/revocation", json=WHY)
    assert (await api(Role.ADMINISTRATOR).post("/grants", json=body)).status_code == 201


async def test_nobody_grants_to_themselves(api):
    """Neither the service nor the database lets an administrator become somebody else."""
    own = next(item for item in (await listed(api)).values() if item["role"] == Role.ADMINISTRATOR)
    body = {"role": "monitor", "person_id": own["person"]["id"], "reason": "For me."}
    answer = await api(Role.ADMINISTRATOR).post("/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_grant")
    async with writing(api) as (session, actor):
        session.add(
            RoleGrant(
                study_id=actor.study_id,
                principal_id=actor.principal_id,
                granted_by=actor.principal_id,
                role=Role.AUDITOR,
                valid_from=NOW,
            )
        )
        with pytest.raises(IntegrityError, match="ck_role_grant_not_to_oneself"):
            await session.flush()
        await session.rollback()


@pytest.mark.parametrize("role", [Role.PRINCIPAL_INVESTIGATOR, Role.ADMINISTRATOR])
async def test_some_roles_take_two_administrators(api, role):
    """Until a second one confirms, the person has nothing; neither of the two concerned can."""
    other = await join_at_console(api, "adam", Role.ADMINISTRATOR)
    given = await grant(api, role, person=newcomer("nina"))
    assert given["status"] == GrantStatus.PROPOSED
    nina, path = speaking_for(api, "nina"), f"/grants/{given['id']}/confirmation"
    assert (await nina.get("/protocol")).status_code == 404
    proposer = await api(Role.ADMINISTRATOR).post(path, json={"reason": "Me again."})
    assert (proposer.status_code, proposer.json()["code"]) == (403, "two_persons")
    confirmed = await other.post(path, json={"reason": "Seen the letter."})
    assert (confirmed.status_code, confirmed.json()["status"]) == (201, "in_force")
    assert confirmed.json()["confirmed"]["by"] == "Adam"
    assert (await nina.get("/protocol")).status_code == 200
    again = await other.post(path, json={"reason": "Twice."})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_confirm")


async def test_the_database_wants_two_persons_as_well(api):
    """A confirmation by who gave the grant breaks a constraint."""
    given = await grant(api, Role.ADMINISTRATOR, person=newcomer("nina"))
    async with writing(api) as (session, actor):
        row = await session.get(RoleGrant, (actor.study_id, given["id"]))
        session.add(
            GrantConfirmation(
                study_id=actor.study_id,
                grant_id=row.id,
                principal_id=row.principal_id,
                granted_by=row.granted_by,
                confirmed_by=row.granted_by,
            )
        )
        with pytest.raises(IntegrityError, match="ck_grant_confirmation_two_persons"):
            await session.flush()
        await session.rollback()


async def test_a_proposal_can_be_turned_down(api):
    """Then it is not confirmed any more."""
    other = await join_at_console(api, "adam", Role.ADMINISTRATOR)
    given = await grant(api, Role.ADMINISTRATOR, person=newcomer("nina"))
    down = await other.post(f"/grants/{given['id']}/revocation", json=WHY)
    assert (down.status_code, down.json()["status"]) == (201, "revoked")
    late = await other.post(f"/grants/{given['id']}/confirmation", json={"reason": "Late."})
    assert (late.status_code, late.json()["code"]) == (409, "nothing_to_confirm")


async def test_the_list_shows_what_was_known_then(api, clock):
    """With as_of a later revocation is not there yet, and a later grant neither."""
    given = await grant(api, Role.MONITOR, person=newcomer("mona"))
    clock.now = NOW + timedelta(days=365)
    later = (
        await api(Role.ADMINISTRATOR).post(f"/grants/{given['id']}/revocation", json=WHY)
    ).json()
    assert later["status"] == "revoked"
    assert later["revoked"]["reason"] == WHY["reason"]
    then = await listed(api, as_of=given["granted"]["at"])
    assert then[given["id"]]["status"] == "in_force"
    early = await listed(api, as_of="2026-01-01T00:00:00Z")
    assert given["id"] not in early


async def test_grants_are_in_the_trail(api):
    """Giving, confirming and ending are operations with their rows and reasons."""
    other = await join_at_console(api, "adam", Role.ADMINISTRATOR)
    given = await grant(api, Role.ADMINISTRATOR, person=newcomer("nina"))
    await other.post(f"/grants/{given['id']}/confirmation", json={"reason": "Seen the letter."})
    await other.post(f"/grants/{given['id']}/revocation", json=WHY)
    for record_type, command in (
        ("role_grant", "create_grant"),
        ("grant_confirmation", "confirm_grant"),
        ("grant_end", "revoke_grant"),
    ):
        found = await api(Role.AUDITOR).get(
            "/audit/changes", params={"record_type": record_type, "limit": 200}
        )
        last = found.json()["items"][-1]
        assert (last["command"], last["role"]) == (command, "administrator")
        assert last["reason"]


async def test_the_database_judges_a_grant_as_the_rules_do(api, session):
    """What the list calls in force is what the function of the database lets in, and only that."""
    other = await join_at_console(api, "adam", Role.ADMINISTRATOR)
    later = {"valid_from": "2026-06-02T00:00:00Z"}
    for number, (role, fields) in enumerate(
        [
            (Role.MONITOR, {}),
            (Role.MONITOR, later),
            (Role.MONITOR, {"valid_until": "2026-06-01T05:00:00Z"}),
            (Role.ADMINISTRATOR, {}),
            (Role.ADMINISTRATOR, {}),
            (Role.AUDITOR, {}),
        ]
    ):
        given = await grant(api, role, person=newcomer(f"person-{number}"), **fields)
        if number == 4:
            await other.post(f"/grants/{given['id']}/confirmation", json={"reason": "Yes."})
        if number == 5:
            await other.post(f"/grants/{given['id']}/revocation", json=WHY)
    told = {key: item["status"] for key, item in (await listed(api)).items()}
    judged = dict(
        (
            await session.execute(
                text("SELECT id::text, in_force(g, :now) FROM role_grant g"), {"now": NOW}
            )
        ).all()
    )
    assert judged == {key: status == "in_force" for key, status in told.items()}
    assert set(told.values()) == set(GrantStatus) - {GrantStatus.EXPIRED}


async def test_people_are_listed(api):
    """With the identity by which their tokens are known."""
    await grant(api, Role.MONITOR, person=newcomer("mona"))
    answer = await api(Role.AUDITOR).get("/people", params={"limit": 200})
    assert "mona" in {item["subject"] for item in answer.json()["items"]}


async def test_an_administrator_of_a_site_grants_for_that_site(api):
    """Grants of other sites, and of the whole study, are not there for such a one."""
    await set_up_site(api, "02")
    await join_at_console(api, "adam", Role.ADMINISTRATOR)
    proposed = await grant(api, Role.ADMINISTRATOR, person=newcomer("lena"), site="02")
    path = f"/grants/{proposed['id']}/confirmation"
    assert (await speaking_for(api, "adam").post(path, json={"reason": "Yes."})).status_code == 201
    foreign = await grant(api, Role.MONITOR, person=newcomer("mona"), site="01")
    lena = speaking_for(api, "lena")
    shown = (await lena.get("/grants")).json()["items"]
    assert [item["id"] for item in shown] == [proposed["id"]]
    assert (await lena.get("/people")).json()["items"] == [proposed["person"]]
    absent = "00000000-0000-7000-8000-000000000000"
    for grant_id in (foreign["id"], absent):
        answer = await lena.post(f"/grants/{grant_id}/revocation", json=WHY)
        assert answer.status_code == 404
    body = {"role": "monitor", "person": newcomer("omar"), "reason": "Joins.", "site": "01"}
    refused = await lena.post("/grants", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_site")
    given = await lena.post("/grants", json=body | {"site": None})
    assert (given.status_code, given.json()["site"]) == (201, "02")
    site = await lena.post("/sites", json={"code": "03", "name": "Third"})
    assert (site.status_code, site.json()["code"]) == (403, "whole_study_needed")
