"""Sites on the audit routes: redactions, receipts and the trail of another site are not there."""

from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.ids import new_id
from app.domain.redaction import REDACTED
from app.domain.vocabulary import Role
from app.services.audit_trail import RECORD_TYPES
from app.services.trail_scope import RECORDS_OF
from tests.conftest import STUDY
from tests.factories.dosing import create_bags, prescribe
from tests.factories.ladder import propose, treat
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import database_of, owners_session
from tests.factories.subjects import (
    FIRST_INFUSION,
    SUBJECT,
    created,
    enrolled_subject,
)

PI, CRC, DM = Role.PRINCIPAL_INVESTIGATOR, Role.STUDY_COORDINATOR, Role.DATA_MANAGER
EVENT = {"term": "Hypertension", "grade": 3, "onset_at": "2026-05-14T10:00:00+08:00"}
CANARY = "Zz-canary of the first site"
WHY = {"reason": "Checked against the request."}


async def people_at(api, code):
    """Let one person of each role in at a site."""
    roles = (PI, CRC, DM, Role.SUB_INVESTIGATOR, Role.MONITOR, Role.AUDITOR,
             Role.CELL_LABORATORY, Role.SAFETY_COMMITTEE)  # fmt: skip
    there = {}
    for role in roles:
        if role is PI:
            # A principal investigator takes a second administrator; the rows say the same.
            there[role] = await investigator_at(api, code)
        else:
            there[role] = await working_at(api, code, role, f"{role.value}-{code}")
    return there


async def investigator_at(api, code):
    """Let a principal investigator in at a site, as a study's setup does."""
    client = await working_at(api, code, Role.SUB_INVESTIGATOR, f"investigator-{code}")
    async with owners_session(api) as session:
        grant = (
            "INSERT INTO role_grant (study_id, id, principal_id, site_id, role, valid_from,"
            " operation_id) SELECT study_id, :id, principal_id, site_id, 'principal_investigator',"
            " valid_from, operation_id FROM role_grant ORDER BY id DESC LIMIT 1"
        )
        await session.execute(text(grant), {"id": new_id()})
        await session.commit()
    return client


