"""Receipts and checkpoints over HTTP: whoever has the public key can check both alone."""

import asyncio

import pytest

from app.core.seal_key import is_signed
from app.domain.seal_format import leaf_of, parse_header
from app.domain.seal_note import parse_checkpoint, parse_note
from app.domain.seal_tree import verify_inclusion
from app.domain.vocabulary import Role
from app.services import receipts
from tests.factories.seal import lives, operate, running, seal, until
from tests.factories.subjects import screened_subject

CHECKPOINTS = "http://test/api/v1/audit/checkpoints"


async def last_operation(api):
    """Return the id of the newest operation."""
    page = (await api(Role.AUDITOR).get("/audit/operations", params={"limit": 200})).json()
    return page["items"][-1]["id"]


async def test_a_receipt_proves_an_operation(committing_url, committing_api, tmp_path):
    """Pending before, then header, path and checkpoint; later sealing does not change it."""
    await screened_subject(committing_api)
    operation_id = await last_operation(committing_api)
    auditor = committing_api(Role.AUDITOR)
    path = f"/audit/receipts/{operation_id}"
    pending = await auditor.get(path)
    assert pending.status_code == 202
    assert pending.json() == {"operation_id": operation_id, "status": "pending"}
    await seal(committing_url, tmp_path)
    answer = await auditor.get(path)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert parse_header(receipt["header"]).operation_id == operation_id
    note = parse_note(receipt["checkpoint"])
    stated = parse_checkpoint(note.text)
    key = (await auditor.get(CHECKPOINTS)).json()["verifier_key"]
    assert is_signed(note, [key])
    hashes = [bytes.fromhex(each) for each in receipt["path"]]
    leaf = leaf_of(receipt["header"])
    assert stated.size == receipt["size"]
    assert verify_inclusion(leaf, receipt["index"], stated.size, hashes, stated.root)
    await screened_subject(committing_api)
    await seal(committing_url, tmp_path)
    assert (await auditor.get(path)).json() == receipt


async def test_no_receipt_without_an_operation(api):
    """What is unknown, or another study's, is not found; who reads no trail is refused."""
    unknown = "/audit/receipts/0190f8a2-0000-7000-8000-000000000001"
    assert (await api(Role.AUDITOR).get(unknown)).status_code == 404
    assert (await api(Role.SPONSOR).get(unknown)).status_code == 403


async def test_anybody_with_a_token_reads_the_checkpoints(
    committing_url, committing_api, committing_database, tmp_path
):
    """Page by page, in the order in which they were signed."""
    for _ in range(3):
        await operate(committing_database)
        await seal(committing_url, tmp_path)
    sponsor = committing_api(Role.SPONSOR)
    whole = (await sponsor.get(CHECKPOINTS)).json()
    sizes = [item["size"] for item in whole["items"]]
    assert sizes == sorted(sizes)
    assert len(sizes) == 3
    assert (whole["next"], whole["rollbacks"]) == (None, [])
    for item in whole["items"]:
        stated = parse_checkpoint(parse_note(item["note"]).text)
        assert (stated.size, stated.root.hex()) == (item["size"], item["root"])
    first = (await sponsor.get(CHECKPOINTS, params={"limit": 2})).json()
    cursor = {"limit": 2, "cursor": first["next"]}
    rest = (await sponsor.get(CHECKPOINTS, params=cursor)).json()
    assert first["items"] + rest["items"] == whole["items"]
    assert (await committing_api(None).get(CHECKPOINTS)).status_code == 401


@pytest.mark.parametrize("cursor", ["AAAA", "gAAAAAAAAAAAAAAA", "AAAAAIAAAAAAAAAA", "%"])
async def test_a_cursor_that_is_none_is_refused(api, cursor):
    """A made-up place in the list is no error of the service."""
    answer = await api(Role.AUDITOR).get(CHECKPOINTS, params={"cursor": cursor})
    assert answer.status_code == 422


@pytest.fixture
def binding(monkeypatch):
    """Registering a subject counts as an act that binds, to have one that needs no trial."""
    monkeypatch.setattr(receipts, "BINDING", frozenset({"create_subject"}))


BODY = {
    "sex": "female",
    "birth_year": 1980,
    "disease": "lymphoma",
    "car_t_date": "2025-08-01",
    "consent_date": "2026-05-20",
    "screening_date": "2026-05-20",
    "weight_kg": 60.5,
}


async def test_an_act_that_binds_waits_for_its_seal(
    committing_url, committing_api, committing_database, tmp_path, binding
):
    """The answer names the receipt, which is there; a repeated request hears where, too."""
    coordinator = committing_api(Role.STUDY_COORDINATOR)
    key = {"Idempotency-Key": "once"}
    async with running(committing_url, tmp_path):
        await until(lambda: lives(committing_database))
        answer = await coordinator.post("/subjects", json=BODY, headers=key)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Receipt-Status"] == "sealed"
    receipt = await committing_api(Role.AUDITOR).get(f"http://test{answer.headers['Receipt']}")
    assert receipt.status_code == 200
    again = await coordinator.post("/subjects", json=BODY, headers=key)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.headers["Receipt"] == answer.headers["Receipt"]


async def test_without_a_sealer_nobody_waits(committing_api, binding):
    """The answer comes at once and says that the seal is pending."""
    coordinator = committing_api(Role.STUDY_COORDINATOR)
    async with asyncio.timeout(receipts.WAIT_SECONDS):
        answer = await coordinator.post("/subjects", json=BODY)
    assert answer.headers["Receipt-Status"] == "pending"
    receipt = await committing_api(Role.AUDITOR).get(f"http://test{answer.headers['Receipt']}")
    assert receipt.status_code == 202


async def test_what_does_not_bind_has_no_receipt(committing_api):
    """An ordinary record is sealed without anybody waiting for it."""
    answer = await committing_api(Role.STUDY_COORDINATOR).post("/subjects", json=BODY)
    assert answer.status_code == 201, answer.text
    assert "Receipt" not in answer.headers


async def test_the_wait_ends(committing_url, committing_api, committing_database, tmp_path,
                             binding, monkeypatch):  # fmt: skip
    """A sealer that is held up by a long transaction keeps nobody for more than the limit."""
    monkeypatch.setattr(receipts, "WAIT_SECONDS", 0.5)
    async with running(committing_url, tmp_path), committing_database.session() as slow:
        await until(lambda: lives(committing_database))
        await slow.connection()
        await slow.execute(receipts.select(receipts.Operation).with_for_update())
        answer = await committing_api(Role.STUDY_COORDINATOR).post("/subjects", json=BODY)
        assert (answer.status_code, answer.headers["Receipt-Status"]) == (201, "pending")
        await slow.rollback()


async def test_the_metrics_tell_the_lag(committing_api, committing_database):
    """Whoever watches sees how long the oldest operation waits for its seal."""
    await operate(committing_database)
    answer = await committing_api(Role.AUDITOR).get("http://test/metrics")
    (line,) = [
        line for line in answer.text.splitlines() if line.startswith("msc_icaht_seal_lag_seconds")
    ]
    assert float(line.split()[1]) > 0
