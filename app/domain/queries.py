"""Data queries: who opened them, which steps lead where, and who may take the last one."""

from __future__ import annotations

from enum import StrEnum

from app.domain.errors import conflict, forbidden


class QueryOrigin(StrEnum):
    """Who asks: a person, or a rule that looks at the records."""

    PERSON = "person"
    RULE = "rule"


class QueryStatus(StrEnum):
    """Where a query stands; `resolved` is derived, for a rule that finds nothing any more."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    RESOLVED = "resolved"


class QueryAction(StrEnum):
    """What a person can do about a query."""

    ANSWER = "answer"
    CLOSE = "close"
    REOPEN = "reopen"
    CANCEL = "cancel"


# What still waits for somebody.
PENDING = frozenset({QueryStatus.OPEN, QueryStatus.ANSWERED})

# What a person brought to an end.
ENDED = frozenset({QueryStatus.CLOSED, QueryStatus.CANCELLED})

# A query is closed on an answer; one that needs none any more is cancelled.
_STEPS: dict[tuple[QueryStatus, QueryAction], QueryStatus] = {
    (QueryStatus.OPEN, QueryAction.ANSWER): QueryStatus.ANSWERED,
    (QueryStatus.OPEN, QueryAction.CANCEL): QueryStatus.CANCELLED,
    (QueryStatus.ANSWERED, QueryAction.ANSWER): QueryStatus.ANSWERED,
    (QueryStatus.ANSWERED, QueryAction.CLOSE): QueryStatus.CLOSED,
    (QueryStatus.ANSWERED, QueryAction.REOPEN): QueryStatus.OPEN,
    (QueryStatus.ANSWERED, QueryAction.CANCEL): QueryStatus.CANCELLED,
    (QueryStatus.CLOSED, QueryAction.REOPEN): QueryStatus.OPEN,
    (QueryStatus.CANCELLED, QueryAction.REOPEN): QueryStatus.OPEN,
}
_REFUSALS: dict[QueryStatus, str] = {
    QueryStatus.OPEN: "The query is open: answer or cancel it.",
    QueryStatus.ANSWERED: "The query is answered: close, reopen or cancel it.",
    QueryStatus.CLOSED: "The query is closed: reopen it first.",
    QueryStatus.CANCELLED: "The query is cancelled: reopen it first.",
    QueryStatus.RESOLVED: "The rule finds nothing to ask any more: leave the query as it is.",
}


def standing(recorded: QueryStatus, origin: QueryOrigin, cause_stands: bool) -> QueryStatus:
    """Return where a query stands, from what people recorded and whether its cause is there.

    A rule's query that waits is resolved once its cause is gone, and waits again should that
    come back; what people closed or cancelled stays so.
    """
    if origin is QueryOrigin.RULE and not cause_stands and recorded in PENDING:
        return QueryStatus.RESOLVED
    return recorded


def next_status(status: QueryStatus, action: QueryAction) -> QueryStatus:
    """Return where an action leads; raise conflict `query_state` where it leads nowhere."""
    found = _STEPS.get((status, action))
    if found is None:
        raise conflict("query_state", _REFUSALS[status])
    return found


def check_two_persons(status: QueryStatus, has_answered: bool) -> None:
    """Refuse an end by somebody who has answered, however often the query was open since.

    Whoever answered could reopen it, so that does not take the answer away. Raises forbidden
    `two_persons`.
    """
    if status in ENDED and has_answered:
        raise forbidden(
            "two_persons",
            "You answered this query; let somebody who never did close or cancel it.",
        )


def check_part(action: QueryAction, asks: bool) -> None:
    """Refuse an action that is the other side's part; raise forbidden.

    `asks` says that the role opens queries: such a role weighs answers and gives none.
    """
    if asks and action is QueryAction.ANSWER:
        raise forbidden(
            "role_does_not_answer",
            "Your role weighs answers; let the site or the laboratory answer.",
        )
    if not asks and action is not QueryAction.ANSWER:
        raise forbidden(
            "role_does_not_close",
            "Your role answers queries; a data manager or monitor closes or cancels them.",
        )
