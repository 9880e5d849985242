"""Access tokens (RFC 9068) verified against the issuers that are configured, and no others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.issuer_keys import IssuerKeys
from app.core.jose import BadToken, SignedToken, UnknownKey, is_number, is_text, read
from app.core.security import Identity, unauthenticated

TOKEN_TYPES = ("at+jwt", "application/at+jwt")
LEEWAY = timedelta(seconds=30)
# Verified tokens that are remembered; more than a study has senders and people at one time.
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """Who may issue tokens: its `iss`, its keys, and for how long at most (None: any time)."""

    name: str
    keys: IssuerKeys
    longest: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a good token said, when it counts, and the set of keys that vouches for it."""

    identity: Identity
    begins: float
    ends: float
    issuer: TrustedIssuer
    keys: object

    def counts(self, now: datetime) -> bool:
        """Tell whether the token is within its time, give or take the leeway."""
        leeway, instant = LEEWAY.total_seconds(), now.timestamp()
        return self.begins - leeway <= instant < self.ends + leeway


class TokenVerifier:
    """Verifies access tokens of the trusted issuers for one audience.

    A signature is verified once: what a good token said is kept under its digest, as long as the
    same set of keys is in force, and only the time bounds are looked at again.
    """

    def __init__(self, audience: str, issuers: Sequence[TrustedIssuer]) -> None:
        self._audience = audience
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._verified: dict[bytes, _Verified] = {}

    def verify(self, token: str, now: datetime) -> Identity:
        """Return who the token speaks for; raise one uniform error whatever is wrong with it."""
        try:
            return self._identity(token, now)
        except BadToken:
            raise unauthenticated() from None

    async def identify(self, token: str, now: datetime) -> Identity:
        """Do what `verify` does, and ask the issuer for its keys when the token's is unknown."""
        try:
            return self._identity(token, now)
        except UnknownKey:
            await self._issuers[read(token).claims["iss"]].keys.renew()
            return self.verify(token, now)
        except BadToken:
            raise unauthenticated() from None

    def trusts(self, issuer: str) -> bool:
        """Tell whether tokens of an issuer are taken."""
        return issuer in self._issuers

    async def keep_fresh(self) -> None:
        """Keep the keys of all issuers fresh, until cancelled."""
        await asyncio.gather(*(issuer.keys.keep_fresh() for issuer in self._issuers.values()))

    def _identity(self, token: str, now: datetime) -> Identity:
        digest = hashlib.sha256(token.encode()).digest()
        found = self._verified.get(digest)
        if found is None or found.keys is not found.issuer.keys.current:
            found = self._checked(read(token))
            if len(self._verified) >= MOST_KEPT:
                self._verified.clear()
            self._verified[digest] = found
        if not found.counts(now):
            raise BadToken
        return found.identity

    def _checked(self, token: SignedToken) -> _Verified:
        """Check the signature and everything that stays true of a token."""
        claims = token.claims
        named = claims.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise BadToken
        keys = issuer.keys.current
        token.check_signature(keys)
        begins, ends = bounds(claims, issuer.longest)
        audience = claims.get("aud")
        acceptable = (
            str(token.header.get("typ", "")).lower() in TOKEN_TYPES
            and self._audience in (audience if isinstance(audience, list) else [audience])
            and is_text(claims.get("sub"))
        )
        if not acceptable:
            raise BadToken
        return _Verified(_identity(claims), begins, ends, issuer, keys)


def bounds(claims: dict[str, Any], longest: timedelta | None) -> tuple[float, float]:
    """Return the instants between which a token counts, in seconds since 1970.

    Raises BadToken when one is missing or wrong, and for a token that counts for too long.
    """
    issued, expires = claims.get("iat"), claims.get("exp")
    not_before = claims.get("nbf", issued)
    if not all(is_number(each) for each in (issued, expires, not_before)):
        raise BadToken
    assert issued is not None
    assert expires is not None
    if longest is not None and expires - issued > longest.total_seconds():
        raise BadToken
    return max(issued, not_before), expires


def _identity(claims: dict[str, Any]) -> Identity:
    """Return who verified claims speak for.

    Whose token names the subject as its client (RFC 9068, 2.2) is a machine: without a scope it
    may do nothing.
    """
    acr, scope, token_id = (claims.get(name) for name in ("acr", "scope", "jti"))
    if not all(value is None or isinstance(value, str) for value in (acr, scope, token_id)):
        raise BadToken
    machine = claims.get("client_id") == claims["sub"]
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        auth_time=_auth_time(claims),
        acr=acr,
        scopes=frozenset((scope or "").split()) if machine else None,
        token_id=token_id,
    )


def _auth_time(claims: dict[str, Any]) -> datetime | None:
    """Return when the person proved who they are; nobody can have done so after the token."""
    stated = claims.get("auth_time")
    if stated is None:
        return None
    if not is_number(stated) or stated > claims["iat"] + LEEWAY.total_seconds():
        raise BadToken
    return datetime.fromtimestamp(stated, UTC)
