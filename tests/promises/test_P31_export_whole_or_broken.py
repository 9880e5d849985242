"""P31: an export is whole, and says so in its last line, or it is visibly broken."""

import asyncio
import json
from contextlib import asynccontextmanager
from hashlib import sha256
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from app.core.witnesses import Witness
from app.domain.vocabulary import Role
from app.services import audit_export
from app.services.fixture_subjects import fixture_subject
from app.verifier.verify import read_keys, verify_export
from tests.conftest import STUDY, TOKEN_LIFETIME, build_app
from tests.factories.rows import writing
from tests.factories.seal import seal_and_leave, until
from tests.factories.subjects import register

EXPORT = "/audit/export"


@asynccontextmanager
async def served(app):
    """Serve an application over real connections; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())

    async def started():
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/api/v1/studies/{STUDY}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def auditor(serving_database, committing_database, committing_url, committing_api, issuer,
                  clock, tmp_path):  # fmt: skip
    """An auditor on a real connection to a service with a sealed trail."""
    await register(committing_api)
    await seal_and_leave(committing_database, committing_url, tmp_path)
    token = issuer.token(fixture_subject(Role.AUDITOR), clock(), TOKEN_LIFETIME)
    app = build_app(serving_database, issuer, clock)
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        yield client


async def read(client: httpx.AsyncClient) -> SimpleNamespace:
    """Read an export as it comes; `error` is how the connection ended, if not well."""
    content, error = b"", None
    async with client.stream("GET", EXPORT) as answer:
        assert answer.status_code == 200
        try:
            async for chunk in answer.aiter_bytes():
                content += chunk
        except httpx.HTTPError as failure:
            error = failure
    return SimpleNamespace(content=content, error=error, headers=answer.headers)


async def test_a_whole_export_says_so(auditor):
    """The last line carries the count and the SHA-256 of the lines before; no name is in sight."""
    found = await read(auditor)
    assert found.error is None
    *body, last = found.content.splitlines(keepends=True)
    end = json.loads(last)
    assert end == {"kind": "end", "rows": len(body), "sha256": sha256(b"".join(body)).hexdigest()}
    assert found.headers["content-type"] == "application/x-ndjson"
    assert found.headers["content-disposition"] == 'attachment; filename="audit-export.ndjson"'
    assert found.headers["cache-control"] == "no-store"


async def die(session, _study_id):
    """Lose the connection to the database, as when it is stopped."""
    yield {"kind": "pending", "operation_id": "", "rows": []}
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await session.execute(text("SELECT 1"))


async def test_an_export_that_fails_on_the_way_breaks_the_connection(auditor, monkeypatch):
    """The client sees an error, not an end; what it has is not taken for an export."""
    with monkeypatch.context() as patched:
        patched.setattr(audit_export, "_pending", die)
        broken = await read(auditor)
    assert isinstance(broken.error, httpx.RemoteProtocolError)
    assert b'"kind":"operation"' in broken.content
    assert b'"kind":"end"' not in broken.content
    assert (await read(auditor)).error is None  # the next one works


async def test_the_last_line_tells_even_when_the_connection_does_not(
    auditor, monkeypatch, tmp_path
):
    """The control: a careless server that swallows the failure ends well; its export does not."""

    async def careless(session, actor):
        try:
            async for line in audit_export.export_lines(session, actor):
                yield line
        except Exception:  # noqa: BLE001 - that is what is careless
            return

    with monkeypatch.context() as patched:
        patched.setattr(audit_export, "_pending", die)
        patched.setattr("app.routers.audit_proofs.export_lines", careless)
        found = await read(auditor)
    assert found.error is None
    keys = read_keys("\n".join(Witness(tmp_path / "witness-0").verifiers()))
    lines = found.content.splitlines(keepends=True)
    assert verify_export(lines, keys, []).failures == [
        "The export is not whole: its last line is missing."
    ]
    whole = (await read(auditor)).content.splitlines(keepends=True)
    assert verify_export(whole, keys, []).failures == []


async def test_an_export_shows_one_moment(
    committing_api, committing_database, committing_url, serving_database, tmp_path
):
    """What is written and sealed while it is read is not in it: it verifies as of its beginning."""
    subject = await register(committing_api)
    await seal_and_leave(committing_database, committing_url, tmp_path)
    async with writing(committing_api) as (_, actor):
        pass
    async with serving_database.snapshot() as session:
        lines = audit_export.export_lines(session, actor)
        read_lines = [await anext(lines) for _ in range(3)]
        await register(committing_api)
        await seal_and_leave(committing_database, committing_url, tmp_path)
        read_lines += [line async for line in lines]
    keys = read_keys("\n".join(Witness(tmp_path / "witness-0").verifiers()))
    found = verify_export(read_lines, keys, [])
    assert found.failures == []
    assert found.counts["pending"] == 1
    content = b"".join(read_lines)
    assert subject.encode() in content
    assert content.count(b'\\"table_name\\": \\"subject\\"') == 1


async def test_who_exports_is_on_record(auditor, committing_api):
    """Every export is an operation of its own, and not everybody may."""
    assert (await read(auditor)).error is None
    found = await auditor.get("/audit/operations", params={"command": "export_audit"})
    (act,) = found.json()["items"]
    assert act["role"] == "auditor"
    assert (await committing_api(Role.SPONSOR).get(EXPORT)).status_code == 403
