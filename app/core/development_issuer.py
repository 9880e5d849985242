"""The issuer of development: tokens and passwords of the fixture users, never of production."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt

from app.core.ids import new_id
from app.core.issuer_keys import IssuerKeys
from app.core.jose import PublicKeys
from app.core.key_files import local_key
from app.core.security import SIGNING_ACR
from app.core.tokens import TOKEN_TYPES, TokenVerifier, TrustedIssuer

DEVELOPMENT_ISSUER = "urn:msc-icaht:development"
KEY_FILE = "issuer-key.json"
# Of a token that was given for a password.
STEP_UP_LIFETIME = timedelta(minutes=15)
_PASSWORD_LETTERS = 20


class DevelopmentIssuer:
    """Issues tokens for the fixture users of development; its key stays in the data directory."""

    name = DEVELOPMENT_ISSUER

    def __init__(self, folder: Path, audience: str, acr: str = SIGNING_ACR) -> None:
        self._audience = audience
        self._acr = acr
        self._key = local_key(folder / KEY_FILE)

    def key_set(self) -> dict[str, Any]:
        """Return the public keys as a JSON Web Key Set."""
        return {"keys": [self._key.as_dict(private=False, use="sig", alg="Ed25519")]}

    def trusted(self) -> TrustedIssuer:
        """Return what a verifier has to know to accept this issuer's tokens."""
        return TrustedIssuer(DEVELOPMENT_ISSUER, IssuerKeys(PublicKeys.read(self.key_set())))

    def verifier(self) -> TokenVerifier:
        """Return the verifier that accepts this issuer's tokens and no others."""
        return TokenVerifier(self._audience, [self.trusted()])

    def token(
        self,
        subject: str,
        now: datetime,
        lifetime: timedelta,
        *,
        signing: bool = True,
        auth_time: datetime | None = None,
        scope: str | None = None,
    ) -> str:
        """Issue an access token for one fixture user, or for a machine, which has a scope.

        A person's token says that the person has just logged in, strongly enough to sign, unless
        `signing` is false; `auth_time` is another instant of the login.
        """
        issued = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": self._audience,
            "sub": subject,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(lifetime.total_seconds()),
            "jti": str(new_id()),
        }
        if scope is not None:
            claims |= {"client_id": subject, "scope": scope}
        elif signing:
            claims |= {"auth_time": int((auth_time or now).timestamp()), "acr": self._acr}
        header = {"alg": "Ed25519", "typ": TOKEN_TYPES[0], "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=["Ed25519"])

    def password(self, subject: str) -> str:
        """Return the password of a fixture user, which whoever holds the key can work out."""
        secret = str(self._key.as_dict(private=True)["d"]).encode()
        digest = hmac.digest(secret, f"password\n{subject}".encode(), hashlib.sha256)
        return b32encode(digest).decode().lower()[:_PASSWORD_LETTERS]

    def is_password(self, subject: str, given: str) -> bool:
        """Tell whether this is the user's password, in a time that tells nothing else."""
        return hmac.compare_digest(self.password(subject).encode(), given.encode())
