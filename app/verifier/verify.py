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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
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
Key = tuple[str, bytes]  # the name that it signs under, and the public key
Blinded = tuple[str, set[tuple[str, str]]]  # what is left of a row; the records its operation wrote
LIKE_ITS_OPERATION = ("actor_id", "command", "organisation", "role", "study_id")
AS_ASKED = ("study_id", "record_type", "record_id", "field", "reason", "requested_by")
REDACTED = "[redacted]"
ROLLBACK = "/rollback"
MOST_SHOWN = 50
# No transaction lives as long, and no clock is set back so far.
LONGEST, SLACK = timedelta(minutes=10), timedelta(minutes=1)
EVER = datetime.fromisoformat("0001-01-02T00:00:00Z")
LEARNT = ("principal", "redaction", "redaction_request")


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
        self.want(0)

    def want(self, size: int) -> None:
        """Ask for the root at a size that the tree has not passed yet."""
        self.roots.setdefault(size, b"")
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
    """What a signed note says of the log: size, root, when, in which epoch, and if more waited."""

    log: str
    size: int
    root: bytes
    at: str
    epoch: int
    more: bool = False


def read_keys(text: str) -> list[Key]:
    """Read verifier keys, one a line."""
    return [_read_key(line) for line in text.split()]


def _read_key(text: str) -> Key:
    """Read a verifier key, `name+id+key` (C2SP signed note)."""
    name, identifier, encoded = text.split("+", 2)
    content = b64decode(encoded, validate=True)
    if len(content) != 33 or content[0] != 1 or _key_id(name, content).hex() != identifier:
        raise ValueError("the key is not a verifier key of Ed25519")
    return name, content[1:]


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
        for owner, public in keys:
            ours = (name, content[:4]) == (owner, _key_id(name, b"\x01" + public))
            if ours and signed(public, f"{text}\n".encode(), content[4:]):
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
    log, size, root, at, *rest = lines
    epochs = [int(each.removeprefix("epoch ")) for each in rest if each != "more"]
    return Checkpoint(log, int(size), b64decode(root), at, max(epochs, default=0), "more" in rest)


# The signed statement that a log was restored: what was published, where it goes on, and why.
Rollback = tuple[Checkpoint, Checkpoint, str]


def read_rollback(lines: list[str]) -> Rollback:
    """Read the lines of a rollback statement."""
    told = dict(line.split(" ", 1) for line in lines[1:])
    sizes = int(told["published-size"]), int(told["size"])
    roots = b64decode(told["published-root"]), b64decode(told["root"])
    epochs = int(told["published-epoch"]), int(told["epoch"])
    logs, times = (told["published"], lines[0].removesuffix(ROLLBACK)), ("published-at", "at")
    before, after = (Checkpoint(logs[i], sizes[i], roots[i], told[times[i]], epochs[i])
                     for i in (0, 1))  # fmt: skip
    return before, after, told["reason"]


def explains(row: dict[str, Any], key: RowKey, found: Blinded, signed: Collection[str]) -> bool:
    """Tell whether a redaction may have touched a row, and the value is gone from there.

    It touches the row that it names, the images of that in the trail, what the operations that
    wrote it gave as reason, and documents that were signed, with the casebooks they are of.
    """
    target, (table, record_id, _) = (row["record_type"], row["record_id"]), key
    left = json.loads(found[0])
    images = [left[name] for name in ("old", "new") if left[name]] if table == "change" else [left]
    if table == "signature" and record_id in row["signatures"]:
        return f'"{REDACTED}"' in left["document"]
    if (left["table_name"] if table == "change" else table, record_id) == target:
        for part in row["field"].split("."):
            images = [image.get(part) if isinstance(image, dict) else None for image in images]
        return set(images) - {None} == {REDACTED}
    if table == "change":
        digests = {image.get("digest") for image in images}
        return left["table_name"] == "casebook" and bool(digests & set(signed))
    wrote = {target, ("change", target[1])} & found[1]
    return table in {"operation", "signature"} and bool(wrote) and left["reason"] == REDACTED


