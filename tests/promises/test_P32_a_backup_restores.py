"""P32: base backup and log restore to a named point, verify and serve; a lost tail is seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.core.database import Database
from app.core.migration import migrate
from app.core.witnesses import Witness
from app.services.development import load_study
from app.services.seal_restore import LogRefusedError
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from app.services.verification_report import Report
from tests.conftest import Api, build_app, clients
from tests.factories.dosing import create_lot
from tests.factories.seal import seal
from tests.factories.subjects import eligible_subject, enrol, register
from tests.promises import chaos
from tests.promises.backups import Archive, archiving
from tests.promises.table_contents import Rows, contents
from tests.test_cli import serving

POINT = "before the amendment"


@dataclass
class BackedUp:
    """A copy with its log, and what was there at the named point and at the end."""

    archive: Archive
    base: Path
    at_point: Rows
    at_end: Rows
    notes_at_point: list[str]
    keys: Path

    @property
    def witness(self) -> Witness:
        """What was published outside the database until the end."""
        return Witness(self.keys / "witness-0")


@asynccontextmanager
async def service(url: str, issuer, clock) -> AsyncIterator[Api]:
    """Clients of an application on a database."""
    database = Database(url)
    yield clients(build_app(database, issuer, clock), issuer, clock)
    await database.close()


async def set_up(url: str) -> None:
    """Make the schema and load the study."""
    database = Database(url, role=None)
    await migrate(database.engine)
    async with database.session() as session:
        await load_study(session, datetime(2025, 10, 1, tzinfo=UTC))
        await session.commit()
    await database.close()


@pytest.fixture
async def backed_up(issuer, clock, tmp_path) -> AsyncIterator[BackedUp]:
    """A service that was backed up while it worked, worked on, and lost its machine."""
    with archiving() as archive:
        await set_up(archive.url)
        async with service(archive.url, issuer, clock) as api:
            subject = await eligible_subject(api)
            await seal(archive.url, tmp_path)
            base = archive.back_up()
            assert (await enrol(api, subject)).status_code == 201
            await create_lot(api)
            await seal(archive.url, tmp_path)
            await archive.name_this_point(POINT)
            at_point = await contents(archive.url)
            notes = Witness(tmp_path / "witness-0").notes()
            await register(api)
            await seal(archive.url, tmp_path)
        at_end = await contents(archive.url)
        await archive.finish()
        yield BackedUp(archive, base, at_point, at_end, notes, tmp_path)


async def verified(url: str, notes: list[str], witness: Witness) -> Report:
    """Verify a database against what was published."""
    database = Database(url, role=None)
    evidence = Evidence([KeptNote("witness", note) for note in notes], witness.verifiers())
    async with database.session() as session:
        report = await verify(session, evidence)
    await database.close()
    return report


async def test_what_was_backed_up_is_restored_and_serves(backed_up, tmp_path):
    """At the named point every row is as it was, verification passes, and the service starts."""
    assert backed_up.archive.is_whole(backed_up.base)
    url = backed_up.archive.restore(backed_up.base, POINT)
    assert await contents(url) == backed_up.at_point
    report = await verified(url, backed_up.notes_at_point, backed_up.witness)
    assert report.verified, report
    # What was published after the point tells that the end is missing, and the sealer says so.
    late = await verified(url, backed_up.witness.notes(), backed_up.witness)
    assert not late.verified
    assert [check.name for check in late.checks if check.wrong] == ["roots"]
    with pytest.raises(LogRefusedError):
        await seal(url, backed_up.keys)
    with serving(DATABASE_URL=url, DATA_DIR=str(tmp_path / "data")) as (address, _):
        answer = await asyncio.to_thread(httpx.get, f"{address}/readyz")
        assert answer.json() == {"status": "ready", "reasons": []}


async def test_control_another_point_or_a_damaged_copy_is_noticed(backed_up, monkeypatch):
    """Control: the comparison tells the end from the point, a changed byte and a missing log."""
    assert backed_up.at_end != backed_up.at_point
    copy = backed_up.archive.folder / "copy"
    shutil.copytree(backed_up.base, copy)
    for path in (copy, *copy.rglob("*")):
        shutil.chown(path, backed_up.base.stat().st_uid, backed_up.base.stat().st_gid)
    assert backed_up.archive.is_whole(copy)
    version = copy / "global" / "pg_filenode.map"
    content = bytearray(version.read_bytes())
    content[100] ^= 1
    version.write_bytes(content)
    assert not backed_up.archive.is_whole(copy)
    monkeypatch.setattr(chaos, "START_SECONDS", 4)
    for segment in sorted(backed_up.archive.log.glob("0*"))[-1:]:
        segment.unlink()
    with pytest.raises(AssertionError, match="does not start"):
        backed_up.archive.restore(backed_up.base, POINT)
