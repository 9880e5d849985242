"""Signed notes (C2SP): the text of a checkpoint and of a rollback, and its signature lines."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import sha256

# The C2SP number of Ed25519 signatures.
ED25519 = b"\x01"
KEY_ID_BYTES = 4
SIGNATURE_BYTES = 64
HASH_BYTES = 32
ORIGIN = "msc-icaht/"
ROLLBACK = "/rollback"
MORE = "more"

_DASH = "\u2014 "
# The lines of a rollback statement after its first begin with these.
_WORDS = (
    "epoch",
    "published",
    "published-epoch",
    "published-size",
    "published-root",
    "published-at",
    "size",
    "root",
    "at",
    "reason",
)
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_EPOCH = re.compile(r"epoch ([1-9][0-9]{0,8})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_NAME = re.compile(r"[!-*,-~]+")


class MalformedNoteError(ValueError):
    """The text is not a note, checkpoint or rollback of this format."""


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: who signed, with which key (4 bytes of its id), and the signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A signed note: the text that was signed, its last line feed included, and who signed."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The log at one size: its root, when it was signed (RFC 3339, UTC), and its epoch.

    With `more`, operations were waiting that one checkpoint could not take as well: what came into
    the log behind it may be older than it is.
    """

    log_id: str
    size: int
    root: bytes
    at: str
    epoch: int = 0
    more: bool = False


@dataclass(frozen=True)
class Rollback:
    """The statement that a log was restored: what was published last, and where it goes on."""

    epoch: int
    published: Checkpoint
    log_id: str
    size: int
    root: bytes
    at: str
    reason: str


def origin(log_id: str) -> str:
    """Return the first line of a log's checkpoints, which is the name of its key as well."""
    return ORIGIN + log_id


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the four bytes that say which Ed25519 key (32 bytes) signed under a name."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:KEY_ID_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """Return the C2SP text form of a public key: `name+id+key`."""
    identifier = key_id(name, public_key).hex()
    return f"{name}+{identifier}+{b64encode(ED25519 + public_key).decode()}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Return the name and the 32 bytes of a public key; the reverse of `verifier_key`."""
    name, _, rest = text.strip().partition("+")
    identifier, _, encoded = rest.partition("+")
    key = _decoded(encoded)
    if key[:1] != ED25519 or len(key) != 1 + HASH_BYTES:
        raise MalformedNoteError("the key is not an Ed25519 verifier key")
    if key_id(name, key[1:]).hex() != identifier:
        raise MalformedNoteError("the id of the key is not the one of its bytes")
    return name, key[1:]


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Write the text of a checkpoint, ready to sign."""
    epoch = f"epoch {checkpoint.epoch}\n" if checkpoint.epoch else ""
    more = f"{MORE}\n" if checkpoint.more else ""
    return (
        f"{origin(checkpoint.log_id)}\n{checkpoint.size}\n"
        f"{b64encode(checkpoint.root).decode()}\n{checkpoint.at}\n{epoch}{more}"
    )


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; refuses whatever `checkpoint_text` would not write."""
    lines = _lines(text)
    more = lines[4:][-1:] == [MORE]
    if more:
        lines.pop()
    if len(lines) not in {4, 5} or not lines[0].startswith(ORIGIN):
        raise MalformedNoteError("the text is not a checkpoint")
    return Checkpoint(
        log_id=lines[0].removeprefix(ORIGIN),
        size=_size(lines[1]),
        root=_hash(lines[2]),
        at=_moment(lines[3]),
        epoch=_epoch(lines[4]) if len(lines) == 5 else 0,
        more=more,
    )


def rollback_text(rollback: Rollback) -> str:
    """Write the text of a rollback statement, ready to sign."""
    values = (
        rollback.epoch,
        origin(rollback.published.log_id),
        rollback.published.epoch,
        rollback.published.size,
        b64encode(rollback.published.root).decode(),
        rollback.published.at,
        rollback.size,
        b64encode(rollback.root).decode(),
        rollback.at,
        rollback.reason,
    )
    lines = "".join(f"{word} {value}\n" for word, value in zip(_WORDS, values, strict=True))
    return f"{origin(rollback.log_id)}{ROLLBACK}\n{lines}"


