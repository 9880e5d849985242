"""How far a subject's casebook is closed, who may close it, and whom it takes to open it again.

open -> frozen -> signed -> locked. A frozen or signed casebook is opened by a data manager; a
locked one by two persons of the two roles, one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from app.domain.errors import DomainError, ErrorKind, Reason, conflict, forbidden
from app.domain.vocabulary import Role


class CasebookState(StrEnum):
    """How far a casebook is closed; nothing of the subject is recorded unless it is open."""

    OPEN = "open"
    FROZEN = "frozen"
    SIGNED = "signed"
    LOCKED = "locked"


class CasebookAction(StrEnum):
    """What is done about a casebook."""

    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    SIGN = "sign"
    LOCK = "lock"
    REQUEST_UNLOCK = "request_unlock"
    APPROVE_UNLOCK = "approve_unlock"
    REJECT_UNLOCK = "reject_unlock"


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, and in which role."""

    id: UUID
    role: Role


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a casebook stands; `asked` is who asked for it to be unlocked, if anybody did."""

    state: CasebookState = CasebookState.OPEN
    asked: Person | None = None


_OPEN, _FROZEN, _SIGNED, _LOCKED = CasebookState
_PI, _DM = Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER

# Whose act each is: the data manager keeps the records, the investigator answers for them.
ROLES: Mapping[CasebookAction, frozenset[Role]] = {
    CasebookAction.FREEZE: frozenset({_DM}),
    CasebookAction.UNFREEZE: frozenset({_DM}),
    CasebookAction.SIGN: frozenset({_PI}),
    CasebookAction.LOCK: frozenset({_DM}),
    CasebookAction.REQUEST_UNLOCK: frozenset({_PI, _DM}),
    CasebookAction.APPROVE_UNLOCK: frozenset({_PI, _DM}),
    CasebookAction.REJECT_UNLOCK: frozenset({_PI, _DM}),
}
# Where each act leads from each state in which it can be done.
_LEADS: Mapping[CasebookAction, Mapping[CasebookState, CasebookState]] = {
    CasebookAction.FREEZE: {_OPEN: _FROZEN},
    CasebookAction.UNFREEZE: {_FROZEN: _OPEN, _SIGNED: _OPEN},
    CasebookAction.SIGN: {_FROZEN: _SIGNED, _SIGNED: _SIGNED},
    CasebookAction.LOCK: {_SIGNED: _LOCKED},
    CasebookAction.REQUEST_UNLOCK: {_LOCKED: _LOCKED},
    CasebookAction.APPROVE_UNLOCK: {_LOCKED: _OPEN},
    CasebookAction.REJECT_UNLOCK: {_LOCKED: _LOCKED},
}
# What there is to do next, by where the casebook stands.
_NEXT: Mapping[CasebookState, str] = {
    _OPEN: "The casebook is open; a data manager freezes it first.",
    _FROZEN: "The casebook is frozen; the principal investigator signs it before it is locked.",
    _SIGNED: "The casebook is signed; a data manager locks it, or unfreezes it for changes.",
    _LOCKED: "The casebook is locked; unlocking takes a request and another person's approval.",
}
# What to do before a record of a closed casebook can change.
_CLOSED: Mapping[CasebookState, str] = {
    _FROZEN: "The subject's casebook is frozen; let a data manager unfreeze it before the change.",
    _SIGNED: "The subject's casebook is signed; let a data manager unfreeze it before the change.",
    _LOCKED: (
        "The subject's casebook is locked; the principal investigator and a data manager have to"
        " unlock it before the change."
    ),
}


def step(standing: Standing, action: CasebookAction, by: Person) -> Standing:
    """Return where a casebook stands after an act.

    Raises forbidden for another role's act, conflict `casebook_state` where the casebook stands
    elsewhere, and conflict `unlock_*` where the two persons' acts do not fit together.
    """
    if by.role not in ROLES[action]:
        raise forbidden(
            "role_not_allowed",
            "Your role does not do this with a casebook; ask a data manager, or the principal"
            " investigator to sign.",
        )
    if standing.state not in _LEADS[action]:
        raise wrong_state(standing.state)
    after = replace(standing, state=_LEADS[action][standing.state])
    if action is CasebookAction.REQUEST_UNLOCK:
        return _ask(after, by)
    if standing.state is _LOCKED:
        return _answer(after, action, by)
    return after


def _ask(standing: Standing, by: Person) -> Standing:
    if standing.asked is not None:
        raise conflict(
            "unlock_requested", "Somebody asked for this already; approve or reject that request."
        )
    return replace(standing, asked=by)


def _answer(standing: Standing, action: CasebookAction, by: Person) -> Standing:
    """Take the second person's word; whoever asked may only take the request back."""
    asked = standing.asked
    if asked is None:
        raise conflict(
            "unlock_not_requested", "Nobody asked for this casebook to be unlocked; do that first."
        )
    if action is CasebookAction.APPROVE_UNLOCK and (by.id == asked.id or by.role is asked.role):
        raise conflict(
            "unlock_two_persons",
            "An unlock is approved by another person of the other role: the principal investigator"
            " for a data manager, a data manager for the principal investigator.",
        )
    return replace(standing, asked=None)


def wrong_state(state: CasebookState) -> DomainError:
    """Refuse an act that does not fit the state, naming the state and what comes next."""
    return conflict("casebook_state", _NEXT[state], (Reason(state.value, _NEXT[state]),))


def closed(state: CasebookState) -> DomainError:
    """Refuse a change to a subject whose casebook is closed; `errors` name the state."""
    sentence = _CLOSED[state]
    return DomainError(
        ErrorKind.LOCKED, "casebook_locked", sentence, (Reason(state.value, sentence),)
    )
