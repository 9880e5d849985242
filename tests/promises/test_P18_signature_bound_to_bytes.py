"""P18: a signature is bound to the bytes that were shown; a later change voids it."""

from hashlib import sha256

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models import Signature
from tests.factories.rows import writing
from tests.factories.signing import checked, shown, sign, try_to_sign
from tests.factories.subjects import created, eligible_subject, register
from tests.routers.test_adverse_events import EVENT, change

CHECKS = ("ck_signature_digest", "ck_signature_document")


async def signed_event(api) -> tuple[dict, dict]:
    """Record an event and sign it."""
    subject_id = await register(api)
    event = created(await api().post("/adverse-events", json=EVENT | {"subject_id": subject_id}))
    return event, await sign(api(), "adverse_event", event["id"])


async def row_of(session, signature: dict) -> dict:
    """Read a signature's columns, to write them again under a new id."""
    found = await session.execute(
        select(*Signature.__table__.c).where(Signature.__table__.c.id == signature["id"])
    )
    row = dict(found.mappings().one())
    del row["operation_id"], row["recorded_at"]
    return row | {"id": new_id()}


def names_the_record(row: dict, record_id: str) -> bool:
    """The careless check: a signature counts for the record that its row names."""
    return str(row["record_id"]) == record_id


async def test_a_change_after_signing_voids_from_its_version(api):
    """Three versions on, the signature says from which one it is void, also when it is put back."""
    event, signature = await signed_event(api)
    assert (await checked(api(), signature["id"]))["void"] is False
    second = (await change(api(), event, grade=event["grade"] - 1)).json()
    await change(api(), second, grade=event["grade"])
    found = await checked(api(), signature["id"])
    assert (found["valid"], found["void"], found["void_from_version"]) == (True, True, 2)


async def test_what_was_signed_is_kept_byte_for_byte(api, session):
    """The digest is of the stored text, also after the record was changed."""
    event, signature = await signed_event(api)
    await change(api(), event, grade=1)
    row = await row_of(session, signature)
    assert sha256(row["document"].encode()).hexdigest() == signature["digest"]
    assert f'"id":"{event["id"]}"' in row["document"]


@pytest.mark.parametrize(
    "altered",
    [
        {"record_id": new_id()},
        {"record_type": "assessment"},
        {"digest": "0" * 64},
        {"document": "{}"},
    ],
    ids=lambda altered: next(iter(altered)),
)
async def test_the_database_takes_no_signature_that_does_not_fit(api, session, altered):
    """A row copied to another record, or to other bytes, is refused whoever writes it: 23514."""
    _, signature = await signed_event(api)
    row = await row_of(session, signature)
    async with writing(api) as (writer, _):
        with pytest.raises(DBAPIError) as refused:
            await writer.execute(insert(Signature).values(row | altered))
        assert refused.value.orig.sqlstate == "23514"
        await writer.rollback()


async def test_no_signature_is_changed_or_removed(api, session):
    """Signatures are facts: not even the owner's UPDATE or DELETE passes."""
    await signed_event(api)
    for statement in ("UPDATE signature SET printed_name = 'x'", "DELETE FROM signature"):
        with pytest.raises(DBAPIError) as refused:
            async with session.begin_nested():
                await session.execute(text(statement))
        assert refused.value.orig.sqlstate == "55000"


async def without_checks(session) -> None:
    """Do what only the owner of the table can."""
    for name in CHECKS:
        await session.execute(text(f"ALTER TABLE signature DROP CONSTRAINT {name}"))
    await session.commit()


async def test_a_row_copied_past_the_database_is_detected(api, session):
    """The copy is shown as invalid with the reason; the careless check takes it for good."""
    _, signature = await signed_event(api)
    other, _ = await signed_event(api)
    await without_checks(session)
    copy = await row_of(session, signature) | {"record_id": other["id"]}
    async with writing(api) as (writer, _):
        await writer.execute(insert(Signature).values(copy))
    found = await checked(api(), str(copy["id"]))
    assert (found["valid"], found["void"]) == (False, True)
    assert "another record" in found["invalid_reason"]
    assert names_the_record(copy, other["id"])
    assert (await checked(api(), signature["id"]))["valid"] is True


async def test_altered_bytes_are_detected(api, session):
    """The control: a document edited past the database does not have its digest any more."""
    _, signature = await signed_event(api)
    await without_checks(session)
    row = await row_of(session, signature)
    edited = row | {"document": row["document"].replace('"grade":', '"degree":')}
    async with writing(api) as (writer, _):
        await writer.execute(insert(Signature).values(edited))
    found = await checked(api(), str(edited["id"]))
    assert (found["valid"], found["void"]) == (False, True)
    assert "altered" in found["invalid_reason"]


async def test_an_edit_past_the_trail_is_detected(api, session):
    """A record that the owner changed with its triggers off is not what was signed."""
    event, signature = await signed_event(api)
    for trigger in ("DISABLE", "ENABLE ALWAYS"):
        names = ("count_version", "write_updates")
        for name in names:
            await session.execute(
                text(f"ALTER TABLE adverse_event {trigger} TRIGGER adverse_event_{name}")
            )
        if trigger == "DISABLE":
            await session.execute(
                text("UPDATE adverse_event SET grade = 1 WHERE id = :id"), {"id": event["id"]}
            )
    await session.commit()
    found = await checked(api(), signature["id"])
    assert (found["valid"], found["void"], found["void_from_version"]) == (True, True, None)


async def test_a_sign_off_is_void_once_its_evidence_changes(api):
    """Eligibility is a conclusion: a record that it rests on changes what was signed."""
    subject = await eligible_subject(api)
    signature = await sign(api(Role.SUB_INVESTIGATOR), "eligibility", subject["id"])
    assert (await checked(api(), signature["id"]))["void"] is False
    answer = {"met": False, "reason": "Corrected."}
    path = f"/subjects/{subject['id']}/eligibility"
    criterion = next(
        item["id"]
        for item in (await api().get(path)).json()["criteria"]
        if item["kind"] == "inclusion"
    )
    assert (await api().put(f"{path}/{criterion}", json=answer)).status_code == 200
    found = await checked(api(), signature["id"])
    assert (found["valid"], found["void"]) == (True, True)


async def other_digest(api, event: dict, document: dict) -> str:
    """Name other bytes than any that were shown."""
    return "0" * 64


async def of_an_earlier_version(api, event: dict, document: dict) -> str:
    """Name what was shown before somebody changed the record."""
    await change(api(), event, grade=event["grade"] - 1)
    return document["digest"]


async def of_another_record(api, event: dict, document: dict) -> str:
    """Name another event that says the same."""
    subject = event["subject_id"]
    other = created(await api().post("/adverse-events", json=EVENT | {"subject_id": subject}))
    return (await shown(api(), "adverse_event", other["id"]))["digest"]


@pytest.mark.parametrize("named", [other_digest, of_an_earlier_version, of_another_record])
async def test_nothing_else_is_signed_than_was_shown(api, named):
    """The digest of other bytes is refused and leaves no signature; what is shown now is signed."""
    subject_id = await register(api)
    event = created(await api().post("/adverse-events", json=EVENT | {"subject_id": subject_id}))
    document = await shown(api(), "adverse_event", event["id"])
    digest = await named(api, event, document)
    answer = await try_to_sign(api(), "adverse_event", event["id"], digest=digest)
    assert (answer.status_code, answer.json()["code"]) == (409, "document_moved")
    assert (await api().get("/signatures")).json()["items"] == []
    assert (await try_to_sign(api(), "adverse_event", event["id"])).status_code == 201
