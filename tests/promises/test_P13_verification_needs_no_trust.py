"""P13: an export, a public key and an old checkpoint verify; nothing of ours has to be trusted."""

import base64
import json
import subprocess
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import verifier
from app.core.seal_key import KEY_FILE, local_seal_key
from app.core.witnesses import Witness
from app.domain.seal_note import Checkpoint, Rollback, checkpoint_text, rollback_text
from app.domain.seal_tree import root_of
from app.domain.vocabulary import Role
from app.verifier.verify import Tree, read_keys, signed, verify_export
from tests.factories.events import dose_limiting_event
from tests.factories.seal import lives, running, seal, until
from tests.factories.subjects import screened_subject

LOG = "msc-icaht/log"
VERIFY = Path(verifier.__file__).with_name("verify.py")
# RFC 8032, 7.1, tests 1 to 3: public key, message, signature.
SIGNED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        ("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        ("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        ("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ),
]  # fmt: skip
# RFC 6962: the leaves that implementations test with, and their roots at sizes 1 to 8.
LEAVES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def run(*arguments: object) -> subprocess.CompletedProcess:
    """Run verify.py as an inspector does: isolated, in another folder, without our environment."""
    command = [sys.executable, "-I", "-S", "-B", str(arguments[0]), *map(str, arguments[1:])]
    return subprocess.run(
        command, cwd="/", env={}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
async def handed_over(committing_api, committing_url, tmp_path):
    """What an inspector holds: an export, the public key, an old checkpoint, and verify.py."""
    witness = tmp_path / "witness-0"
    await seal(committing_url, tmp_path)
    (tmp_path / "old").write_bytes((witness / "checkpoints").read_bytes())
    subject = await screened_subject(committing_api)
    await dose_limiting_event(committing_api, subject, date(2026, 7, 20))
    await seal(committing_url, tmp_path)
    auditor = committing_api(Role.AUDITOR)
    export = await auditor.get("/audit/export")
    assert export.status_code == 200, export.text
    script = await auditor.get("http://test/api/v1/audit/verifier")
    (tmp_path / "verify.py").write_bytes(script.content)
    (tmp_path / "export.ndjson").write_bytes(export.content)
    (tmp_path / "key").write_bytes((witness / "keys").read_bytes())
    key = local_seal_key(tmp_path / KEY_FILE)
    return SimpleNamespace(folder=tmp_path, export=export.content, key=key)


def verify(held, export: bytes | None = None, **files: str) -> tuple[int, str]:
    """Verify an export with what the inspector holds; return the status and what was told."""
    path = held.folder / "export.ndjson"
    if export is not None:
        path = held.folder / "tampered.ndjson"
        path.write_bytes(export)
    key, old = (held.folder / files.get(name, name) for name in ("key", "old"))
    done = run(held.folder / "verify.py", path, "--key", key, "--checkpoint", old)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


async def test_an_export_verifies_without_us(handed_over):
    """Every row opens, the root is the signed one, and it extends the old checkpoint."""
    status, told = verify(handed_over)
    assert status == 0, told
    assert told.endswith("VERIFIED.\n")
    assert "The log extends the checkpoint of" in told
    assert "1 operations were not sealed yet" in told  # the export itself
    assert "0 OPERATIONS OF THE LOG ARE NOT SHOWN" in told
    assert "The log ends at 20" in told
    assert "The last operation shown is number " in told
    lines = handed_over.export.splitlines()
    rows = sum(json.loads(line)["kind"] == "row" for line in lines)
    assert f"Read {rows} rows" in told
    assert rows > 20


def relined(lines: list[dict], stale: bool = False) -> bytes:
    """Write lines as an export, with a last line that fits unless it is to stay stale."""
    *body, end = lines
    written = [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in body]
    if not stale:
        end = end | {"rows": len(body), "sha256": sha256(b"".join(written)).hexdigest()}
    return b"".join(written) + json.dumps(end).encode() + b"\n"


def index_of(lines: list[dict], kind: str, **values) -> int:
    """Return the place of the first line of a kind, and with these values."""
    wanted = values | {"kind": kind}
    return next(i for i, line in enumerate(lines) if wanted.items() <= line.items())


def edit_text(lines):
    """Change a value in a row."""
    row = lines[index_of(lines, "row", table="dlt_adjudication")]
    row["text"] = row["text"].replace("true", "false")


def drop_row(lines):
    """Leave a row out."""
    del lines[index_of(lines, "row", table="dlt_adjudication")]


def add_row(lines):
    """Add a row that nobody sealed."""
    place = index_of(lines, "row", table="dlt_adjudication")
    lines.insert(place, lines[place] | {"record_id": "0198c0de-0000-7000-8000-000000000001"})


def blind_row(lines):
    """Change a row and take its salt away, as after a redaction."""
    edit_text(lines)
    lines[index_of(lines, "row", table="dlt_adjudication")]["salt"] = None


def drop_operation(lines):
    """Leave the last operation out, with its rows."""
    last = max(i for i, line in enumerate(lines) if line["kind"] == "operation")
    kept = [line for line in lines[last + 1 :] if line["kind"] != "row"]
    lines[last:] = kept


def edit_header(lines):
    """Change who did it in the header."""
    operation = next(line for line in lines if '"create_subject"' in line.get("header", ""))
    operation["header"] = operation["header"].replace("study_coordinator", "sub_investigator")


def edit_checkpoint(lines):
    """Change the size that the checkpoint states."""
    checkpoint = lines[index_of(lines, "checkpoint")]
    name, _, rest = checkpoint["note"].split("\n", 2)
    checkpoint["note"] = f"{name}\n1\n{rest}"


def drop_checkpoint(lines):
    """Leave the checkpoint out."""
    del lines[index_of(lines, "checkpoint")]


def swap_texts(lines):
    """Swap what two operations say."""
    first, second = [line for line in lines if line.get("table") == "operation"][:2]
    first["text"], second["text"] = second["text"], first["text"]


def hide_operation(lines):
    """Show an operation in the middle as a leaf of another study."""
    places = [i for i, line in enumerate(lines) if line["kind"] == "operation"]
    start, end = places[-2], places[-1]
    leaf = sha256(b"\x00" + lines[start]["header"].encode()).hexdigest()
    lines[start:end] = [{"kind": "leaves", "from": lines[start]["index"], "hashes": [leaf]}]


def lose_operation(lines):
    """Say that a leaf has lost its operation, as an honest service does."""
    hide_operation(lines)
    line = lines[index_of(lines, "leaves")]
    line["lost"] = [line["from"]]


def hide_everything(lines):
    """Show the hashes of all leaves and nothing else."""
    leaves = [
        sha256(b"\x00" + line["header"].encode()).hexdigest()
        for line in lines
        if line["kind"] == "operation"
    ]
    shown = {"kind": "leaves", "from": 0, "hashes": leaves}
    lines[:] = [*(each for each in lines[:2]), shown, lines[-1]]


def say_another_study(lines):
    """Hand over the export of another study."""
    lines[0]["study_id"] = "0198c0de-0000-7000-8000-000000000001"


def number_on(lines):
    """Let the first line say where to begin to count, beside hiding an operation."""
    hide_operation(lines)
    lines[0] |= {"due": 99, "sequence": 99}


TAMPERED = {
    hide_operation: "is missing",
    lose_operation: "has lost its operation",
    hide_everything: "shows no operation, so it proves nothing",
    say_another_study: "is of another study",
    number_on: "is missing",
    edit_text: "is not what was sealed",
    drop_row: "is sealed, but it is not in the export",
    add_row: "is in the export, but never sealed",
    blind_row: "no redaction explains it",
    drop_operation: "is not the one of the checkpoint",
    edit_header: "is not the one of the checkpoint",
    edit_checkpoint: "was not signed with the key",
    drop_checkpoint: "names no checkpoint",
    swap_texts: "is not what was sealed",
}


async def test_tampered_exports_fail(handed_over):
    """The control: each is told for what it is, though its last line was made to fit; status 1."""
    for tamper, sentence in TAMPERED.items():
        lines = [json.loads(line) for line in handed_over.export.splitlines()]
        tamper(lines)
        status, told = verify(handed_over, relined(lines))
        assert status == 1, tamper.__name__
        assert sentence in told, (tamper.__name__, told)
        assert told.endswith("NOT VERIFIED.\n")
    lines = [json.loads(line) for line in handed_over.export.splitlines()]
    assert verify(handed_over, relined(lines))[0] == 0  # the control: rewritten, not tampered


async def test_an_export_ends_with_its_own_act_where_a_sealer_works(
    committing_api, committing_database, committing_url, tmp_path
):
    """That one is numbered behind all before it, so that none of those can be left out unseen."""
    await screened_subject(committing_api)
    async with running(committing_url, tmp_path):
        await until(lambda: lives(committing_database))
        export = await committing_api(Role.AUDITOR).get("/audit/export")
    keys = read_keys("\n".join(Witness(tmp_path / "witness-0").verifiers()))
    found = verify_export(export.content.splitlines(keepends=True), keys, [])
    assert found.failures == []
    assert found.counts["pending"] == 0
    assert found.last.startswith(f"number {found.counts['operation']}, export_audit of ")


def an_operation(
    key, times: tuple[str, str, str], more: bool = False, **values
) -> tuple[list[dict], list[str]]:
    """Write an export of one operation behind a leaf of another study, and the note before it."""
    before, recorded, after = times
    row = json.dumps({"id": ID, "recorded_at": recorded} | values)
    commit = sha256(b"\x02" + bytes(32) + row.encode()).hexdigest()
    header = json.dumps({
        "operation_id": ID, "study_id": ID, "sequence": 1, "command": "x", "actor_id": None,
        "role": "x", "organisation": "x", "recorded_at": recorded,
        "rows": [["site", ID, 0, commit]],
    })  # fmt: skip
    leaves = [bytes(32), sha256(b"\x00" + header.encode()).digest()]
    first, both = (
        key.note(LOG, checkpoint_text(Checkpoint("log", size, root_of(leaves[:size]), at, 0, more)))
        for size, at in ((1, before), (2, after))
    )
    return [
        {"kind": "export", "study_id": ID},
        {"kind": "checkpoint", "note": both},
        {"kind": "leaves", "from": 0, "hashes": [leaves[0].hex()]},
        {"kind": "operation", "index": 1, "header": header},
        {"kind": "row", "index": 1, "table": "site", "record_id": ID, "number": 0,
         "salt": bytes(32).hex(), "text": row},
        {"kind": "end"},
    ], [first]  # fmt: skip


ID = "0198c0de-0000-7000-8000-000000000002"
NOON, LATER, EVENING = (f"2026-06-01T{hour}:00:00.000000Z" for hour in (12, 13, 18))


@pytest.mark.parametrize(
    ("times", "values", "sentence"),
    [
        ((NOON, LATER, EVENING), {}, None),
        ((LATER, NOON, EVENING), {}, "is back-dated"),
        ((NOON, EVENING, LATER), {}, "covers says a later time"),
        ((NOON, LATER, EVENING), {"recorded_at": NOON}, "is older than its operation"),
        ((NOON, LATER, LATER), {"recorded_at": EVENING}, "covers says a later time"),
    ],
)
def test_times_lie_between_the_checkpoints(tmp_path, times, values, sentence):
    """What an operation and its rows say of the time is held against the notes that are given."""
    key = local_seal_key(tmp_path / "key")
    keys = read_keys(key.verifier(LOG))
    lines, earlier = an_operation(key, times, **values)
    found = verify_export(relined(lines).splitlines(keepends=True), keys, earlier)
    assert sentence in found.failures[0] if sentence else found.failures == []
    lines, earlier = an_operation(key, times, more=True, **values)
    found = verify_export(relined(lines).splitlines(keepends=True), keys, earlier)
    assert not any("back-dated" in failure for failure in found.failures)


async def test_a_cut_or_altered_file_fails(handed_over):
    """What is not whole, or not what was written, is no export."""
    cut = handed_over.export[: len(handed_over.export) // 2]
    assert "is malformed" in verify(handed_over, cut)[1]
    lines = handed_over.export.splitlines(keepends=True)
    assert "its last line is missing" in verify(handed_over, b"".join(lines[:-1]))[1]
    stale = relined([json.loads(line) for line in lines], stale=True)
    assert "its last line says otherwise" in verify(handed_over, stale)[1]
    assert "follows the last line" in verify(handed_over, handed_over.export + lines[0])[1]


async def test_another_key_and_another_past_fail(handed_over):
    """The wrong key signs nothing, and a log that forgot an old checkpoint was rewritten."""
    name = (handed_over.folder / "key").read_text().partition("+")[0]
    other = local_seal_key(handed_over.folder / "foreign")
    (handed_over.folder / "other").write_text(other.verifier(name))
    status, told = verify(handed_over, key="other")
    assert (status, "was not signed with the key" in told) == (1, True)
    root = base64.b64encode(bytes(32)).decode()
    text = f"{name}\n2\n{root}\n2026-01-01T00:00:00Z\n"
    (handed_over.folder / "past").write_text(handed_over.key.note(name, text) + "\n")
    assert "The log was rewritten" in verify(handed_over, old="past")[1]
    text = f"{name}\n999\n{root}\n2026-01-01T00:00:00Z\n"
    (handed_over.folder / "longer").write_text(handed_over.key.note(name, text) + "\n")
    assert "the checkpoint of 2026-01-01T00:00:00Z had 999" in verify(handed_over, old="longer")[1]


def a_log(key, size: int, *, fork: int | None = None) -> tuple[list, list]:
    """Write an export of leaves alone; from `fork` on they are others."""
    leaves = [
        sha256(bytes([number, fork is not None and number >= fork])) for number in range(size)
    ]
    hashes = [leaf.digest() for leaf in leaves]
    at = "2026-06-01T00:00:00Z"
    lines = [
        {"kind": "export"},
        {"kind": "checkpoint", "note": key.note(LOG, checkpoint_text(
            Checkpoint("log", size, root_of(hashes), at, epoch=1 if fork else 0)))},
        {"kind": "leaves", "from": 0, "hashes": [each.hex() for each in hashes]},
    ]  # fmt: skip
    return [*lines, {"kind": "end"}], hashes


def test_a_restore_is_told_and_a_fork_is_not_forgiven(tmp_path):
    """What a restore lost is explained by the signed statement, and by nothing else."""
    key = local_seal_key(tmp_path / "key")
    keys = read_keys(key.verifier(LOG))
    at = "2026-06-01T00:00:00Z"
    _, lost = a_log(key, 9)
    lines, hashes = a_log(key, 8, fork=6)
    old = {
        size: key.note(LOG, checkpoint_text(Checkpoint("log", size, root_of(lost[:size]), at)))
        for size in (5, 7, 9)
    }
    stated = Rollback(
        epoch=1, published=Checkpoint("log", 9, root_of(lost), at), log_id="log", size=6,
        root=root_of(hashes[:6]), at=at, reason="Restored after a fire.",
    )  # fmt: skip
    statement = {"kind": "rollback", "note": key.note(LOG, rollback_text(stated))}
    forked = verify_export(relined(lines).splitlines(keepends=True), keys, old.values())
    assert forked.failures[1:] == [
        f"The log was rewritten: the checkpoint of {at} has another root.",
        f"The log has 8 operations; the checkpoint of {at} had 9.",
    ]
    told = relined([lines[0], statement, *lines[1:]]).splitlines(keepends=True)
    restored = verify_export(told, keys, old.values())
    assert (
        restored.failures
        == forked.failures[:1]
        == ["The export shows no operation, so it proves nothing."]
    )
    assert "Restored after a fire." in " ".join(restored.notices)
    other = local_seal_key(tmp_path / "other")
    statement["note"] = other.note(LOG, rollback_text(stated))
    forged = relined([lines[0], statement, *lines[1:]]).splitlines(keepends=True)
    assert "The rollback of the export was not signed with the key." in (
        verify_export(forged, keys, old.values()).failures
    )


def test_the_script_takes_nothing_but_the_standard_library():
    """It starts where the project is not, and says what it wants."""
    done = run(VERIFY, "--help")
    assert done.returncode == 0
    assert "--checkpoint" in done.stdout
    assert "import app" not in VERIFY.read_text("utf-8")
    assert "from app" not in VERIFY.read_text("utf-8")


def test_signatures_are_those_of_the_standard():
    """The test vectors of RFC 8032 verify, altered ones and malformed keys do not."""
    for public, message, signature in SIGNED:
        key, told, good = (bytes.fromhex(each) for each in (public, message, signature))
        assert signed(key, told, good)
        assert not signed(key, told + b"x", good)
        assert not signed(key, told, good[:-1] + bytes([good[-1] ^ 1]))
        assert not signed(bytes(reversed(key)), told, good)
        assert not signed(key, told, good[:32])
    ours = Ed25519PrivateKey.generate()
    assert signed(ours.public_key().public_bytes_raw(), b"log", ours.sign(b"log"))


def test_a_signature_has_one_form_only():
    """A scalar beyond the group's order is refused, so that nobody makes a second one."""
    key, good = bytes.fromhex(SIGNED[1][0]), bytes.fromhex(SIGNED[1][2])
    order = 2**252 + 27742317777372353535851937790883648493
    second = (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    assert not signed(key, b"\x72", good[:32] + second)


def test_the_tree_is_the_one_of_the_standard():
    """Roots agree with the vectors of RFC 6962 and, up to 129 leaves, with the sealer's tree."""
    tree = Tree(range(9))
    for leaf in LEAVES:
        tree.append(sha256(b"\x00" + bytes.fromhex(leaf)).digest())
    assert [tree.roots[size].hex() for size in range(1, 9)] == ROOTS
    hashes = [sha256(bytes([number])).digest() for number in range(129)]
    longer = Tree(range(130))
    for each in hashes:
        longer.append(each)
    assert all(longer.roots[size] == root_of(hashes[:size]) for size in range(130))


@pytest.mark.parametrize("text", ["", "name", "name+00000000+AAAA", "a+b+c+d"])
def test_what_is_no_key_is_refused(text):
    """Verifying with a malformed key fails before anything is claimed."""
    if text:
        with pytest.raises(ValueError):  # noqa: PT011 - which of them does not matter
            read_keys(text)
    else:
        assert read_keys(text) == []
