"""Verifies an export of the audit trail with a public key and earlier checkpoints, trusting nobody.

It stands alone: Python 3.11 and its standard library, `python -I verify.py EXPORT --key KEY
--checkpoint FILE`. Each row is opened against its commitment, each commitment is in the header of
its operation, each header is a leaf of the tree (RFC 6962), and the tree has the root that the key
signed (Ed25519, RFC 8032) and extends every checkpoint given. Exit status 0 when all of it holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, NamedTuple

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)
Point = tuple[int, int, int, int]
RowKey = tuple[str, str, int]
LIKE_ITS_OPERATION = ("actor_id", "command", "organisation", "role", "study_id")
ROLLBACK = "/rollback"
MOST_SHOWN = 50


def _add(one: Point, other: Point) -> Point:
    """Add two points of the curve in extended coordinates (RFC 8032, 5.1.4)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    total = IDENTITY
    while factor:
        if factor & 1:
            total = _add(total, point)
        point, factor = _add(point, point), factor >> 1
    return total


def _point(encoded: bytes) -> Point | None:
    """Decode a point; None for bytes that are none (RFC 8032, 5.1.3)."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if len(encoded) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or IDENTITY


def signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature (64 bytes) is the Ed25519 key's (RFC 8032, 5.1.7)."""
    public, start = _point(key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or start is None or len(signature) != 64 or scalar >= ORDER:
        return False
    challenge = int.from_bytes(sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = _times(scalar, BASE), _add(start, _times(challenge, public))
    return not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))


class Tree:
    """The Merkle tree over leaves that come one by one; keeps the root at the sizes asked for."""

    def __init__(self, wanted: Iterable[int] = ()) -> None:
        self.size = 0
        self.roots = dict.fromkeys(wanted, b"")
        self._peaks: list[tuple[int, bytes]] = []
        self._note()

    def append(self, leaf: bytes) -> None:
        """Take the next leaf's hash."""
        count = 1
        while self._peaks and self._peaks[-1][0] == count:
            leaf, count = sha256(b"\x01" + self._peaks.pop()[1] + leaf).digest(), 2 * count
        self._peaks.append((count, leaf))
        self.size += 1
        self._note()

    def root(self) -> bytes:
        """Return the root over the leaves so far (RFC 6962, 2.1)."""
        hashes = [found for _, found in self._peaks] or [sha256(b"").digest()]
        root = hashes.pop()
        while hashes:
            root = sha256(b"\x01" + hashes.pop() + root).digest()
        return root

    def _note(self) -> None:
        if self.size in self.roots:
            self.roots[self.size] = self.root()


class Checkpoint(NamedTuple):
    """What a signed note says of the log: its size and root, when, and in which epoch."""

    log: str
    size: int
    root: bytes
    at: str
    epoch: int


class Key(NamedTuple):
    """A public key with the name it signs under."""

    name: str
    public: bytes


def read_keys(text: str) -> list[Key]:
    """Read verifier keys, one a line."""
    return [_read_key(line) for line in text.split()]


def _read_key(text: str) -> Key:
    """Read a verifier key, `name+id+key` (C2SP signed note)."""
    name, identifier, encoded = text.split("+", 2)
    content = b64decode(encoded, validate=True)
    if len(content) != 33 or content[0] != 1 or _key_id(name, content).hex() != identifier:
        raise ValueError("the key is not a verifier key of Ed25519")
    return Key(name, content[1:])


def _key_id(name: str, content: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + content).digest()[:4]


def open_note(note: str, keys: Iterable[Key]) -> list[str] | None:
    """Return the lines of a signed note, None unless one of the keys signed it.

    Half a note that a writer left before it when it was killed is passed over.
    """
    text, _, signatures = note.strip("\n").rpartition("\n\n")
    text = text.rpartition("\n\n")[2]
    for line in signatures.split("\n"):
        name, _, encoded = line.removeprefix("\u2014 ").partition(" ")
        content = b64decode(encoded)
        for key in keys:
            ours = (name, content[:4]) == (key.name, _key_id(name, b"\x01" + key.public))
            if ours and signed(key.public, f"{text}\n".encode(), content[4:]):
                return text.split("\n")
    return None


