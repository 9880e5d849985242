"""Tokens written by hand, good and hostile: every part is the caller's to choose."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey

from app.core.ids import new_id
from app.core.issuer_keys import IssuerKeys
from app.core.jose import PublicKeys
from app.core.tokens import TrustedIssuer

AUDIENCE = "msc-icaht"
LIFETIME = timedelta(minutes=10)
KEYS: dict[str, Key] = {
    "ed": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    "ec": ECKey.generate_key("P-256", {"kid": "ec"}),
    "ec384": ECKey.generate_key("P-384", {"kid": "ec384"}),
    "rsa": RSAKey.generate_key(2048, {"kid": "rsa"}),
}
ALGORITHM = {"ed": "Ed25519", "ec": "ES256", "ec384": "ES384", "rsa": "RS256"}


def public(*names: str) -> dict[str, Any]:
    """Return the public halves of these keys, or of all, as a JSON Web Key Set."""
    return dict(KeySet([KEYS[name] for name in names or KEYS]).as_dict(private=False))


def trusted(issuer: str, *names: str, longest: timedelta | None = timedelta(minutes=15)):
    """Trust an issuer for these keys, or for all."""
    return TrustedIssuer(issuer, IssuerKeys(PublicKeys.read(public(*names))), longest)


def claims(issuer: str, subject: str, now: datetime, **changes: Any) -> dict[str, Any]:
    """Return acceptable claims with changes; None removes a claim."""
    issued = int(now.timestamp())
    base = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": str(new_id()),
    } | changes
    return {name: value for name, value in base.items() if value is not None}


def encoded(content: bytes | dict[str, Any]) -> str:
    """Return a part of a token: base64url without padding."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def sign(content: bytes | dict[str, Any], key: str = "ed", **header: Any) -> str:
    """Sign claims, or bytes that look like some; a header member that is None is left out."""
    full = {"alg": ALGORITHM[key], "typ": "at+jwt", "kid": key} | header
    shown = {name: value for name, value in full.items() if value is not None}
    return seal(encoded(shown), encoded(content), key)


def seal(header: str, payload: str, key: str = "ed") -> str:
    """Sign two parts as they are, whatever they say, with a key's own algorithm."""
    signed = f"{header}.{payload}"
    model = jws.JWSRegistry.algorithms[ALGORITHM[key]]
    return f"{signed}.{encoded(model.sign(signed.encode(), KEYS[key]))}"


def with_secret(content: dict[str, Any], secret: bytes, algorithm: str = "HS256") -> str:
    """Sign claims with a shared secret, as who holds the public key only could."""
    signed = f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': 'ed'})}.{encoded(content)}"
    model = jws.JWSRegistry.algorithms[algorithm]
    return f"{signed}.{encoded(model.sign(signed.encode(), OctKey.import_key(secret)))}"
