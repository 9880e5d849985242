"""Which sender is calling: by certificate and code, while its grant lasts, in its own study."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.core.database import Database
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.migration import migrate
from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.models import Operation, Principal, RoleGrant, Sender, SenderProfileVersion
from app.services.console_grants import grant_roles
from app.services.development import FIXTURE_SENDER, load_study
from app.services.senders import (
    sender_of_certificate,
    sender_of_code,
    sender_of_identity,
    sender_of_key,
)
from app.services.studies import Person
from tests.conftest import NOW, STUDY
from tests.factories.rows import writing
from tests.factories.senders import (
    FIXTURE,
    SENDER,
    SENDERS,
    change,
    create_key,
    create_sender,
    second_study,
)
from tests.factories.subjects import created

DIGEST = "ab" * 32
IDENTITY = (FIXTURE["issuer"], FIXTURE["subject"])


async def code_of(refused) -> str:
    """Return the code of the refusal that a lookup ends with."""
    with pytest.raises(DomainError) as failure:
        await refused
    return failure.value.code


async def test_a_certificate_finds_its_sender(api, session):
    """The digest is compared whatever its case; an unknown one opens nothing."""
    made = await create_sender(api, certificates=["12" * 32, DIGEST], sending_facility="HOSPITAL")
    caller = await sender_of_certificate(session, DIGEST.upper(), "request", NOW)
    assert (str(caller.sender_id), caller.code) == (made["id"], "LIS-01")
    assert (caller.sending_application, caller.sending_facility) == (None, "HOSPITAL")
    assert (caller.analytes, caller.networks) == (None, ())
    assert caller.actor.role is Role.LABORATORY_SYSTEM
    assert caller.actor.request_id == "request"
    unknown = sender_of_certificate(session, "cd" * 32, "request", NOW)
    assert await code_of(unknown) == "invalid_credentials"


async def test_a_certificate_of_two_studies_opens_neither(api, session):
    """Where the study cannot be told, nothing is guessed."""
    await create_sender(api, certificates=[DIGEST])
    study = {"study": await second_study(api)}
    body = SENDER | {"certificates": [DIGEST]}
    created(await api(Role.ADMINISTRATOR).post(SENDERS, json=body, params=study))
    found = sender_of_certificate(session, DIGEST, "request", NOW)
    assert await code_of(found) == "several_senders"


async def test_a_code_finds_the_sender_of_its_study(api, session):
    """The same code in another study is another sender; an unknown one is not found."""
    made = await create_sender(api)
    other = await second_study(api)
    body = {"code": "LIS-01", "name": "Other"}
    there = created(await api(Role.ADMINISTRATOR).post(SENDERS, json=body, params={"study": other}))
    for study, sender in ((STUDY, made), (other, there)):
        caller = await sender_of_code(session, study, "LIS-01", "request", NOW)
        assert (str(caller.sender_id), caller.actor.study_key) == (sender["id"], study)
    unknown = sender_of_code(session, STUDY, "LIS-09", "request", NOW)
    assert await code_of(unknown) == "not_found"


async def test_a_closed_sender_is_found_by_nothing(api, session):
    """All four ways end at once."""
    made = await create_sender(api, certificates=[DIGEST])
    key = (await create_key(api, made["id"]))["key"]
    await change(api(Role.DATA_MANAGER), f"{SENDERS}/{made['id']}", 1, active=False)
    refusals = [
        await code_of(sender_of_identity(session, IDENTITY, None, "request", NOW)),
        await code_of(sender_of_key(session, key, "request", NOW)),
        await code_of(sender_of_certificate(session, DIGEST, "request", NOW)),
        await code_of(sender_of_code(session, STUDY, "LIS-01", "request", NOW)),
    ]
    assert refusals == ["not_a_sender", "invalid_credentials", "invalid_credentials", "not_found"]


async def test_the_role_has_to_be_in_force(api, session):
    """Registering grants the role from now on and at the sender's site; before, nobody comes in."""
    made = await create_sender(api, subject="other")
    principal = (await session.scalars(select(Principal).where(Principal.subject == "other"))).one()
    identity = (DEVELOPMENT_ISSUER, "other")
    grant = (
        await session.scalars(select(RoleGrant).where(RoleGrant.principal_id == principal.id))
    ).one()
    assert (grant.role, grant.valid_from, grant.valid_until) == (Role.LABORATORY_SYSTEM, NOW, None)
    assert str(grant.site_id) == str((await session.scalars(select(Sender))).one().site_id)
    found = await sender_of_identity(session, identity, None, "request", NOW)
    assert str(found.sender_id) == made["id"]
    early = sender_of_identity(session, identity, None, "request", NOW - timedelta(seconds=1))
    assert await code_of(early) == "not_a_sender"