def notes_of(content: str) -> Iterator[str]:
    """Split a file of signed notes, with empty lines between them, into the notes."""
    lines: list[str] = []
    for line in [*content.splitlines(), ""]:
        if not line and lines and lines[-1].startswith("\u2014 "):
            yield "\n".join(lines) + "\n"
            lines = []
        elif line or lines:
            lines.append(line)
    if lines:
        raise ValueError("the file ends in the middle of a checkpoint")


def read_checkpoint(lines: list[str]) -> Checkpoint:
    """Read the lines of a checkpoint."""
    log, size, root, at, *more = lines
    epoch = int(more[0].removeprefix("epoch ")) if more else 0
    return Checkpoint(log, int(size), b64decode(root), at, epoch)


class Rollback(NamedTuple):
    """The signed statement that a log was restored to `resumed` after `published` was out."""

    published: Checkpoint
    resumed: Checkpoint
    reason: str


def read_rollback(lines: list[str]) -> Rollback:
    """Read the lines of a rollback statement."""
    told = dict(line.split(" ", 1) for line in lines[1:])
    published = Checkpoint(
        told["published"],
        int(told["published-size"]),
        b64decode(told["published-root"]),
        told["published-at"],
        int(told["published-epoch"]),
    )
    log, root = lines[0].removesuffix(ROLLBACK), b64decode(told["root"])
    resumed = Checkpoint(log, int(told["size"]), root, told["at"], int(told["epoch"]))
    return Rollback(published, resumed, told["reason"])


