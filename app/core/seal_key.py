"""The key of the seal: Ed25519, in a file outside the database, for signing notes only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.core.errors import OperatorError
from app.domain.seal_note import (
    Note,
    NoteSignature,
    key_id,
    note_of,
    parse_verifier_key,
    verifier_key,
)

KEY_FILE = "seal-key"


class SealKey:
    """Signs the texts of a log under the log's name."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def note(self, name: str, text: str) -> str:
        """Sign a text; return the whole note."""
        signature = self._key.sign(text.encode())
        return note_of(text, NoteSignature(name, key_id(name, self._public), signature))

    def verifier(self, name: str) -> str:
        """Return the public key under a name, as everybody who verifies needs it."""
        return verifier_key(name, self._public)


def is_signed(note: Note, verifiers: Iterable[str]) -> bool:
    """Tell whether one of the keys signed the text under its own name."""
    for name, public in map(parse_verifier_key, verifiers):
        for each in note.signatures:
            if (each.name, each.key_id) == (name, key_id(name, public)):
                return _verifies(public, each.signature, note.text)
    return False


def _verifies(public: bytes, signature: bytes, text: str) -> bool:
    """Tell whether a signature is the key's."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def local_seal_key(path: Path) -> SealKey:
    """Read the key of development, made when there is none; two starters agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                Ed25519PrivateKey.generate().private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                )
            )
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_seal_key(path)


def read_seal_key(path: Path) -> SealKey:
    """Read a private Ed25519 key in PEM (openssl genpkey -algorithm ed25519); OperatorError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"SEAL_KEY_FILE {path} cannot be read as a PEM key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"SEAL_KEY_FILE {path} holds no private Ed25519 key.")
    return SealKey(key)
