"""Whether what was sealed is from when it says: between the checkpoints before and after it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from app.domain.seal_format import Header
from app.domain.seal_note import Checkpoint
from app.services.verification_report import Check

# When a checkpoint was signed, whatever it does not cover was running still, or not there. No
# transaction of the service lives as long.
LONGEST = timedelta(minutes=10)
# How far the clock of the database may be set back while it runs.
SLACK = timedelta(minutes=1)
_END = 1 << 63


class Timeline:
    """What checkpoints prove of the time: how long the log was, and when."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Take checkpoints that are signed and of this log."""
        self._complete: dict[int, datetime] = {}
        self._covering: dict[int, datetime] = {}
        for each in checkpoints:
            at = datetime.fromisoformat(each.at)
            self._covering[each.size] = min(at, self._covering.get(each.size, at))
            if not each.more:
                self._complete[each.size] = max(at, self._complete.get(each.size, at))
        self._sizes, self._ends = sorted(self._complete), sorted(self._covering)

    def before(self, index: int) -> datetime | None:
        """Return when the log was last signed without this operation, with all there was."""
        place = bisect_right(self._sizes, index)
        return self._complete[self._sizes[place - 1]] if place else None

    def after(self, index: int) -> datetime | None:
        """Return when this operation was first signed."""
        place = bisect_right(self._ends, index)
        return self._covering[self._ends[place]] if place < len(self._ends) else None


def check_times(
    index: int, header: Header, rows: Mapping[tuple[str, str, int], str],
    timeline: Timeline, check: Check,
) -> None:  # fmt: skip
    """See that an operation is not older than the log before it, nor its rows than itself."""
    what = f"Operation {header.operation_id}"
    at, start = datetime.fromisoformat(header.recorded_at), timeline.before(index)
    end = timeline.after(index)
    if start is not None and at < start - LONGEST:
        check.fail(f"{what} is back-dated: it was sealed long after its time.")
    if end is not None and at > end + SLACK:
        check.fail(f"{what} says a time that is after its seal.")
    for (table, record_id, _), text in rows.items():
        written = json.loads(text).get("recorded_at")
        moment = datetime.fromisoformat(written) if written else at
        if moment < at - SLACK or (end is not None and moment > end + SLACK):
            check.fail(f"A row of {table} {record_id} is not from the time of its operation.")
        elif table == "operation" and moment != at:
            check.fail(f"{what} was sealed with another time than its own.")
