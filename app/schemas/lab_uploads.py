"""Uploads of laboratory results on the wire: a report on each row of a file."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from app.schemas.types import View


class UploadOutcome(StrEnum):
    """What becomes of one row."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    INBOX = "inbox"


class RowError(View):
    """One reason why a row cannot be stored, or waits."""

    pointer: str = Field(examples=["/body/lines/3/unit"])
    code: str = Field(examples=["unknown_unit"])
    message: str


class RowReport(View):
    """What becomes of one row of the file."""

    line: int = Field(description="Line of the file on which the row begins, from 1.")
    outcome: UploadOutcome
    lab_id: UUID | None = Field(
        default=None, description="The result that is stored; null for what is not."
    )
    same_as_line: int | None = Field(
        default=None, description="The earlier row of the file that says the same."
    )
    errors: tuple[RowError, ...] = ()


class LabUploadReport(View):
    """What becomes of a file; received = new + duplicates + conflicts + refused + inbox.

    A file is stored whole or not at all; `new` are the rows that were not here before. Rows of a
    laboratory system for a closed casebook wait in the `inbox`.
    """

    stored: bool = Field(description="False for a dry run and for a file that is refused.")
    message_id: UUID | None = Field(default=None, description="The file, as it is kept.")
    digest: str = Field(description="SHA-256 of the file, hexadecimal.")
    source: str = Field(description="Where the results come from.", examples=["csv"])
    received: int
    new: int
    duplicates: int
    conflicts: int
    refused: int
    inbox: int
    rows: list[RowReport]
