"""Verification for auditors, by the API and from the console."""

import asyncio
import os
import sys

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.factories.seal import seal_and_leave
from tests.factories.subjects import register

VERIFICATION = "http://test/api/v1/audit/verification"
VERIFIER = "http://test/api/v1/audit/verifier"


@pytest.fixture
async def sealed(committing_api, committing_database, committing_url, tmp_path):
    """A database with a sealed trail, and its witness."""
    await register(committing_api)
    await seal_and_leave(committing_database, committing_url, tmp_path)
    return committing_database


async def tamper(database) -> None:
    """Change a record past the trail, as nobody but a superuser can."""
    async with database.session() as session:
        for statement in (
            "ALTER TABLE subject DISABLE TRIGGER ALL",
            "UPDATE subject SET birth_year = 1950",
            "ALTER TABLE subject ENABLE TRIGGER ALL",
        ):
            await session.execute(text(statement))
        await session.commit()


async def test_an_auditor_verifies_the_tree_and_the_own_studies(committing_api, sealed):
    """The report says what was looked at, is on record, and finds what was changed."""
    auditor = committing_api(Role.AUDITOR)
    answer = await auditor.get(VERIFICATION)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["verified"], report["studies"], report["size"]) == (True, [STUDY], 2)
    assert report["complete"] is False
    assert {check["name"]: check["wrong"] for check in report["checks"]} == dict.fromkeys(
        ("leaves", "roots", "signatures", "sealed", "records", "operations", "inventory",
         "decisions"), 0,
    )  # fmt: skip
    (act,) = (await auditor.get("/audit/operations", params={"command": "verify_trail"})).json()[
        "items"
    ]
    assert act["role"] == "auditor"
    await tamper(sealed)
    found = (await auditor.get(VERIFICATION)).json()
    assert found["verified"] is False
    told = [sentence for check in found["checks"] for sentence in check["findings"]]
    assert any("was changed past the trail" in sentence for sentence in told)


async def test_a_sealed_operation_that_was_removed_is_missed(
    committing_api, sealed, committing_url, tmp_path
):
    """By the endpoint and in an export, though who asks sees the headers of one study only."""
    gone = "(SELECT operation_id FROM seal_entry WHERE index = (SELECT max(index) FROM seal_leaf))"
    last = "(SELECT max(index) FROM seal_leaf)"
    async with sealed.engine.begin() as connection:
        tables = ("change", "operation", "seal_commitment", "seal_entry", "subject")
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        await connection.execute(text(f"DELETE FROM subject WHERE operation_id = {gone}"))
        await connection.execute(text(f"DELETE FROM change WHERE operation_id = {gone}"))
        await connection.execute(text(f"DELETE FROM operation WHERE id = {gone}"))
        for table in ("seal_commitment", "seal_entry"):
            await connection.execute(text(f"DELETE FROM {table} WHERE index = {last}"))
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))
    auditor = committing_api(Role.AUDITOR)
    report = (await auditor.get(VERIFICATION)).json()
    (leaves,) = [check for check in report["checks"] if check["name"] == "leaves"]
    assert leaves["findings"] == ["Leaf 1 has lost the header of its operation."]
    export = await auditor.get("/audit/export")
    (tmp_path / "export").write_bytes(export.content)
    status, told = await verify_audit(committing_url, tmp_path, "--export", tmp_path / "export")
    assert status == 1
    assert "Leaf 1 has lost its operation, which may be one of this study" in told


async def test_others_do_not_verify(api):
    """Verification is for auditors; the verifier is for whoever has a token."""
    for role in (Role.PRINCIPAL_INVESTIGATOR, Role.ADMINISTRATOR, Role.SPONSOR):
        refused = await api(role).get(VERIFICATION)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_not_allowed")
    assert (await api(None).get(VERIFICATION)).status_code == 401
    assert (await api(None).get(VERIFIER)).status_code == 401
    script = await api(Role.SPONSOR).get(VERIFIER)
    assert script.headers["content-type"].startswith("text/x-python")
    assert script.text.startswith('"""Verifies an export of the audit trail')


async def verify_audit(url: str, folder, *arguments) -> tuple[int, str]:
    """Run `msc-icaht verify-audit` on a database; return the status and what it said."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "CHECKPOINT_DIRS": str(folder / "witness-0"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "verify-audit", *map(str, arguments),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    return process.returncode, told.decode()


async def test_the_console_verifies_the_database_and_an_export(
    committing_api, sealed, committing_url, tmp_path
):
    """Status 0 and sentences when all holds, 1 with findings when something does not."""
    status, told = await verify_audit(committing_url, tmp_path)
    assert status == 0, told
    assert told.endswith("VERIFIED.\n")
    export = await committing_api(Role.AUDITOR).get("/audit/export")
    (tmp_path / "export").write_bytes(export.content)
    status, told = await verify_audit(committing_url, tmp_path, "--export", tmp_path / "export")
    assert status == 0, told
    assert "The log extends the checkpoint of" in told
    (tmp_path / "export").write_bytes(export.content.replace(b"1980", b"1981"))
    status, told = await verify_audit(committing_url, tmp_path, "--export", tmp_path / "export")
    assert status == 1
    assert "is not what was sealed" in told
    await tamper(sealed)
    status, told = await verify_audit(committing_url, tmp_path)
    assert status == 1
    assert "was changed past the trail" in told
    assert told.endswith("NOT VERIFIED.\n")


async def test_the_console_says_what_it_cannot_read(committing_url, tmp_path):
    """A file that holds no checkpoints is said to be none, in one sentence."""
    (tmp_path / "witness-0").mkdir()
    (tmp_path / "half").write_text("msc-icaht/x\n12\n")
    status, told = await verify_audit(committing_url, tmp_path, "--checkpoint", tmp_path / "half")
    assert (status, told.count("\n")) == (1, 1)
    assert "is no file of checkpoints" in told
