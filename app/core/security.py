"""Who a token speaks for, and the one answer to a token that speaks for nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import DomainError, ErrorKind

# What a login strong enough for a signature is called (`acr`), unless configured otherwise.
SIGNING_ACR = "urn:msc-icaht:acr:signing"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for; what they may do is in the grants, not in the token.

    `auth_time` and `acr` say when and how the person last proved who they are. `scopes` limit a
    machine; a person has none (None).
    """

    issuer: str
    subject: str
    auth_time: datetime | None = None
    acr: str | None = None
    scopes: frozenset[str] | None = None
    token_id: str | None = None


def unauthenticated() -> DomainError:
    """Return the one answer to a missing or unusable token."""
    return DomainError(
        ErrorKind.UNAUTHENTICATED,
        "invalid_token",
        "A valid bearer token is needed; get a new one from your identity provider.",
    )
