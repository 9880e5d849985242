"""Bearer tokens: JWTs are verified against a configured issuer; development has its own issuer."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from app.core.ids import new_id
from app.domain.errors import DomainError, ErrorKind

ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"]
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068, not a secret
LEEWAY = timedelta(seconds=30)
# Verified tokens that are remembered; more than a study has senders and people at one time.
MOST_KEPT = 10_000
DEVELOPMENT_ISSUER = "urn:msc-icaht:development"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for; what they may do is in the grants, not in the token."""

    issuer: str
    subject: str


class TokenVerifier:
    """Verifies access tokens (RFC 9068) against one issuer, one audience and a fixed key set."""

    def __init__(self, issuer: str, audience: str, keys: KeySet) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._verified: dict[bytes, dict[str, Any]] = {}

    def verify(self, token: str, now: datetime) -> Identity:
        """Return who the token speaks for; raise one uniform error whatever is wrong with it.

        A signature is verified once: the claims of a good one are kept under the token's digest,
        and only their time bounds are looked at again.
        """
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._verified_claims(token)
            if len(self._verified) >= MOST_KEPT:
                self._verified.clear()
            self._verified[digest] = claims
        if not _within(claims, now):
            raise unauthenticated()
        return Identity(self._issuer, claims["sub"])

    def _verified_claims(self, token: str) -> dict[str, Any]:
        """Verify a signature and everything that stays true of a token."""
        try:
            decoded = jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise unauthenticated() from error
        if not self._acceptable(decoded.header, decoded.claims):
            raise unauthenticated()
        return dict(decoded.claims)

    def _acceptable(self, header: dict[str, Any], claims: dict[str, Any]) -> bool:
        audience = claims.get("aud")
        subject = claims.get("sub")
        return (
            str(header.get("typ", "")).lower() == TOKEN_TYPE
            and claims.get("iss") == self._issuer
            and self._audience in (audience if isinstance(audience, list) else [audience])
            and isinstance(subject, str)
            and 0 < len(subject) <= 200
            and subject.isprintable()
        )


def _within(claims: dict[str, Any], now: datetime) -> bool:
    """Check the token's time bounds with the leeway; an absent expiry is refused."""
    expires: Any = claims.get("exp")
    not_before: Any = claims.get("nbf", 0)
    numbers = all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for value in (expires, not_before)
    )
    if not numbers:
        return False
    instant = now.timestamp()
    leeway = LEEWAY.total_seconds()
    return bool(not_before - leeway <= instant < expires + leeway)


def unauthenticated() -> DomainError:
    """Return the one answer to a missing or unusable token."""
    return DomainError(
        ErrorKind.UNAUTHENTICATED,
        "invalid_token",
        "A valid bearer token is needed; get a new one from your identity provider.",
    )


KEY_FILE = "issuer-key.json"


class DevelopmentIssuer:
    """Issues tokens for the fixture users of development; its key stays in the data directory."""

    def __init__(self, folder: Path, audience: str) -> None:
        self._path = folder / KEY_FILE
        self._audience = audience
        self._key = self._load()

    def _load(self) -> OKPKey:
        """Read the key, making it first when there is none; two starters agree on one."""
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = OKPKey.generate_key("Ed25519", auto_kid=True)
            draft = self._path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(fresh.as_dict(private=True), file)
            try:
                os.link(draft, self._path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return OKPKey.import_key(json.loads(self._path.read_text(encoding="utf-8")))

    def verifier(self) -> TokenVerifier:
        """Return the verifier that accepts this issuer's tokens."""
        public = OKPKey.import_key(self._key.as_dict(private=False))
        return TokenVerifier(DEVELOPMENT_ISSUER, self._audience, KeySet([public]))

    def token(self, subject: str, now: datetime, lifetime: timedelta) -> str:
        """Issue an access token for one fixture user."""
        issued = int(now.timestamp())
        claims = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": self._audience,
            "sub": subject,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(lifetime.total_seconds()),
            "jti": str(new_id()),
        }
        header = {"alg": "Ed25519", "typ": TOKEN_TYPE, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=ALGORITHMS)
