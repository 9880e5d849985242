"""The report of a verification on the wire."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.schemas.types import View


class CheckView(View):
    """One check: how much it looked at, how much is wrong, and what in sentences."""

    name: str
    question: str
    looked_at: int
    wrong: int
    findings: list[str] = Field(description="The first of what is wrong; `wrong` counts all.")


class RedactionNoticeView(View):
    """A redaction: reported, and nothing wrong."""

    record_type: str
    record_id: str
    field: str
    redacted_by: str
    requested_by: str
    reason: str
    redacted_at: datetime
    rows: list[str] = Field(description="The rows that cannot be opened any more on its account.")


class VerificationView(View):
    """What was verified of the trail, of the studies in which the caller is an auditor."""

    at: datetime
    verified: bool
    studies: list[str]
    complete: bool = Field(description="Whether the operations of every study were looked at.")
    size: int = Field(description="Operations in the log, of all studies.")
    root: str
    pending: int = Field(description="Operations that wait for their seal.")
    checks: list[CheckView]
    redactions: list[RedactionNoticeView]
    notices: list[str]
