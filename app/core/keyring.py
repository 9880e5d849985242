"""The keys that keep identity apart: keyed hashes to match by, and encryption of what is kept.

Both keys are derived from one secret outside the database, so that the database alone tells
nobody who a subject is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
KEY_FILE = "identity-key"
_NONCE_BYTES = 12


class UnreadableSecret(Exception):  # noqa: N818 - names what happened to whom
    """What was sealed cannot be opened: other key, other place, or changed bytes."""


class Keyring:
    """Keyed hashes and authenticated encryption (AES-256-GCM) from one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the identity key has to be {SECRET_BYTES} bytes")
        self._matching = _derived(secret, b"msc-icaht matching")
        self._sealing = AESGCM(_derived(secret, b"msc-icaht sealing"))

    def token(self, *parts: str) -> bytes:
        """Return the keyed hash (HMAC-SHA-256) of an identifier's parts."""
        text = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.new(self._matching, text, hashlib.sha256).digest()

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt for one place, such as a row's id; only there can it be opened again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._sealing.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what was sealed for this place; raise UnreadableSecret."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._sealing.decrypt(nonce, rest, place.encode())
        except (InvalidTag, ValueError) as error:
            raise UnreadableSecret from error


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), SECRET_BYTES, salt=None, info=purpose).derive(secret)


def local_keyring(folder: Path) -> Keyring:
    """Read the key of a data directory, made at the first start; two starters agree on one."""
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Keyring(bytes.fromhex(path.read_text(encoding="ascii").strip()))
