"""Who the patient is stays sealed: names and hospital numbers are in no table, answer or log."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.models import Base
from app.services import inbound_placing
from tests.factories.messages import (
    INBOX,
    WHY,
    laboratory,
    local,
    resolve,
    resolved,
    send,
    undecodable,
    waiting,
)
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import PLT, TRAPS, message, msh, obr, obx, segment

NUMBER, FAMILY = "MRN-778899", "Ouyang"
SECRETS = (NUMBER, FAMILY, TRAPS, "19620304", "13900001111")


def telling(*results: str, control_id: str = "M-1") -> bytes:
    """Build a message that tells all about a patient."""
    patient = {
        1: "1", 3: f"{NUMBER}^^^HOSPITAL^MR", 5: f"{FAMILY}^{TRAPS}", 7: "19620304", 8: "F",
        13: "13900001111",
    }  # fmt: skip
    kin = segment("NK1", {1: "1", 2: f"{FAMILY}^Kin"})
    return message(msh(control_id=control_id), segment("PID", patient), kin, obr("A-1"), *results)


async def tables_with(session, secret: str) -> list[str]:
    """Name the tables in which a text occurs: in words, or in the bytes of a column."""
    found = []
    for table in Base.metadata.sorted_tables:
        name = table.fullname
        query = f"SELECT count(*) FROM {name} each WHERE each::text ILIKE ANY (:looks)"
        looks = [f"%{secret}%", f"%{secret.encode().hex()}%"]
        if (await session.execute(text(query), {"looks": looks})).scalar_one():
            found.append(name)
    return found


@pytest.fixture
async def lab(api):
    """The client of a laboratory system of the site of subject S-001."""
    await register(api)
    return await laboratory(api)


async def test_the_search_finds_what_is_there(api, lab, session):
    """The control: an accession number is kept, and found."""
    await send(lab, telling(obx(PLT, "98")))
    assert "inbox_item" in await tables_with(session, "A-1")
    assert "inbound_message" in await tables_with(session, "hl7v2")


async def test_names_and_numbers_are_in_no_table_and_no_log(api, lab, session, capfd):
    """From arrival to the filed result, with a request that failed and one that was repeated."""
    subject = (await session.execute(text("SELECT id FROM subject"))).scalar_one()
    await send(lab, telling(obx(PLT, "98"), local()))
    await send(lab, telling(local("X-L"), control_id="M-2"))
    await send(lab, undecodable(obx(PLT, "98"), control_id="M-3", patient=NUMBER))
    for item in await waiting(api):
        await api(Role.DATA_MANAGER).get(f"{INBOX}/{item['id']}")
        await api(Role.STUDY_COORDINATOR).get(f"{INBOX}/{item['id']}")
    first, second, *_ = await waiting(api)
    await api(Role.STUDY_COORDINATOR).post(
        f"{INBOX}/{first['id']}/resolution",
        json={"action": "assign", "subject_id": str(subject), "reason": WHY},
        headers={"If-Match": '"v1"', "Idempotency-Key": "K-1"},
    )
    await resolve(api, second, action="map_code", analyte="ANCHOVY")
    (item, *_) = await waiting(api, reason="unmapped_code")
    await resolved(api, item, action="map_code", analyte="ANC")
    written = capfd.readouterr()
    for secret in SECRETS:
        assert await tables_with(session, secret) == [], secret
        assert secret not in written.out + written.err


async def test_what_breaks_on_a_message_logs_nothing_of_it(api, lab, session, capfd, monkeypatch):
    """Only the kind of the error and the message's id are logged."""

    def breaks(sent, *_):
        raise ValueError(f"{sent} of {FAMILY} {NUMBER}")

    monkeypatch.setattr(inbound_placing, "interpret", breaks)
    await send(lab, telling(obx(PLT, "98")))
    written = capfd.readouterr()
    assert "message_not_processed" in written.out + written.err
    assert "ValueError" in written.out + written.err
    for secret in SECRETS:
        assert secret not in written.out + written.err
        assert await tables_with(session, secret) == []