class Verification:
    """One pass over the lines of an export; `failures` are sentences, empty when all holds."""

    def __init__(self, keys: Sequence[Key], earlier: Iterable[str]) -> None:
        self.keys = keys
        self.failures: list[str] = []
        self.notices: list[str] = []
        self.counts = dict.fromkeys(("operation", "row", "pending", "leaf"), 0)
        self.earlier: list[Checkpoint] = []
        self.published: list[Checkpoint] = []
        self.rollbacks: list[Rollback] = []
        self._tree: Tree | None = None
        self._header: dict[str, Any] = {}
        self._due: dict[RowKey, str] = {}
        self._blinded: dict[RowKey, str] = {}
        self._redactions: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        for note in earlier:
            self._open(note, self.earlier, "A checkpoint that was given")

    def _fail(self, sentence: str) -> None:
        self.failures.append(sentence)

    def _open(self, note: str, checkpoints: list[Checkpoint], what: str) -> None:
        """Open a note and keep what it states: a rollback, or a checkpoint beside these."""
        lines = open_note(note, self.keys)
        if lines is None:
            self._fail(f"{what} was not signed with the key.")
        elif not lines[0].endswith(ROLLBACK):
            checkpoints.append(read_checkpoint(lines))
        elif (stated := read_rollback(lines)) not in self.rollbacks:
            self.rollbacks.append(stated)

    def line(self, item: dict[str, Any]) -> None:
        """Take the next line of the export; lines of other kinds say nothing that is verified."""
        takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "checkpoint": self._note,
            "rollback": self._note,
            "leaves": self._leaves,
            "operation": self._operation,
            "row": self._row,
            "pending": self._pending,
        }
        if item["kind"] in takers:
            takers[item["kind"]](item)

    def _note(self, item: dict[str, Any]) -> None:
        self._open(item["note"], self.published, f"The {item['kind']} of the export")

    def _leaves(self, item: dict[str, Any]) -> None:
        """Take leaves of other studies: their hashes are all that this export shows of them."""
        for leaf in item["hashes"]:
            self._leaf(bytes.fromhex(leaf))

    def _pending(self, item: dict[str, Any]) -> None:
        self.counts["pending"] += 1
        for table, text in item["rows"]:
            self._learn(table, text)

    def _leaf(self, leaf: bytes) -> None:
        if self._tree is None:
            resumed = [each.resumed for each in self.rollbacks]
            sizes = {each.size for each in (*self.earlier, *self.published, *resumed)}
            self._tree = Tree(sizes)
        self._tree.append(leaf)
        self.counts["leaf"] += 1

    def _operation(self, item: dict[str, Any]) -> None:
        """Take the header of an operation: its leaf, and the commitments its rows must open."""
        self._close()
        header = item["header"]
        self._leaf(sha256(b"\x00" + header.encode()).digest())
        self._header = json.loads(header)
        self._due = {(table, id_, number): commit
                     for table, id_, number, commit in self._header["rows"]}  # fmt: skip
        self.counts["operation"] += 1

    def _close(self) -> None:
        """See that every row of the operation before was there."""
        for table, record_id, _ in self._due:
            self._fail(f"A row of {table} {record_id} is sealed, but it is not in the export.")
        self._due = {}

    def _row(self, item: dict[str, Any]) -> None:
        table, text = item["table"], item["text"]
        key = table, item["record_id"], item["number"]
        commit = self._due.pop(key, None)
        self.counts["row"] += 1
        if commit is None:
            self._fail(f"A row of {table} {item['record_id']} is in the export, but never sealed.")
        elif item["salt"] is None:
            self._blinded[key] = sha256(text.encode()).hexdigest()
        elif sha256(b"\x02" + bytes.fromhex(item["salt"]) + text.encode()).hexdigest() != commit:
            self._fail(f"A row of {table} {item['record_id']} is not what was sealed.")
        else:
            self._learn(table, text)

    def _learn(self, table: str, text: str) -> None:
        """Remember who is who and what was redacted; hold an operation against its header."""
        row = json.loads(text) if table in {"principal", "redaction", "operation"} else {}
        if table == "principal":
            self._names[row["id"]] = row["display_name"]
        elif table == "redaction":
            self._redactions.append(row)
        elif table == "operation" and self._header.get("operation_id") == row["id"]:
            differing = [name for name in LIKE_ITS_OPERATION if self._header[name] != row[name]]
            if differing:
                self._fail(f"The header of operation {row['id']} differs in {differing[0]}.")

    def finish(self) -> None:
        """Draw the conclusions that need the whole export."""
        self._close()
        if self._tree is None:
            self._tree = Tree(each.size for each in (*self.earlier, *self.published))
        if not self.published:
            self._fail("The export names no checkpoint, so nothing says what the log was.")
        for each in self.published:
            if each.size != self._tree.size or each.root != self._tree.root():
                self._fail(f"The log is not the one of the checkpoint of {each.at}.")
        for rollback in self.rollbacks:
            self._check_rollback(rollback)
        for each in self.earlier:
            self._check_earlier(each, self._tree)
        self._check_blinded()

    def _check_rollback(self, rollback: Rollback) -> None:
        resumed = rollback.resumed
        assert self._tree is not None
        if self._tree.roots.get(resumed.size) != resumed.root:
            self._fail(f"The log does not go on from where it was restored to on {resumed.at}.")
        self.notices.append(
            f"The log was restored to {resumed.size} operations on {resumed.at}, after a checkpoint"
            f" of {rollback.published.size} was published: {rollback.reason}"
        )

    def _check_earlier(self, old: Checkpoint, tree: Tree) -> None:
        """Hold the log against a checkpoint that somebody kept."""
        if any(old.log != each.log for each in self.published):
            self._fail(f"The checkpoint of {old.at} is of another log.")
        elif tree.roots.get(old.size) == old.root:
            self.notices.append(f"The log extends the checkpoint of {old.at} ({old.size}).")
        elif any(
            each.published.epoch >= old.epoch and each.published.size >= old.size
            and each.resumed.size < old.size and each.resumed.epoch > old.epoch
            for each in self.rollbacks
        ):  # fmt: skip
            self.notices.append(f"The checkpoint of {old.at} was lost in a rollback that is told.")
        elif tree.size < old.size:
            self._fail(
                f"The log has {tree.size} operations; the checkpoint of {old.at} had {old.size}."
            )
        else:
            self._fail(f"The log was rewritten: the checkpoint of {old.at} has another root.")

    def _check_blinded(self) -> None:
        """See that what cannot be opened any more is what redactions say they left."""
        left: dict[RowKey, set[str]] = {}
        for redaction in self._redactions:
            for table, record_id, number, digest in redaction["scrubbed"]:
                left.setdefault((table, record_id, number), set()).add(digest)
            who, asked = (self._names.get(redaction[name], redaction[name])
                          for name in ("executed_by", "requested_by"))  # fmt: skip
            self.notices.append(
                f"Redacted: {redaction['field']} of {redaction['record_type']}"
                f" {redaction['record_id']}, by {who} at {redaction['recorded_at']},"
                f" requested by {asked}: {redaction['reason']}"
            )
        for (table, record_id, number), digest in self._blinded.items():
            if digest not in left.get((table, record_id, number), ()):
                self._fail(
                    f"A row of {table} {record_id} cannot be opened, and no redaction explains it."
                )


