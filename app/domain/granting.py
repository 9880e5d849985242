"""Grants: what may be given, by whom, and whether it counts; app/services/grants.py keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.domain.errors import conflict, forbidden, invalid
from app.domain.vocabulary import Role

# One administrator alone makes nobody able to decide on the trial or to let people in.
TWO_PERSON_ROLES = frozenset({Role.PRINCIPAL_INVESTIGATOR, Role.ADMINISTRATOR})


class GrantStatus(StrEnum):
    """Where a grant stands at a moment; only one in force gives anything."""

    PROPOSED = "proposed"
    NOT_YET_VALID = "not_yet_valid"
    IN_FORCE = "in_force"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """A grant as it is on record; without `granted_by` no administrator of the study gave it."""

    role: Role
    principal_id: UUID
    granted_by: UUID | None
    valid_from: datetime
    valid_until: datetime | None
    confirmed: bool
    ended: bool

    @property
    def needs_confirmation(self) -> bool:
        """Tell whether it takes a second administrator."""
        return self.granted_by is not None and self.role in TWO_PERSON_ROLES


def grant_status(grant: GrantFacts, at: datetime) -> GrantStatus:
    """Tell where a grant stands at a moment."""
    if grant.ended:
        return GrantStatus.REVOKED
    if grant.valid_until is not None and grant.valid_until <= at:
        return GrantStatus.EXPIRED
    if grant.needs_confirmation and not grant.confirmed:
        return GrantStatus.PROPOSED
    return GrantStatus.NOT_YET_VALID if at < grant.valid_from else GrantStatus.IN_FORCE


def check_validity(valid_from: datetime, valid_until: datetime | None, now: datetime) -> None:
    """Refuse a grant of the past, and one that ends before it begins."""
    if valid_from < now:
        raise invalid("back_dated", "A grant begins now or later.", "/body/valid_from")
    if valid_until is not None and valid_until <= valid_from:
        raise invalid("ends_too_early", "A grant ends after it begins.", "/body/valid_until")


def check_training(trained_on: date | None, today: date) -> None:
    """Refuse a training that has not taken place."""
    if trained_on is not None and trained_on > today:
        raise invalid("future_training", "The training lies in the future.", "/body/trained_on")


def check_granter(principal_id: UUID, granter_id: UUID) -> None:
    """Refuse a grant to oneself."""
    if principal_id == granter_id:
        raise forbidden(
            "own_grant", "Nobody grants a role to themselves; ask another administrator."
        )


def check_confirmation(grant: GrantFacts, confirmer_id: UUID, at: datetime) -> None:
    """Refuse a confirmation that is not needed, too late, or by one of the two concerned."""
    if grant_status(grant, at) is not GrantStatus.PROPOSED:
        raise conflict("nothing_to_confirm", "This grant does not wait for a confirmation.")
    if confirmer_id in (grant.granted_by, grant.principal_id):
        raise forbidden(
            "two_persons",
            "A second administrator confirms, neither who gave the role nor who is to get it.",
        )


def check_revocation(grant: GrantFacts, at: datetime) -> None:
    """Refuse to end what has ended."""
    if grant_status(grant, at) in (GrantStatus.REVOKED, GrantStatus.EXPIRED):
        raise conflict("grant_ended", "This grant has ended already.")
