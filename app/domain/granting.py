"""Grants: what may be given, by whom, and whether it counts; app/services/grants.py keeps them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.domain.errors import conflict, forbidden, invalid
from app.domain.vocabulary import Role

# One administrator alone makes nobody able to decide on the trial or to let people in.
TWO_PERSON_ROLES = frozenset({Role.PRINCIPAL_INVESTIGATOR, Role.ADMINISTRATOR})


# What machines hold, and no person does.
MACHINE_ROLES = frozenset({Role.LABORATORY_SYSTEM})


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


def check_kind(role: Role, given: Collection[Role]) -> None:
    """Refuse a role to an identity that was ever given one of the other kind, ended or not.

    Nobody confirms a laboratory system, so it must not be a way for a person to write results.
    """
    is_machine = role in MACHINE_ROLES
    if any((each in MACHINE_ROLES) != is_machine for each in given):
        raise conflict(
            "person_and_system",
            "An identity is a person's or a laboratory system's, never both; give the system an"
            " identity of its own.",
        )


@dataclass(frozen=True, slots=True)
class AdministratorGrant:
    """A grant of an administrator that is in force; without `site_id` for the whole study."""

    id: UUID
    site_id: UUID | None


def check_administered(held: Collection[AdministratorGrant], ending: Collection[UUID]) -> None:
    """Refuse to end grants after which nobody administers the study, or the site they are for."""
    left = {each.site_id for each in held if each.id not in ending}
    for each in held:
        if each.id in ending and left.isdisjoint({None, each.site_id}):
            raise conflict(
                "last_administrator",
                "Nobody could administer after this; let another administrator in first.",
            )
