"""What a verification found: how much each check looked at, and what is wrong in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

# Enough to see what happened; all are counted.
MOST_TOLD = 50


@dataclass(slots=True)
class Check:
    """One check: its name, how many things it looked at, how many are wrong, the first of these."""

    name: str
    question: str
    looked_at: int = 0
    wrong: int = 0
    findings: list[str] = field(default_factory=list)

    def fail(self, sentence: str) -> None:
        """Count something that is wrong, and keep the sentence unless there are too many."""
        self.wrong += 1
        if len(self.findings) < MOST_TOLD:
            self.findings.append(sentence)

    def expect(self, holds: bool, sentence: str) -> None:
        """Look at one thing; what does not hold is wrong."""
        self.looked_at += 1
        if not holds:
            self.fail(sentence)


@dataclass(frozen=True, slots=True)
class RedactionNotice:
    """A redaction as it is reported: nothing is wrong, and nothing is hidden.

    `rows` names what cannot be opened any more on its account.
    """

    record_type: str
    record_id: str
    field: str
    redacted_by: str
    requested_by: str
    reason: str
    redacted_at: datetime
    rows: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole verification; `pending` counts operations that wait for their seal.

    `complete` says that every study was looked at, not only those of the caller.
    """

    at: datetime
    verified: bool
    complete: bool
    size: int
    root: str
    pending: int
    checks: list[Check]
    redactions: list[RedactionNotice]
    notices: list[str]