def verify_export(
    lines: Iterable[bytes], keys: Sequence[Key], earlier: Iterable[str]
) -> Verification:
    """Verify the lines of an export against the keys and the notes of earlier checkpoints."""
    found = Verification(keys, earlier)
    digest, count, end = sha256(), 0, None
    try:
        for line in lines:
            if end is not None:
                found.failures.append("Something follows the last line of the export.")
                break
            item = json.loads(line)
            if item["kind"] == "end":
                end = item
                continue
            digest.update(line)
            count += 1
            found.line(item)
        found.finish()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        found.failures.append(f"The export is malformed after line {count}: {error!r}.")
    if end is None:
        found.failures.append("The export is not whole: its last line is missing.")
    elif (end.get("rows"), end.get("sha256")) != (count, digest.hexdigest()):
        found.failures.append("The export is not what was written: its last line says otherwise.")
    return found


def report(found: Verification) -> Iterator[str]:
    """Tell in sentences what was verified and what was not."""
    counts = found.counts
    yield (
        f"Read {counts['row']} rows of {counts['operation']} operations,"
        f" in a log of {counts['leaf']} operations."
    )
    if counts["pending"]:
        yield f"{counts['pending']} operations were not sealed yet; nothing proves those."
    yield from found.notices
    if not found.earlier:
        yield "No earlier checkpoint was given, so nothing shows that the log was not rewritten."
    for failure in found.failures[:MOST_SHOWN]:
        yield f"FAILED: {failure}"
    if len(found.failures) > MOST_SHOWN:
        yield f"... and {len(found.failures) - MOST_SHOWN} more failures."
    yield "NOT VERIFIED." if found.failures else "VERIFIED."


def main(arguments: list[str] | None = None) -> int:
    """Verify the export that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path, help="the NDJSON file of the export")
    parser.add_argument("--key", required=True, help="the verifier key, or a file of such keys")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[],
                        help="a file of earlier checkpoints; may be repeated")  # fmt: skip
    wanted = parser.parse_args(arguments)
    try:
        kept = Path(wanted.key)
        is_file = "+" not in wanted.key or kept.is_file()
        keys = read_keys(kept.read_text("utf-8") if is_file else wanted.key)
        earlier = [note for path in wanted.checkpoint for note in notes_of(path.read_text("utf-8"))]
        with wanted.export.open("rb") as lines:
            found = verify_export(lines, keys, earlier)
    except (OSError, ValueError) as error:
        print(f"NOT VERIFIED: {error}.", file=sys.stderr)
        return 1
    for sentence in report(found):
        print(sentence)
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
