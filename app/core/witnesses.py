"""A witness: a folder outside the database whose files only grow, with what the seal published.

`checkpoints` holds the signed notes, each followed by an empty line; `keys` the public keys, one a
line. A writer that was killed may leave half a note, which its readers pass over.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from app.domain.seal_note import notes_of

CHECKPOINTS = "checkpoints"
KEYS = "keys"
# Notes are some 300 bytes, a rollback with its reason not much more.
_TAIL_BYTES = 65_536


class Witness:
    """The published notes of a log in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checkpoints = folder / CHECKPOINTS
        self._keys = folder / KEYS

    def last(self) -> str | None:
        """Return the note that was published last, None when none was; raise OSError."""
        notes = notes_of(self._tail().decode("utf-8", errors="replace"))
        return notes[-1] if notes else None

    def notes(self) -> list[str]:
        """Return every note that was published; raise OSError."""
        return notes_of(_content(self._checkpoints).decode("utf-8", errors="replace"))

    def publish(self, notes: Sequence[str]) -> None:
        """Add notes and wait until they are on the disk; raise OSError."""
        if notes:
            # Ends a note that was cut off, so that it cannot swallow the next one.
            start = "" if self._tail(2) in (b"", b"\n\n") else "\n"
            _append(self._checkpoints, start + "".join(f"{note}\n" for note in notes))

    def verifiers(self) -> list[str]:
        """Return the public keys that signed here, the first first; raise OSError."""
        return _content(self._keys).decode("utf-8", errors="replace").split()

    def add_key(self, verifier: str) -> None:
        """Name a public key, unless it was named before; raise OSError."""
        if verifier not in self.verifiers():
            _append(self._keys, f"{verifier}\n")

    def _tail(self, count: int = _TAIL_BYTES) -> bytes:
        """Return the last bytes of the notes."""
        try:
            with self._checkpoints.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - count))
                return file.read()
        except FileNotFoundError:
            return b""


def _content(path: Path) -> bytes:
    """Return what a file holds, nothing when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _append(path: Path, text: str) -> None:
    """Add to the end of a file, on the disk; a new file's name as well."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