async def test_a_grant_that_ends_closes_the_door(api, session):
    """An identity whose role is limited in time gets an unlimited one with the sender only."""
    async with writing(api) as (writer, actor):
        person = Principal(
            study_id=actor.study_id,
            issuer=DEVELOPMENT_ISSUER,
            subject="temporary",
            display_name="Temporary",
            organisation="Hospital",
        )
        writer.add(person)
        await writer.flush()
        writer.add(
            RoleGrant(
                study_id=actor.study_id,
                principal_id=person.id,
                role=Role.LABORATORY_SYSTEM,
                valid_from=NOW - timedelta(days=2),
                valid_until=NOW + timedelta(days=1),
            )
        )
    await create_sender(api, subject="temporary")
    later = NOW + timedelta(days=30)
    identity = (DEVELOPMENT_ISSUER, "temporary")
    assert (await sender_of_identity(session, identity, None, "request", later)).code == "LIS-01"
    grants = select(func.count()).where(RoleGrant.principal_id == person.id)
    assert await session.scalar(grants) == 2


async def test_the_last_profile_counts(api, session):
    """The next message is read by the version that was added meanwhile."""
    made = await create_sender(api)
    path = f"{SENDERS}/{made['id']}/profiles"
    body = {"profile": {"unit_component": 2}, "reason": "New system."}
    first = await sender_of_code(session, STUDY, "LIS-01", "request", NOW)
    created(await api(Role.DATA_MANAGER).post(path, json=body))
    second = await sender_of_code(session, STUDY, "LIS-01", "request", NOW)
    assert [each.profile_number for each in (first, second)] == [1, 2]
    assert [each.profile.unit_component for each in (first, second)] == [1, 2]


async def test_development_has_a_sender_also_where_the_study_was_there_before(session):
    """It is registered once, for the fixture laboratory system, by the data manager."""
    assert not await load_study(session, NOW)
    assert not await load_study(session, NOW)
    (sender,) = (await session.scalars(select(Sender))).all()
    assert (sender.code, sender.active) == (FIXTURE_SENDER, True)
    caller = await sender_of_identity(session, IDENTITY, None, "request", NOW)
    assert caller.sender_id == sender.id
    assert await session.scalar(select(func.count()).select_from(SenderProfileVersion)) == 1
    commands = select(Operation.actor_name).where(Operation.command == "create_sender")
    assert (await session.scalars(commands)).all() == ["Data manager (development)"]


async def test_a_sender_of_ones_own_is_left_alone(api, session):
    """Where the fixture system is bound already, development adds nothing."""
    await create_sender(api, code="MINE")
    await load_study(session, NOW)
    assert (await session.scalars(select(Sender.code))).all() == ["MINE"]


async def test_a_study_without_fixture_people_gets_no_sender(empty_url):
    """A study that an operator set up at the console stays as it is."""
    database = Database(empty_url, role=None)
    await migrate(database.engine)
    operator = Person("https://id.example", "8f3c", "Dr. Example", "Hospital", (Role.MONITOR,))
    async with database.session() as session:
        await grant_roles(session, STUDY, operator, "root", NOW)
        assert not await load_study(session, NOW)
        assert (await session.scalars(select(Sender))).all() == []
    await database.close()
