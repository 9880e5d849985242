"""Format 1 of the seal, to the byte: the header of an operation, its commitments and its leaf."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from app.domain.seal_tree import leaf_hash

FORMAT = 1
SALT_BYTES = 32

_KEYS = frozenset(
    {
        "actor_id",
        "command",
        "format",
        "operation_id",
        "organisation",
        "recorded_at",
        "role",
        "rows",
        "sequence",
        "shape",
        "study_id",
        "transaction",
    }
)
_HASH = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class MalformedHeaderError(ValueError):
    """The text is not a header of format 1, written in its one canonical way."""


class SealedRow(NamedTuple):
    """A row under the seal; rows are sorted in this order.

    `number` is the id of a row of `change` and 0 otherwise; `commit` is 32 bytes in hexadecimal.
    """

    table: str
    record_id: str
    number: int
    commit: str


@dataclass(frozen=True)
class Header:
    """What a leaf says in the clear of one operation; its values are only committed to.

    Ids are in the usual hyphenated form; `recorded_at` is UTC with microseconds and `Z`;
    `sequence` counts the operations of the study in the log, from 1 and without a gap; `shape` is
    the digest of the columns under which the rows were read.
    """

    actor_id: str | None
    command: str
    operation_id: str
    organisation: str
    recorded_at: str
    role: str
    rows: tuple[SealedRow, ...]
    sequence: int
    shape: str
    study_id: str
    transaction: int


def commitment(salt: bytes, text: str) -> bytes:
    """Commit to the canonical text of a row without telling it."""
    return sha256(b"\x02" + salt + text.encode()).digest()


def moment_text(moment: datetime) -> str:
    """Write an instant as a header does: UTC, six decimals, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def header_text(header: Header) -> str:
    """Write a header: JSON with sorted keys and no white space (RFC 8785 on strings and ints)."""
    return _canonical(
        {
            "actor_id": header.actor_id,
            "command": header.command,
            "format": FORMAT,
            "operation_id": header.operation_id,
            "organisation": header.organisation,
            "recorded_at": header.recorded_at,
            "role": header.role,
            "rows": sorted(header.rows),
            "sequence": header.sequence,
            "shape": header.shape,
            "study_id": header.study_id,
            "transaction": header.transaction,
        }
    )


def parse_header(text: str) -> Header:
    """Read a header strictly; raises MalformedHeaderError on whatever is not format 1."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise MalformedHeaderError("the header is not JSON") from error
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise MalformedHeaderError("the header has not the keys of the format")
    if type(content["format"]) is not int or content.pop("format") != FORMAT:
        raise MalformedHeaderError("the header is of another format")
    header = Header(**content | {"rows": _rows(content["rows"])})
    _check(header)
    if header_text(header) != text:
        raise MalformedHeaderError("the header is not written in the canonical way")
    return header


def leaf_of(header: str) -> bytes:
    """Return the leaf hash of a header's text."""
    return leaf_hash(header.encode())


def shape_text(columns: Mapping[str, Sequence[str]]) -> str:
    """Write the columns of every sealed table, sorted, as canonical JSON."""
    return _canonical({table: sorted(names) for table, names in columns.items()})


def shape_digest(columns: Mapping[str, Sequence[str]]) -> str:
    """Return the SHA-256 of a shape's text in hexadecimal."""
    return sha256(shape_text(columns).encode()).hexdigest()


def _canonical(content: Any) -> str:
    """Write JSON with sorted keys and no white space."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _rows(content: Any) -> tuple[SealedRow, ...]:
    """Read the rows of a header."""
    if not isinstance(content, list) or not content:
        raise MalformedHeaderError("the header names no rows")
    return tuple(_row(each) for each in content)


def _row(content: Any) -> SealedRow:
    """Read one row of a header."""
    if not isinstance(content, list) or len(content) != len(SealedRow._fields):
        raise MalformedHeaderError("a row of the header has not four parts")
    row = SealedRow(*content)
    if not (_are_texts(row.table, row.record_id, row.commit) and _is_count(row.number)):
        raise MalformedHeaderError("a row of the header has parts of other types")
    if not (_is_id(row.record_id) and _HASH.fullmatch(row.commit)):
        raise MalformedHeaderError("a row of the header has no id or no commitment")
    return row


def _check(header: Header) -> None:
    """Refuse a header whose values are of other types or forms than the format's."""
    texts = (header.command, header.organisation, header.recorded_at, header.role, header.shape)
    counts = (header.transaction, header.sequence)
    if not (_are_texts(*texts) and all(map(_is_count, counts)) and header.sequence):
        raise MalformedHeaderError("the header has values of other types")
    if not (_MOMENT.fullmatch(header.recorded_at) and _HASH.fullmatch(header.shape)):
        raise MalformedHeaderError("the header has no moment or no shape")
    if not (_is_id(header.operation_id) and _is_id(header.study_id)):
        raise MalformedHeaderError("the header has no ids")
    if header.actor_id is not None and not _is_id(header.actor_id):
        raise MalformedHeaderError("the header has no id of the actor")


def _are_texts(*values: Any) -> bool:
    """Tell whether all are strings."""
    return all(isinstance(value, str) for value in values)


def _is_count(value: Any) -> bool:
    """Tell whether it is a whole number of zero or more; a bool is not."""
    return isinstance(value, int) and value >= 0 and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    """Tell whether it is a UUID in the form the database writes."""
    try:
        return bool(str(UUID(value)) == value)
    except (ValueError, TypeError, AttributeError):
        return False
