"""The service's own issuer for machines: short tokens for clients that sign with their own key.

OAuth 2.0 client credentials with private_key_jwt (RFC 6749, RFC 7523), as SMART Backend Services
use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OKPKey

from app.core.ids import new_id
from app.core.issuer_keys import IssuerKeys
from app.core.jose import BadToken, PublicKeys, SignedToken, is_text, read
from app.core.tokens import LEEWAY, TOKEN_TYPES, TrustedIssuer, bounds

TOKEN_PATH = "/api/v1/lis/token"  # noqa: S105 - an address, not a secret
TOKEN_LIFETIME = timedelta(minutes=5)
LONGEST_ASSERTION = timedelta(minutes=5)
KEY_FILE = "machine-issuer-key.json"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a client says of itself, not to be believed before its signature is checked."""

    client_id: UUID
    token_id: str
    expires: datetime
    _token: SignedToken

    def check_signature(self, keys: PublicKeys) -> None:
        """Raise BadToken unless one of the client's keys has signed it."""
        self._token.check_signature(keys)


class MachineIssuer:
    """Reads assertions that are meant for this service, and issues tokens of five minutes."""

    def __init__(self, name: str, audience: str, key: OKPKey) -> None:
        self.name = name
        self.audience = audience
        self._key = key

    def trusted(self) -> TrustedIssuer:
        """Return what a verifier has to know to accept this issuer's tokens."""
        public = PublicKeys.read({"keys": [self._key.as_dict(private=False)]})
        return TrustedIssuer(self.name, IssuerKeys(public), TOKEN_LIFETIME)

    def read_assertion(self, text: str, now: datetime) -> Assertion:
        """Read an assertion; raise BadToken for one that is not meant for here and now."""
        token = read(text)
        claims = token.claims
        begins, ends = bounds({"iat": now.timestamp()} | claims, None)
        leeway, instant = LEEWAY.total_seconds(), now.timestamp()
        longest = LONGEST_ASSERTION.total_seconds()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        is_good = (
            begins - leeway <= instant < ends + leeway
            and ends <= instant + longest + leeway
            and claims.get("iss") == claims.get("sub")
            and audiences in ([self.name], [self.name + TOKEN_PATH])
            and is_text(claims.get("jti"))
        )
        if not is_good:
            raise BadToken
        return Assertion(
            _client_id(claims.get("sub")), claims["jti"], datetime.fromtimestamp(ends, UTC), token
        )

    def token(self, client_id: UUID, scopes: Iterable[str], now: datetime) -> str:
        """Issue an access token with these scopes."""
        issued = int(now.timestamp())
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": str(client_id),
            "client_id": str(client_id),
            "scope": " ".join(sorted(scopes)),
            "iat": issued,
            "exp": issued + int(TOKEN_LIFETIME.total_seconds()),
            "jti": str(new_id()),
        }
        header = {"alg": "Ed25519", "typ": TOKEN_TYPES[0], "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=["Ed25519"])


def _client_id(text: object) -> UUID:
    """Read a client's id as it was given out; raise BadToken."""
    try:
        found = UUID(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise BadToken
    return found