def parse_rollback(text: str) -> Rollback:
    """Read the text of a rollback statement; refuses whatever `rollback_text` would not write."""
    first, *lines = _lines(text)
    parts = [line.partition(" ") for line in lines]
    if not is_rollback(text) or tuple(word for word, _, _ in parts) != _WORDS:
        raise MalformedNoteError("the text is not a rollback statement")
    epoch, log, old_epoch, old_size, old_root, old_at, size, root, at, reason = (
        value for _, _, value in parts
    )
    if not log.startswith(ORIGIN):
        raise MalformedNoteError("the statement names no log")
    return Rollback(
        epoch=_size(epoch),
        published=Checkpoint(
            log.removeprefix(ORIGIN),
            _size(old_size),
            _hash(old_root),
            _moment(old_at),
            _size(old_epoch),
        ),
        log_id=first.removeprefix(ORIGIN).removesuffix(ROLLBACK),
        size=_size(size),
        root=_hash(root),
        at=_moment(at),
        reason=reason,
    )


def is_rollback(text: str) -> bool:
    """Tell whether the text of a note is a rollback statement rather than a checkpoint."""
    first = text.partition("\n")[0]
    return first.startswith(ORIGIN) and first.endswith(ROLLBACK)


def note_of(text: str, *signatures: NoteSignature) -> str:
    """Put a text and its signatures together into a note."""
    lines = "".join(
        f"{_DASH}{each.name} {b64encode(each.key_id + each.signature).decode()}\n"
        for each in signatures
    )
    return f"{text}\n{lines}"


def parse_note(note: str) -> Note:
    """Take a note apart; it has one signature or more. Nothing is verified here."""
    text, blank, signed = note.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        raise MalformedNoteError("the note has no signature")
    signatures = tuple(_signature(line) for line in signed[:-1].split("\n"))
    return Note(f"{text}\n", signatures)


def notes_of(content: str) -> list[str]:
    """Split a file of notes, each followed by an empty line, into its whole notes.

    What was cut off while it was written is left out: each note begins with its origin, and no
    other line does.
    """
    notes: list[str] = []
    lines: list[str] = []
    for line in content.splitlines(keepends=True):
        if line.startswith(ORIGIN):
            lines = []
        if line == "\n" and lines and lines[-1].startswith(_DASH):
            notes.append("".join(lines))
            lines = []
        else:
            lines.append(line)
    return notes


def _signature(line: str) -> NoteSignature:
    """Read one signature line."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise MalformedNoteError("a line of the note is not a signature")
    content = _decoded(encoded)
    if len(content) != KEY_ID_BYTES + SIGNATURE_BYTES:
        raise MalformedNoteError("a signature of the note is not of Ed25519")
    return NoteSignature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _lines(text: str) -> list[str]:
    """Return the lines of a text that ends with a line feed and has no empty line."""
    lines = text.split("\n")
    if lines.pop() or not all(lines):
        raise MalformedNoteError("the text does not end as a note does")
    return lines


def _size(text: str) -> int:
    """Read a count without sign or leading zero."""
    if not _SIZE.fullmatch(text):
        raise MalformedNoteError("a size is not a decimal number")
    return int(text)


def _epoch(line: str) -> int:
    """Read the line of an epoch after the first."""
    found = _EPOCH.fullmatch(line)
    if found is None:
        raise MalformedNoteError("a line is not an epoch")
    return int(found[1])


def _moment(line: str) -> str:
    """Read a moment in UTC; kept as it was written."""
    if not _MOMENT.fullmatch(line):
        raise MalformedNoteError("a time is not RFC 3339 in UTC")
    return line


def _hash(line: str) -> bytes:
    """Read a hash in Base64."""
    content = _decoded(line)
    if len(content) != HASH_BYTES:
        raise MalformedNoteError("a root is not a SHA-256 hash")
    return content


def _decoded(encoded: str) -> bytes:
    """Read Base64 that is written in the one canonical way."""
    try:
        content = b64decode(encoded, validate=True)
    except (NotBase64, ValueError) as error:
        raise MalformedNoteError("a line is not Base64") from error
    if b64encode(content).decode() != encoded:
        raise MalformedNoteError("a line is not canonical Base64")
    return content