class Verification:
    """One pass over the lines of an export; `failures` are sentences, empty when all holds."""

    def __init__(self, keys: Sequence[Key], earlier: Iterable[str]) -> None:
        self.keys = keys
        self.failures, self.notices = list[str](), list[str]()
        self.counts = dict.fromkeys(("operation", "row", "pending", "leaf"), 0)
        self.earlier, self.published = list[Checkpoint](), list[Checkpoint]()
        self.rollbacks: list[Rollback] = []
        self.about, self.last, self._tree = dict[str, Any](), "", Tree()
        self._stated: dict[int, list[Checkpoint]] = {}
        self._number, self._at, self._since, self._newest = 0, EVER, EVER, EVER
        self._header, self._due = dict[str, Any](), dict[RowKey, str]()
        self._written, self._blinded = set[tuple[str, str]](), dict[RowKey, Blinded]()
        self._learnt = {name: dict[str, dict[str, Any]]() for name in LEARNT}
        for note in earlier:
            self._open(note, self.earlier, "A checkpoint that was given")

    def _fail(self, sentence: str) -> None:
        self.failures.append(sentence)

    def _expect(self, holds: bool, sentence: str) -> None:
        self.failures += [] if holds else [sentence]

    def _open(self, note: str, checkpoints: list[Checkpoint], what: str) -> None:
        """Open a note and keep what it states: a rollback, or a checkpoint beside these."""
        lines = open_note(note, self.keys)
        if lines is None:
            self._fail(f"{what} was not signed with the key.")
        elif not lines[0].endswith(ROLLBACK):
            found = read_checkpoint(lines)
            checkpoints.append(found)
            self._stated.setdefault(found.size, []).append(found)
            self._tree.want(found.size)
        elif (stated := read_rollback(lines)) not in self.rollbacks:
            self.rollbacks.append(stated)
            self._tree.want(stated[1].size)

    def line(self, item: dict[str, Any]) -> None:
        """Take the next line of the export; lines of other kinds say nothing that is verified."""
        takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "checkpoint": self._note, "rollback": self._note, "leaves": self._leaves,
            "operation": self._operation, "row": self._row,
        }  # fmt: skip
        if item["kind"] in takers:
            takers[item["kind"]](item)
        self.about = self.about or item
        self.counts["pending"] += item["kind"] == "pending"

    def _note(self, item: dict[str, Any]) -> None:
        self._open(item["note"], self.published, f"The {item['kind']} of the export")

    def _leaves(self, item: dict[str, Any]) -> None:
        """Take leaves of other studies: their hashes are all that this export shows of them."""
        for index in item.get("lost", ()):
            self._fail(f"Leaf {index} has lost its operation, which may be one of this study.")
        for leaf in item["hashes"]:
            self._leaf(bytes.fromhex(leaf))

    def _leaf(self, leaf: bytes) -> None:
        self._reach()
        self._tree.append(leaf)
        self.counts["leaf"] += 1

    def _reach(self) -> None:
        """Hold the times of what came so far against the checkpoints over exactly this."""
        for each in self._stated.get(self._tree.size, ()):
            if each.root == self._tree.root():
                at = datetime.fromisoformat(each.at)
                late = f"Something that the checkpoint of {each.at} covers says a later time."
                self._expect(self._newest <= at + SLACK, late)
                self._newest = EVER
                self._since = self._since if each.more else max(at, self._since)

    def _operation(self, item: dict[str, Any]) -> None:
        """Take the header of an operation: its leaf, and the commitments its rows must open."""
        self._close()
        header = item["header"]
        self._leaf(sha256(b"\x00" + header.encode()).digest())
        read = self._header = json.loads(header)
        self._due = {(table, id_, number): commit for table, id_, number, commit in read["rows"]}
        self._written = {(table, record_id) for table, record_id, _ in self._due}
        self.counts["operation"] += 1
        what, number, due = f"Operation {read['operation_id']}", read["sequence"], self._number + 1
        self._expect(number == due, f"{what} has number {number}, but {due} is missing.")
        self._expect(read["study_id"] == self.about["study_id"], f"{what} is of another study.")
        self._number = number
        self.last = f"number {number}, {read['command']} of {read['recorded_at']}"
        self._at = datetime.fromisoformat(read["recorded_at"])
        self._newest = max(self._newest, self._at)
        late = f"{what} is back-dated: it was sealed long after its time."
        self._expect(self._at >= self._since - LONGEST, late)

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
            self._blinded[key] = text, self._written
        elif sha256(b"\x02" + bytes.fromhex(item["salt"]) + text.encode()).hexdigest() != commit:
            self._fail(f"A row of {table} {item['record_id']} is not what was sealed.")
        else:
            self._learn(table, text)

    def _learn(self, table: str, text: str) -> None:
        """Remember who is who and what was redacted; hold a row against its operation's header."""
        row, header = json.loads(text), self._header
        at = datetime.fromisoformat(row.get("recorded_at") or header["recorded_at"])
        self._newest = max(self._newest, at)
        older = f"A row of {table} {row.get('id')} is older than its operation."
        self._expect(at >= self._at - SLACK, older)
        if table in LEARNT:
            by = {"actor": header["actor_id"], "of": header["role"]}
            self._learnt[table][row["id"]] = row | by
        elif table == "operation" and header["operation_id"] == row["id"]:
            differing = [name for name in LIKE_ITS_OPERATION if header[name] != row[name]]
            differing += ["recorded_at"] if at != self._at else []
            for name in differing[:1]:
                self._fail(f"The header of operation {row['id']} differs in {name}.")

    def finish(self) -> None:
        """Draw the conclusions that need the whole export."""
        self._close()
        self._reach()
        self._expect(bool(self.last), "The export shows no operation, so it proves nothing.")
        self._expect(bool(self.published), "The export names no checkpoint of the log.")
        for each in self.published:
            is_it = (each.size, each.root) == (self._tree.size, self._tree.root())
            self._expect(is_it, f"The log is not the one of the checkpoint of {each.at}.")
        for before, after, reason in self.rollbacks:
            goes_on = self._tree.roots.get(after.size) == after.root
            self._expect(goes_on, f"The log does not go on from its restore on {after.at}.")
            self.notices.append(f"The log was restored to {after.size} operations on {after.at},"
                                f" after {before.size} had been published: {reason}")  # fmt: skip
        for each in self.earlier:
            self._check_earlier(each, self._tree)
        self._check_redactions()

    def _check_earlier(self, old: Checkpoint, tree: Tree) -> None:
        """Hold the log against a checkpoint that somebody kept."""
        if any(old.log != each.log for each in self.published):
            self._fail(f"The checkpoint of {old.at} is of another log.")
        elif tree.roots.get(old.size) == old.root:
            self.notices.append(f"The log extends the checkpoint of {old.at} ({old.size}).")
        elif any(
            before.epoch >= old.epoch and after.size < old.size <= before.size
            and after.epoch > old.epoch for before, after, _ in self.rollbacks
        ):  # fmt: skip
            self.notices.append(f"The checkpoint of {old.at} was lost in a rollback that is told.")
        elif tree.size < old.size:
            had = f"the checkpoint of {old.at} had {old.size}"
            self._fail(f"The log has {tree.size} operations; {had}.")
        else:
            self._fail(f"The log was rewritten: the checkpoint of {old.at} has another root.")

    def _is_authorised(self, row: dict[str, Any]) -> bool:
        """Tell whether an investigator asked for this and a data manager, another, did it."""
        asked = self._learnt["redaction_request"].get(row["request_id"], {})
        two = row["requested_by"] != row["executed_by"]
        return two and all(asked.get(name) == row[name] for name in AS_ASKED) and (
            (asked["actor"], asked["of"]) == (row["requested_by"], "principal_investigator")
            and (row["actor"], row["of"]) == (row["executed_by"], "data_manager"))  # fmt: skip

    def _check_redactions(self) -> None:
        """See that what cannot be opened any more is what redactions of two persons left."""
        unexplained = set(self._blinded)
        for row in self._learnt["redaction"].values():
            told = f"{row['field']} of {row['record_type']} {row['record_id']}"
            if not self._is_authorised(row):
                self._fail(f"The redaction of {told} is not by an investigator and a data manager.")
                continue
            ids, people = (row["executed_by"], row["requested_by"]), self._learnt["principal"]
            who, asked = (people.get(each, {}).get("display_name", each) for each in ids)
            self.notices.append(f"Redacted: {told}, by {who} at {row['recorded_at']},"
                                f" requested by {asked}: {row['reason']}")  # fmt: skip
            bound = {json.loads(found[0])["digest"] for key, found in self._blinded.items()
                     if key[0] == "signature" and key[1] in row["signatures"]}  # fmt: skip
            explained = {key for key, found in self._blinded.items()
                         if [*key, sha256(found[0].encode()).hexdigest()] in row["scrubbed"]
                         and explains(row, key, found, bound)}  # fmt: skip
            unexplained -= explained
            self.notices += [f"  It blinded {table} {id_} {number or ''}".rstrip()
                             for table, id_, number in sorted(explained)]  # fmt: skip
        for table, id_, _ in sorted(unexplained):
            self._fail(f"A row of {table} {id_} cannot be opened, and no redaction explains it.")


def verify_export(lines: Iterable[bytes], keys: Sequence[Key],
                  earlier: Iterable[str]) -> Verification:  # fmt: skip
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
    counts, failures = found.counts, found.failures
    shown = f"Read {counts['row']} rows of {counts['operation']} operations"
    yield f"{shown}, in a log of {counts['leaf']} operations."
    hidden = counts["leaf"] - counts["operation"]
    yield f"{hidden} OPERATIONS OF THE LOG ARE NOT SHOWN; they are said to be of other studies."
    for each in found.published:
        yield f"The log ends at {each.at} UTC; the export says {found.about.get('exported_at')}."
    yield f"The last operation shown is {found.last}. Of later ones this export proves nothing."
    if counts["pending"]:
        yield f"{counts['pending']} operations were not sealed yet; nothing proves those."
    yield from found.notices
    if not found.earlier:
        yield "No earlier checkpoint was given, so nothing shows that the log was not rewritten."
    yield from (f"FAILED: {failure}" for failure in failures[:MOST_SHOWN])
    if len(failures) > MOST_SHOWN:
        yield f"... and {len(failures) - MOST_SHOWN} more failures."
    yield "NOT VERIFIED." if failures else "VERIFIED."


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
