"""Private keys in files: one that was configured, or one of development that is made once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey


def local_key(path: Path) -> OKPKey:
    """Read a key, making it first when there is none; two starters agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = OKPKey.generate_key("Ed25519", auto_kid=True)
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(fresh.as_dict(private=True), file)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))


def configured_key(path: Path) -> OKPKey:
    """Read a private Ed25519 key in PEM; raise OSError and ValueError for what is none."""
    try:
        key = OKPKey.import_key(path.read_bytes())
    except JoseError as error:
        raise ValueError("it is no key") from error
    if not key.is_private or key.curve_name != "Ed25519":
        raise ValueError("it is no private Ed25519 key")
    key.ensure_kid()
    return key
