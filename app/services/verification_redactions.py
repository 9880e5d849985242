"""Which redactions explain that a row cannot be opened: sealed ones, of two persons, and no more.

A redaction explains the row it names, its images, and what repeated the value: the reasons of the
operations that wrote the row, the signatures that it lists, and the casebooks those signed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.redaction import REDACTED
from app.domain.vocabulary import Role
from app.models import Redaction, RedactionRequest, Signature
from app.services.verification_entries import RowKey, opened_rows, read_entries
from app.services.verification_report import Check

_SAME_AS_ASKED = ("study_id", "record_type", "record_id", "field", "reason", "requested_by")
_REPEATING = ("operation", "signature")


class Blinded(NamedTuple):
    """A row that cannot be opened: its key, what is there, and all that its operation wrote."""

    key: RowKey
    text: str
    written: Collection[tuple[str, str]]


@dataclass(slots=True)
class SealedRedaction:
    """A redaction as it was sealed, and the digests of the documents that it rewrote."""

    row: Mapping[str, Any]
    documents: Collection[str]
    blinded: list[str] = field(default_factory=list)

    @property
    def target(self) -> tuple[str, str]:
        """Return the type and the id of the record that lost the value."""
        return self.row["record_type"], self.row["record_id"]

    def explains(self, found: Blinded) -> bool:
        """Tell whether it may have touched a row, left it as it is, and the value is gone."""
        digest = hashlib.sha256(found.text.encode()).hexdigest()
        if [*found.key, digest] not in self.row["scrubbed"]:
            return False
        content = json.loads(found.text)
        table, record_id, _ = found.key
        if (table, record_id) == self.target:
            return self._values(content) == [REDACTED]
        if table == "change":
            return self._explains_image(content, record_id)
        return self._explains_repetition(content, table, found)

    def _explains_image(self, content: Mapping[str, Any], record_id: str) -> bool:
        images = [content[part] for part in ("old", "new") if content[part] is not None]
        if (content["table_name"], record_id) == self.target:
            return set(self._values(*images)) - {None} == {REDACTED}
        digests = {image.get("digest") for image in images}
        return content["table_name"] == "casebook" and bool(digests & set(self.documents))

    def _explains_repetition(self, content: Mapping[str, Any], table: str, found: Blinded) -> bool:
        if table not in _REPEATING:
            return False
        if table == "signature" and found.key[1] in self.row["signatures"]:
            return f'"{REDACTED}"' in content["document"]
        wrote = {self.target, ("change", self.target[1])} & set(found.written)
        return bool(wrote) and content["reason"] == REDACTED

    def _values(self, *rows: Any) -> list[Any]:
        """Return what each of some rows has in the field."""
        for part in self.row["field"].split("."):
            rows = tuple(row.get(part) if isinstance(row, dict) else None for row in rows)
        return list(rows)


async def read_redactions(session: AsyncSession, check: Check) -> list[SealedRedaction]:
    """Read the redactions that are sealed; one that two persons did not make explains nothing."""
    acts: dict[str, tuple[Any, Any]] = {}
    asked: dict[str, Mapping[str, Any]] = {}
    done: list[Mapping[str, Any]] = []
    async for header, table, row in _sealed(session):
        acts[header["operation_id"]] = header["actor_id"], header["role"]
        if table == RedactionRequest.__tablename__:
            asked[row["id"]] = row
        else:
            done.append(row)
    found = []
    for each in done:
        if _is_authorised(each, asked.get(each["request_id"]), acts):
            found.append(SealedRedaction(each, await _documents(session, each["signatures"])))
        else:
            check.fail(
                f"The redaction of {each['field']} of {each['record_type']} {each['record_id']} was"
                " not asked for by an investigator and carried out by a data manager."
            )
    return found


async def _sealed(
    session: AsyncSession,
) -> AsyncIterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Read every request and redaction that opens its commitment under a sealed header."""
    tables = {RedactionRequest.__tablename__, Redaction.__tablename__}
    acts = select(RedactionRequest.operation_id).union(select(Redaction.operation_id))
    async for batch in read_entries(session, acts):
        for each in batch:
            for (table, _, _), text in opened_rows(each).items():
                if table in tables:
                    yield json.loads(each.entry.header), table, json.loads(text)


def _is_authorised(
    row: Mapping[str, Any],
    asked: Mapping[str, Any] | None,
    acts: Mapping[str, tuple[Any, Any]],
) -> bool:
    """Tell whether the one asked for exactly this and another carried it out."""
    if asked is None or any(asked[name] != row[name] for name in _SAME_AS_ASKED):
        return False
    return (
        row["executed_by"] != row["requested_by"]
        and acts[asked["operation_id"]] == (row["requested_by"], Role.PRINCIPAL_INVESTIGATOR)
        and acts[row["operation_id"]] == (row["executed_by"], Role.DATA_MANAGER)
    )


async def _documents(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    query = select(Signature.digest).where(Signature.id.in_([UUID(each) for each in ids]))
    return set(await session.scalars(query)) if ids else set()


def explain(found: Blinded, redactions: Sequence[SealedRedaction]) -> bool:
    """Note a row with the redactions that explain it; tell whether one does."""
    explaining = [each for each in redactions if each.explains(found)]
    for each in explaining:
        table, record_id, number = found.key
        each.blinded.append(f"{table} {record_id}" + (f" ({number})" if number else ""))
    return bool(explaining)
