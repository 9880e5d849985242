"""Signed tokens (JWS) taken apart strictly: nothing inside one chooses its key or how it is read.

RFC 8725: a key verifies by its own algorithms only, and a token that brings a key along, or asks
to be read in another way, is refused before anything in it counts.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, OctKey
from joserfc.jws import JWSRegistry

LONGEST = 8192
LONGEST_TEXT = 200
SMALLEST_RSA_BITS = 2048
_YEAR_10000 = 253_402_300_800
# By the kind of key. EdDSA is the older name of Ed25519 (RFC 9864).
_ALGORITHMS = {
    "Ed25519": {"Ed25519": "Ed25519", "EdDSA": "Ed25519"},
    "P-256": {"ES256": "ES256"},
    "P-384": {"ES384": "ES384"},
    "RSA": {"RS256": "RS256", "RS384": "RS384"},
}
_OLDER_NAMES = {"EdDSA": "Ed25519"}
ALGORITHMS = sorted({name for names in _ALGORITHMS.values() for name in names})
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# They bring a key along, or have the token read in another way.
_REFUSED_MEMBERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class BadToken(Exception):  # noqa: N818 - not an error of ours: the token is no good
    """The token is not to be believed; which of the reasons it was is nobody's business."""


class UnknownKey(BadToken):
    """No key of the set is named as the token names its own."""


class PublicKeys:
    """The public keys of one issuer or client, each with the algorithms it may verify by."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = [(key, _algorithms_of(key)) for key in keys]

    @classmethod
    def read(cls, document: Any) -> PublicKeys:
        """Read a JSON Web Key Set.

        Keys of a kind that nothing is verified by here are passed over; raises ValueError when
        none is left.
        """
        try:
            keys = [_public(each) for each in document["keys"]]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ValueError("it is not a set of public keys") from error
        found = cls(key for key in keys if key is not None and _algorithms_of(key))
        if not found:
            raise ValueError("it has no public key of a kind that is taken here")
        return found

    def __len__(self) -> int:
        return len(self._keys)

    def choose(self, header: dict[str, Any]) -> tuple[Key, str]:
        """Return the one key that a header means, with the algorithm by which to verify.

        A token without `kid` means the only key there is. Raises UnknownKey and BadToken.
        """
        kid, algorithm = header.get("kid"), header.get("alg")
        if kid is None and len(self._keys) > 1:
            raise BadToken
        named = [each for each in self._keys if kid is None or each[0].kid == kid]
        if not named:
            raise UnknownKey
        fitting = [(key, names[algorithm]) for key, names in named if algorithm in names]
        if len(fitting) != 1:
            raise BadToken
        return fitting[0]


def _public(document: Any) -> Key | None:
    """Read the public half of a key; None for one of a kind that is unknown here."""
    if not isinstance(document, dict):
        raise TypeError
    if document.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    public = JWKRegistry.import_key(document).as_dict(private=False)
    if "alg" in public:
        name = str(public["alg"])
        public["alg"] = _OLDER_NAMES.get(name, name)
    key = JWKRegistry.import_key(public)
    if key.kid is None:
        key.ensure_kid()
    return key


def _algorithms_of(key: Key) -> dict[str, str]:
    """Return by which algorithms a key may verify, none for a key that is too weak or not for it.

    The keys of the answer are names in headers, the values the library's.
    """
    if isinstance(key, OctKey) or key.get("use") not in (None, "sig"):
        return {}
    public = key.public_key
    if isinstance(public, RSAPublicKey) and public.key_size < SMALLEST_RSA_BITS:
        return {}
    names = _ALGORITHMS.get(str(key.get("crv", key.key_type)), {})
    if key.alg is None:
        return names
    # A key for one algorithm is good under each of its names.
    meant = names.get(key.alg)
    return {name: algorithm for name, algorithm in names.items() if algorithm == meant}


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token as it reads; nothing in it is true before its signature is checked."""

    header: dict[str, Any]
    claims: dict[str, Any]
    _signed: bytes
    _signature: bytes

    def check_signature(self, keys: PublicKeys) -> None:
        """Raise BadToken, or UnknownKey, unless one of the keys has signed the token."""
        key, algorithm = keys.choose(self.header)
        try:
            model = JWSRegistry.algorithms[algorithm]
            model.check_key(key)
            good = model.verify(self._signed, self._signature, key)
        except (JoseError, ValueError) as error:
            raise BadToken from error
        if not good:
            raise BadToken


def read(text: str) -> SignedToken:
    """Take a token apart; raise BadToken for what is none, or asks to be read in another way."""
    if len(text) > LONGEST or not _COMPACT.fullmatch(text):
        raise BadToken
    signed, _, signature = text.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        token = SignedToken(
            _object(_decoded(header)), _object(_decoded(payload)), signed.encode(),
            _decoded(signature),
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise BadToken from error
    kid = token.header.get("kid")
    if not _REFUSED_MEMBERS.isdisjoint(token.header) or not (kid is None or is_text(kid)):
        raise BadToken
    return token


def is_text(value: Any) -> bool:
    """Tell whether a member is text of a reasonable length that can be shown and stored."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def is_number(value: Any) -> bool:
    """Tell whether a member is an instant in seconds since 1970, of a year with four digits."""
    is_numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_numeric and 0 <= value < _YEAR_10000


def _decoded(part: str) -> bytes:
    """Decode base64url without padding; one text only stands for the same bytes."""
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise BadToken
    return decoded


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise BadToken
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a member twice: another reader may have checked the other one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadToken
    return found


def _no_constant(_name: str) -> Any:
    raise BadToken
