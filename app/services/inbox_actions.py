"""What can be done about an inbox item, by what waits and by which door it came."""

from __future__ import annotations

from app.domain.errors import conflict
from app.domain.inbound import InboxKind, InboxStatus
from app.schemas.inbox import Step
from app.services.inbox import InboxEntry
from app.services.inbox_reprocessing import ACCEPT_SENDER
from app.services.late_release import LATE_DOORS

ENDINGS = {"reject": InboxStatus.REJECTED, "done": InboxStatus.DONE}
# What these tell serves other results, too, so it is kept even if the one at hand has to wait on.
ABOUT_THE_SENDER = {"map_code", "map_unit", "map_status", "map_word"}
_OFFERED = {
    InboxKind.RESULT: {*ABOUT_THE_SENDER, "assign", "separate", "retry", "reject"},
    InboxKind.MESSAGE: {ACCEPT_SENDER, "retry", "reject"},
    InboxKind.TASK: {"done"},
}
# What came late for a casebook waits for nothing else.
_LATE = {"retry", "reject"}


def check_offered(entry: InboxEntry, step: Step) -> None:
    """Raise conflict for a step that does not fit what waits, naming those that do."""
    kind = entry.row.kind
    offered = _LATE if entry.door in LATE_DOORS else _OFFERED[kind]
    if step.action not in offered:
        raise conflict(
            "action_not_offered", f"This is a {kind.value}; it takes {', '.join(sorted(offered))}."
        )
