"""The versions of one result while statements are added to it: what each is beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.core.ids import new_id
from app.domain.result_versions import (
    FIRST_REPORTS,
    Dated,
    Judgement,
    Statement,
    judge,
    promotable,
    standing,
    weight,
)
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.lab_insertion import WRITTEN

NATURAL_KEY = ("subject_id", "source", "specimen", "analyte")
# What makes two reports of one specimen the same, beside status and collection.
_CONTENT = ("value", "comparator", "unit", "lln", "uln", "finding")

Row = Mapping[str, Any]
Key = tuple[Any, ...]


class FilingOutcome(StrEnum):
    """What became of one statement."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    DIFFERS = "differs"
    CONTRADICTION = "contradiction"
    SPECIMEN_REUSED = "specimen_reused"
    NOTHING_TO_PROMOTE = "nothing_to_promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One statement to file: the columns that hold what it says, and how it may stand.

    `row` has no id and no version yet. `may_follow` says that it may be a further version of a
    result that is here; otherwise other content under the same key is refused. `promotes` marks a
    promotion without content.
    """

    row: Row
    stated_at: datetime
    may_follow: bool
    dated: Dated = Dated.SENDER
    promotes: bool = False

    @property
    def key(self) -> Key:
        """Give the natural key of the result."""
        return tuple(self.row[name] for name in NATURAL_KEY)

    @property
    def is_first_report(self) -> bool:
        """Tell whether it claims to be the first that is said about a result."""
        return not self.promotes and LabStatus(self.row["status"]) in FIRST_REPORTS

    @property
    def statement(self) -> Statement:
        """Give what it says, for judging it beside other versions."""
        return replace(_statement(self.row), stated_at=self.stated_at, dated=self.dated)


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a candidate, and the id of the version that holds what it says."""

    outcome: FilingOutcome
    id: UUID | None = None


class History:
    """The versions of one result while candidates are added to it."""

    def __init__(self, stored: Iterable[LabResult]) -> None:
        self._rows: dict[int, Row] = {row.result_version: _columns(row) for row in stored}
        self.added: list[dict[str, Any]] = []

    @property
    def _statements(self) -> list[Statement]:
        return [
            replace(_statement(row), stated_at=row["stated_at"], dated=_dated(row), number=number)
            for number, row in self._rows.items()
        ]

    def take(self, candidate: Candidate) -> Filed:
        """Judge one candidate; keep it as a further version if it is one."""
        if candidate.promotes:
            return self._promote(candidate)
        statement, statements = candidate.statement, self._statements
        if not statements:
            return self._add(candidate)
        if not candidate.may_follow:
            return self._find(statement, statements)
        judgement, repeated = judge(statement, statements)
        if repeated is not None:
            return Filed(FilingOutcome.DUPLICATE, self._rows[repeated.number]["id"])
        if judgement is not Judgement.VERSION:
            return Filed(FilingOutcome(judgement.value))
        return self._add(candidate)

    def _promote(self, candidate: Candidate) -> Filed:
        """Make the preliminary version that came before final."""
        before = promotable(candidate.statement, self._statements)
        if before is None:
            return Filed(FilingOutcome.NOTHING_TO_PROMOTE)
        if before.status is not LabStatus.PRELIMINARY:
            return Filed(FilingOutcome.DUPLICATE, self._rows[before.number]["id"])
        return self._make_final(before.number, candidate.row, candidate.stated_at)

    def _make_final(self, number: int, promotion: Row, promoted_at: datetime) -> Filed:
        """Add a version that says a preliminary one again as final, reported when promoted."""
        before = self._rows[number]
        said_anew = {
            name: promotion[name] for name in ("message_id", "position", "original_status")
        }
        return self._add(
            Candidate(
                row={**before, **said_anew, "status": LabStatus.FINAL, "reported_at": promoted_at},
                stated_at=before["stated_at"],
                may_follow=True,
                dated=_dated(before),
            )
        )

    def _promoted_already(self, added: Row) -> Row | None:
        """Find the promotion of an earlier version that was made after a preliminary one."""
        preliminary = {
            row["stated_at"]
            for row in self._rows.values()
            if row["status"] == LabStatus.PRELIMINARY
        }
        made = [
            row
            for row in self._rows.values()
            if row["status"] == LabStatus.FINAL
            and row["stated_at"] in preliminary
            and row["stated_at"] < added["stated_at"] <= (row["reported_at"] or row["stated_at"])
        ]
        return max(made, key=lambda row: row["reported_at"], default=None)

    def _find(self, statement: Statement, statements: Iterable[Statement]) -> Filed:
        """Tell a result that was sent again from one that would have to be a correction."""
        for stored in sorted(statements, key=lambda each: each.number, reverse=True):
            if stored.repeats(statement):
                return Filed(FilingOutcome.DUPLICATE, self._rows[stored.number]["id"])
        return Filed(FilingOutcome.DIFFERS)

    def _add(self, candidate: Candidate) -> Filed:
        first = self._rows.get(1)
        number = max(self._rows, default=0) + 1
        added = version(candidate, first["result_id"] if first else None, number)
        self._rows[number] = added
        self.added.append(added)
        if added["status"] == LabStatus.PRELIMINARY:
            promotion = self._promoted_already(added)
            if promotion is not None:
                self._make_final(number, promotion, promotion["reported_at"])
        return Filed(FilingOutcome.CREATED, added["id"])


def _dated(row: Row) -> Dated:
    """Return what dated a stored version, as far as it decides how it stands."""
    if row["status"] == LabStatus.FINAL:
        return Dated.SENDER if row["weight"] > 1 else Dated.MESSAGE
    settles = row["weight"] > 0 or row["status"] == LabStatus.PRELIMINARY
    return Dated.SENDER if settles else Dated.NOTHING


def _statement(row: Row) -> Statement:
    """Return what a row says, as if it were said when it was collected."""
    return Statement(
        content=tuple(row[name] for name in _CONTENT),
        status=LabStatus(row["status"]),
        collected_at=row["collected_at"],
        precision=row["collected_precision"],
        stated_at=row["collected_at"],
    )


def version(candidate: Candidate, result_id: UUID | None, number: int) -> dict[str, Any]:
    """Return all columns of one version."""
    version_id = new_id()
    return {
        **candidate.row,
        "id": version_id,
        "result_id": result_id or version_id,
        "result_version": number,
        "stated_at": candidate.stated_at,
        "weight": weight(LabStatus(candidate.row["status"]), candidate.dated),
        "standing": standing(LabStatus(candidate.row["status"])),
    }


def _columns(row: LabResult) -> dict[str, Any]:
    return {name: getattr(row, name) for name in WRITTEN}
