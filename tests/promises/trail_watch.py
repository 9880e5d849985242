"""Clients that hold every writing request against the audit trail, row by row."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import literal, select, union_all
from sqlalchemy.sql import func
from sqlalchemy.types import Text

from app.domain.vocabulary import Role
from app.models import Base, Study, StudyRecord
from app.services.console_grants import grant_roles
from app.services.development import fixture_people
from app.services.fixture_subjects import fixture_subject
from tests.conftest import Api
from tests.factories.rows import owners_session

Rows = dict[tuple[str, str], Any]
WRITING = {"POST", "PUT", "PATCH", "DELETE"}
# Questions that are asked with a body: they write nothing, so they have no operation.
QUESTIONS = {"compute_operating_characteristics", "grade_ctcae_value", "issue_machine_token"}
# Rehearsals: that somebody tried is an operation, which writes no row.
DRY_RUNS = {"validate_hl7v2"}


def _images() -> Any:
    """Select every row of every study as JSON, operations and the trail itself aside."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    parts = [
        select(
            literal(model.__tablename__, Text),
            (model.study_id if model is Study else model.id).cast(Text),
            func.to_jsonb(model.__table__.table_valued()).cast(Text),
        )
        for model in models
        if issubclass(model, (StudyRecord, Study))
    ]
    return union_all(*parts)


STUDY_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class TrailWatch:
    """Watches clients; `seen` are the commands that were answered with success."""

    def __init__(self, api: Api, app: FastAPI) -> None:
        self.seen: set[str] = set()
        self.unwatched = api
        self._app = app

    def api(
        self, role: Role | None = Role.PRINCIPAL_INVESTIGATOR, second: bool = False
    ) -> httpx.AsyncClient:
        """Return a role's client, each of whose writes is checked when it is answered."""
        client = self.unwatched(role, second)

        async def before(request: httpx.Request) -> None:
            if request.method in WRITING:
                request.extensions["rows"] = await self._rows()

        async def after(response: httpx.Response) -> None:
            if response.request.method in WRITING:
                await response.aread()
                await self._check(response, fixture_subject(role, second), role)

        client.event_hooks = {"request": [before], "response": [after]}
        return client

    async def _rows(self) -> Rows:
        async with owners_session(self.unwatched) as session:
            found = await session.execute(_images())
            return {(table, id_): json.loads(image) for table, id_, image in found}

    async def _check(self, response: httpx.Response, subject: str, role: Role) -> None:
        """Hold the rows that changed against the rows that the trail names."""
        request = response.request
        command = self._command(request)
        before, after = request.extensions["rows"], await self._rows()
        assert before.keys() <= after.keys(), f"{command} removed rows"
        changed = {
            key: (before.get(key), image)
            for key, image in after.items()
            if before.get(key) != image
        }
        audit = await self._audit(response, command)
        found = await self._read(audit, "operations", response)
        if not response.is_success or command in QUESTIONS:
            assert (changed, found) == ({}, []), f"{command} left something behind"
        else:
            (operation,) = found
            self._check_operation(operation, request, command, (subject, role))
            if command in DRY_RUNS or request.url.params.get("dry_run") == "true":
                assert changed == {}, f"{command} was a dry run"
            assert await self._trail(audit, operation["id"]) == changed, command
        if response.is_success:
            self.seen.add(command)

    def _command(self, request: httpx.Request) -> str:
        """Find the name of the operation that a request asks for."""
        (operations,) = (
            operations
            for path, operations in self._app.openapi()["paths"].items()
            if request.method.lower() in operations
            and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), request.url.path)
        )
        name: str = operations[request.method.lower()]["operationId"]
        return name

    async def _audit(self, response: httpx.Response, command: str) -> httpx.AsyncClient:
        """Return the auditor's client; an operator first lets the auditor into a new study."""
        client = self.unwatched(Role.AUDITOR)
        if command == "create_study" and response.is_success:
            key = response.json()["key"]
            (auditor,) = [each for each in fixture_people() if each.roles == (Role.AUDITOR,)]
            async with owners_session(self.unwatched) as session:
                await grant_roles(session, key, auditor, "operator", STUDY_BEGAN)
                await session.commit()
            client.base_url = f"http://test/api/v1/studies/{key}"
        return client

    async def _read(
        self, audit: httpx.AsyncClient, path: str, response: httpx.Response
    ) -> list[dict[str, Any]]:
        query = {"request_id": response.headers["x-request-id"]}
        answer = await audit.get(f"/audit/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    def _check_operation(
        self,
        operation: dict[str, Any],
        request: httpx.Request,
        command: str,
        author: tuple[str, Role],
    ) -> None:
        """Hold the operation against who sent the request, in which role, and why."""
        subject, role = author
        of_json = request.headers.get("content-type") == "application/json"
        body = json.loads(request.content) if of_json else {}
        (person,) = [each for each in fixture_people() if each.subject == subject]
        assert operation["command"] == command
        assert operation["actor_name"] == person.display_name
        assert operation["organisation"] == person.organisation
        assert operation["role"] == role.value
        assert operation["recorded_at"]
        stated = body.get("reason", body.get("rationale"))
        assert operation["reason"].strip()
        if command != "create_study":
            assert operation["reason"] == (stated or command)

    async def _trail(self, audit: httpx.AsyncClient, operation_id: str) -> Rows:
        """Read what an operation wrote: each row as it was before and after it."""
        rows: Rows = {}
        query = {"operation_id": operation_id, "limit": 200}
        while True:
            page = (await audit.get("/audit/changes", params=query)).json()
            for entry in page["items"]:
                key = entry["record_type"], entry["record_id"]
                old, _ = rows.get(key, (entry["old"], None))
                rows[key] = old, entry["new"]
            if page["next"] is None:
                return rows
            query["cursor"] = page["next"]