@pytest.fixture
async def sites(api):
    """An event at the first site, the people of both sites, and a subject of the second."""
    await set_up_site(api, "02")
    first, second = await people_at(api, "01"), await people_at(api, "02")
    subject = created(await first[CRC].post("/subjects", json=SUBJECT))["id"]
    body = {"subject_id": subject, "narrative": CANARY} | EVENT
    event = created(await first[CRC].post("/adverse-events", json=body))["id"]
    changed = await first[CRC].patch(
        f"/adverse-events/{event}",
        json={"grade": 2, "reason": "Zz-reason of the first site."},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200, changed.text
    own = created(await second[CRC].post("/subjects", json=SUBJECT))["id"]
    return SimpleNamespace(first=first, second=second, subject=subject, event=event, own=own)


def of_event(sites, **changes):
    """Name the narrative of the first site's event."""
    body = {"record_type": "adverse_event", "record_id": sites.event, "field": "narrative"}
    return body | {"reason": "Zz-secret: it names a relative."} | changes


async def operations(client, **query):
    """Read the operations that a client is shown."""
    answer = await client.get("/audit/operations", params={"limit": 200} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def changes(client, **query):
    """Read the changes that a client is shown."""
    answer = await client.get("/audit/changes", params={"limit": 200} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def operation_of(api, command):
    """Return the id of the last operation of a name."""
    return (await operations(api(Role.AUDITOR), command=command))[-1]["id"]


@pytest.mark.parametrize("command", ["create_study", "change_adverse_event", "create_site"])
async def test_nobody_at_a_site_redacts_reasons_that_are_not_its_own(api, sites, command):
    """A reason of the study or of another site answers as an absent one does."""
    act = await operation_of(api, command)
    asking = sites.second[PI]
    wish = of_event(sites, record_type="operation", field="reason")
    refused = await asking.post("/redactions", json=wish | {"record_id": act})
    absent = await asking.post("/redactions", json=wish | {"record_id": str(new_id())})
    for answer in (refused, absent):
        assert answer.status_code == 404, answer.text
    assert {**refused.json(), "instance": ""} == {**absent.json(), "instance": ""}


async def test_a_site_redacts_its_own_reason(api, sites):
    """The control: who wrote of the own site's records is redacted there."""
    act = await operation_of(api, "change_adverse_event")
    wish = of_event(sites, record_type="operation", field="reason", record_id=act)
    asked = created(await sites.first[PI].post("/redactions", json=wish))
    created(await sites.first[DM].post(f"/redactions/{asked['id']}/execution", json=WHY))
    (found,) = await operations(sites.first[DM], command="change_adverse_event")
    assert found["reason"] == REDACTED


async def test_what_is_of_the_whole_study_takes_roles_for_it(api, sites):
    """A reason of no site is neither seen nor carried out by a data manager at one."""
    act = await operation_of(api, "create_site")
    wish = of_event(sites, record_type="operation", field="reason", record_id=act)
    asked = created(await api(PI).post("/redactions", json=wish))
    for there in (sites.first, sites.second):
        assert (await there[DM].get("/redactions")).json()["items"] == []
        answer = await there[DM].post(f"/redactions/{asked['id']}/execution", json=WHY)
        assert answer.status_code == 404, answer.text
    created(await api(DM).post(f"/redactions/{asked['id']}/execution", json=WHY))


async def test_a_request_is_of_the_site_of_its_record(api, sites):
    """Another site neither lists it nor carries it out; the own one does both."""
    asked = created(await api(PI).post("/redactions", json=of_event(sites)))
    path = f"/redactions/{asked['id']}/execution"
    assert (await sites.second[DM].get("/redactions")).json()["items"] == []
    assert (await sites.second[DM].post(path, json=WHY)).status_code == 404
    for kind in ("redaction_request", "redaction"):
        assert await changes(sites.second[DM], record_type=kind) == []
    assert "Zz-secret" not in str(await operations(sites.second[DM]))
    listed = (await sites.first[DM].get("/redactions")).json()["items"]
    assert [item["id"] for item in listed] == [asked["id"]]
    created(await sites.first[DM].post(path, json=WHY))
    assert (await sites.second[DM].get("/redactions")).json()["items"] == []
    assert len(await changes(sites.first[DM], record_type="redaction")) == 1


async def test_the_database_itself_holds_a_redaction_against_the_site(api, sites, session):
    """As the API's role, bound to the second site: neither the request nor its execution."""
    asked = created(await api(PI).post("/redactions", json=of_event(sites)))
    bind = "SELECT set_config('app.site_ids', ARRAY[id]::text, true) FROM site WHERE code = '02'"
    act = (
        "INSERT INTO operation (study_id, actor_id, id, actor_name, role, organisation, command,"
        " reason, request_id) SELECT study_id, id, :id, 'x', 'data_manager', 'x', 'x', 'x', 'x'"
        " FROM principal WHERE subject = 'data_manager-02'"
        " RETURNING set_config('app.operation_id', CAST(id AS text), true)"
    )
    async with database_of(api).session() as bound:
        await bound.execute(text("SELECT enter_by_study(:key)"), {"key": STUDY})
        await bound.execute(text(act), {"id": new_id()})
        await bound.execute(text(bind))
        seen = await bound.scalar(text("SELECT count(*) FROM redaction_request"))
        with pytest.raises(DBAPIError) as refusal:
            await bound.execute(text(f"SELECT redact('{new_id()}', '{asked['id']}')"))
    assert (seen, refusal.value.orig.sqlstate) == (0, "28000")


async def test_receipts_are_of_operations_that_are_shown(api, sites):
    """An operation of another site has no receipt there; the own one has."""
    act = await operation_of(api, "change_adverse_event")
    path = f"/audit/receipts/{act}"
    absent = f"/audit/receipts/{new_id()}"
    for role, client in sites.second.items():
        if role is CRC:
            continue  # whom the matrix gives no receipts
        there, gone = await client.get(path), await client.get(absent)
        assert there.status_code == 404, role
        assert there.json()["detail"] == gone.json()["detail"]
    assert (await sites.first[DM].get(path)).status_code == 202
    own = await operation_of(api, "create_subject")
    assert (await sites.second[DM].get(f"/audit/receipts/{own}")).status_code == 202


async def test_the_trail_of_a_site_shows_nothing_of_another(api, sites):
    """Of no table, in no role; people and grants are not for who may not read them."""
    for role, client in sites.second.items():
        if role is Role.SAFETY_COMMITTEE:
            continue
        found = str(await changes(client)) + str(await operations(client))
        for foreign in (sites.event, sites.subject, "Zz-reason", "Zz-canary"):
            assert foreign not in found, (role, foreign)
        kinds = {item["record_type"] for item in await changes(client)}
        if role is not Role.AUDITOR:
            assert not kinds & {"principal", "role_grant", "security_event"}, role
    grants = await changes(sites.second[Role.AUDITOR], record_type="role_grant")
    (site,) = {item["new"]["site_id"] for item in grants}
    assert site == (await api().get(f"/subjects/{sites.own}")).json()["site_id"]
    assert await changes(sites.second[Role.AUDITOR], record_type="principal") == []


async def test_every_type_of_record_has_an_area():
    """A table that is added is shown to nobody but the auditor until somebody says to whom."""
    assert sorted(kind for kinds in RECORDS_OF.values() for kind in kinds) == RECORD_TYPES


async def test_a_role_reads_no_changes_of_an_area_that_it_does_not_read(api):
    """A coordinator of the whole study: neither grants nor decisions; the auditor all of them."""
    hidden = ("role_grant", "principal", "escalation_decision", "redaction_request", "data_cut")
    for kind in hidden:
        assert await changes(api(CRC), record_type=kind) == [], kind
    assert await changes(api(Role.AUDITOR), record_type="role_grant")
    assert await changes(api(CRC), record_type="protocol_version")


async def test_decisions_are_read_by_who_judges_the_ladder(api, clock):
    """At another site a coordinator reads none, the auditor there reads the whole evidence."""
    await treat(api, clock, FIRST_INFUSION, 3)
    answer = await propose(api, "escalate")
    assert answer.status_code == 201, answer.text
    await set_up_site(api, "02")
    coordinator = await working_at(api, "02", CRC, "cora")
    auditor = await working_at(api, "02", Role.AUDITOR, "aude")
    act = await operation_of(api, "propose_decision")
    assert await changes(coordinator, record_type="escalation_decision") == []
    assert act not in {item["id"] for item in await operations(coordinator)}
    (decision,) = await changes(auditor, record_type="escalation_decision")
    assert decision["new"]["evidence"]
    assert act in {item["id"] for item in await operations(auditor)}


async def test_a_bag_does_not_name_the_infusion_of_another_site(api):
    """The stock is everybody's, whom it was given to is not; nor does a filter tell."""
    await set_up_site(api, "02")
    cell = await working_at(api, "02", Role.CELL_LABORATORY, "cell")
    manager = await working_at(api, "02", DM, "dean")
    subject = await enrolled_subject(api, site="01")
    bag, _ = await create_bags(api)
    infusion = await prescribe(api, subject["id"])
    allocated = await api(Role.CELL_LABORATORY).patch(
        f"/product-bags/{bag}",
        json={"status": "allocated", "infusion_id": infusion["id"], "reason": "For today."},
        headers={"If-Match": '"v1"'},
    )
    assert allocated.status_code == 200, allocated.text
    assert allocated.json()["infusion_id"] == infusion["id"]
    whole = (await api(DM).get("/product-bags")).json()["items"]
    used = next(item for item in whole if item["infusion_id"])
    for client in (cell, manager):
        seen = (await client.get("/product-bags")).json()["items"]
        assert [item | {"infusion_id": None} for item in whole] == seen
        one = await client.get(f"/product-bags/{used['id']}")
        assert one.json() == used | {"infusion_id": None}
        asked = await client.get("/product-bags", params={"infusion_id": used["infusion_id"]})
        assert asked.json()["items"] == []
    assert used["infusion_id"] not in str(await changes(manager))
    assert used["infusion_id"] not in str(await operations(manager))


async def test_the_vault_discloses_nobody_of_another_site(api, sites):
    """As the API's role, bound to the second site: whoever names the secret gets nothing."""
    body = {"family_name": "Zz-Heron", "given_name": "A", "birth_date": "1980-03-04"}
    answer = await sites.first[CRC].put(
        f"/subjects/{sites.subject}/identity", json=body | {"initials": "ZA"}
    )
    assert answer.status_code in (200, 201), answer.text
    async with owners_session(api) as session:
        secret, study = (
            await session.execute(text("SELECT identity_id, study_id FROM vault.person"))
        ).one()
        codes = dict((await session.execute(text("SELECT code, id FROM site"))).all())
    ask = text(
        "SELECT count(*) FROM vault.disclose(:study, :access, :subject, 'person',"
        " ARRAY[CAST(:secret AS uuid)], 'to see')"
    )
    act = (
        "INSERT INTO operation (study_id, id, actor_name, role, organisation, command,"
        " reason, request_id) VALUES (:study, :id, 'x', 'x', 'x', 'x', 'x', 'x')"
        " RETURNING set_config('app.operation_id', CAST(id AS text), true)"
    )
    for code, expected in (("01", 1), ("02", "28000")):
        async with database_of(api).session() as bound:
            await bound.execute(text("SELECT enter_by_study(:key)"), {"key": STUDY})
            await bound.execute(text(act), {"id": new_id(), "study": study})
            await bound.execute(
                text("SELECT set_config('app.site_ids', :sites, true)"),
                {"sites": f"{{{codes[code]}}}"},
            )
            given = {"study": study, "access": new_id(), "secret": secret}
            try:
                got = await bound.scalar(ask, given | {"subject": sites.subject})
            except DBAPIError as refusal:
                got = refusal.orig.sqlstate
            assert got == expected, code


@pytest.mark.parametrize("target", ["vault_access.purpose", "subject.car_t_product"])
async def test_what_a_person_wrote_elsewhere_is_redacted_too(api, sites, target):
    """Why an identity was shown, and what a product was called, where they name somebody."""
    path = f"/subjects/{sites.subject}"
    shown = await sites.first[Role.MONITOR].post(
        f"{path}/identity/disclosures", json={"reason": CANARY}
    )
    assert shown.status_code == 201, shown.text
    named = await sites.first[CRC].patch(
        path, json={"car_t_product": CANARY, "reason": "Told."}, headers={"If-Match": '"v1"'}
    )
    assert named.status_code == 200, named.text
    kind, field = target.split(".")
    found = [
        item["record_id"]
        for item in await changes(api(Role.AUDITOR), record_type=kind)
        if item["new"][field] == CANARY
    ]
    for record_id in found:
        wish = of_event(sites, record_type=kind, record_id=record_id, field=field)
        assert (await sites.second[PI].post("/redactions", json=wish)).status_code == 404
        asked = created(await sites.first[PI].post("/redactions", json=wish))
        created(await sites.first[DM].post(f"/redactions/{asked['id']}/execution", json=WHY))
    left = await changes(api(Role.AUDITOR), record_type=kind)
    assert CANARY not in str(left)
    assert REDACTED in {item["new"][field] for item in left}


async def test_reads_of_an_auditor_are_logged(api, sites, capsys):
    """Who, what and of which study; a read of somebody else is not."""
    capsys.readouterr()
    await api(CRC).get("/subjects")
    assert "auditor_read" not in capsys.readouterr().out
    await api(Role.AUDITOR).get("/subjects")
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "auditor_read" in each]
    assert "list_subjects" in line
    assert STUDY in line
