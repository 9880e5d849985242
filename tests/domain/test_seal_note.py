"""Signed notes: what is written is read again, and nothing else is."""

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.seal_note import (
    Checkpoint,
    MalformedNoteError,
    NoteSignature,
    Rollback,
    checkpoint_text,
    is_rollback,
    key_id,
    note_of,
    notes_of,
    origin,
    parse_checkpoint,
    parse_note,
    parse_rollback,
    parse_verifier_key,
    rollback_text,
    verifier_key,
)

LOG = "0190f8a2-0000-7000-8000-000000000001"
ROOT = bytes(range(32))
AT = "2026-06-01T04:00:00.123456Z"
CHECKPOINT = Checkpoint(LOG, 7, ROOT, AT)
ROLLBACK = Rollback(
    epoch=1,
    published=CHECKPOINT,
    log_id=LOG,
    size=5,
    root=ROOT[::-1],
    at=AT,
    reason="Restored to noon after a disk failure.",
)
SIGNATURE = NoteSignature(origin(LOG), b"\x01\x02\x03\x04", bytes(64))
# The key and signature of the example in C2SP's signed-note specification.
PUBLIC = bytes.fromhex("c41db8aa" * 8)


def test_a_checkpoint_is_these_lines():
    """Origin, size, root and time; the epoch only once there was a restore."""
    text = (
        "msc-icaht/0190f8a2-0000-7000-8000-000000000001\n7\n"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n2026-06-01T04:00:00.123456Z\n"
    )
    assert checkpoint_text(CHECKPOINT) == text
    assert checkpoint_text(replace(CHECKPOINT, epoch=2)) == text + "epoch 2\n"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32), st.integers(0, 999))
def test_a_checkpoint_is_read_as_it_was_written(size, root, epoch):
    """Whatever its size, root and epoch."""
    checkpoint = Checkpoint(LOG, size, root, AT, epoch)
    text = checkpoint_text(checkpoint)
    assert parse_checkpoint(text) == checkpoint
    assert not is_rollback(text)


def test_a_checkpoint_says_that_more_is_sealed_with_it():
    """With an epoch and without."""
    for epoch in (0, 2):
        checkpoint = Checkpoint(LOG, 7, ROOT, AT, epoch, more=True)
        assert parse_checkpoint(checkpoint_text(checkpoint)) == checkpoint


def test_a_rollback_is_read_as_it_was_written():
    """Both logs, both sizes and both roots, and why."""
    text = rollback_text(ROLLBACK)
    assert is_rollback(text)
    assert parse_rollback(text) == ROLLBACK
    assert text.splitlines()[0] == f"msc-icaht/{LOG}/rollback"
    assert text.splitlines()[-1] == "reason Restored to noon after a disk failure."


def checkpoint_lines(**changed):
    """The lines of a checkpoint with some replaced."""
    lines = {"origin": origin(LOG), "size": "7", "root": b64encode(ROOT).decode(), "at": AT}
    return "".join(f"{line}\n" for line in (lines | changed).values())


@pytest.mark.parametrize(
    "text",
    [
        checkpoint_lines(origin="elsewhere/1"),
        checkpoint_lines(size="07"),
        checkpoint_lines(size="-1"),
        checkpoint_lines(size="seven"),
        checkpoint_lines(root="AAEC"),
        checkpoint_lines(root="!"),
        checkpoint_lines(root=b64encode(ROOT).decode()[:-2] + "9="),
        checkpoint_lines(at="2026-06-01 04:00:00"),
        checkpoint_lines(at="2026-06-01T04:00:00+08:00"),
        checkpoint_lines(epoch="epoch 0"),
        checkpoint_lines(epoch="age 1"),
        checkpoint_lines(epoch="epoch 1", more="else"),
        checkpoint_lines(at=""),
        checkpoint_lines().rstrip("\n"),
        rollback_text(ROLLBACK),
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    """Another origin, a number or hash written otherwise, a line too many or too few."""
    with pytest.raises(MalformedNoteError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        checkpoint_text(CHECKPOINT),
        rollback_text(ROLLBACK).replace("/rollback", ""),
        rollback_text(ROLLBACK).replace("size 5", "size five"),
        rollback_text(ROLLBACK).replace("published msc-icaht", "published other"),
        rollback_text(ROLLBACK).replace("reason", "because"),
    ],
)
def test_what_is_no_rollback_is_refused(text):
    """A checkpoint, a line of another name, another kind of log."""
    with pytest.raises(MalformedNoteError):
        parse_rollback(text)


def test_a_note_is_taken_apart_as_it_was_put_together():
    """The text with its last line feed is what was signed; signers follow after an empty line."""
    text = checkpoint_text(CHECKPOINT)
    other = replace(SIGNATURE, name="witness")
    note = note_of(text, SIGNATURE, other)
    assert note.startswith(f"{text}\n\u2014 {origin(LOG)} ")
    parsed = parse_note(note)
    assert (parsed.text, parsed.signatures) == (text, (SIGNATURE, other))


@pytest.mark.parametrize(
    "note",
    [
        checkpoint_text(CHECKPOINT),
        "text\n\n",
        "text\n\n\u2014 name AQIDBA==",
        "text\n\n\u2014 name AQIDBA==\n",
        "text\n\n- name AQIDBA==\n",
        "text\n\n\u2014 na+me AQIDBA==\n",
        note_of("text\n", SIGNATURE).replace("\u2014 ", "\u2014"),
    ],
)
def test_what_is_no_note_is_refused(note):
    """No signature, a signature of another size, a line that is none."""
    with pytest.raises(MalformedNoteError):
        parse_note(note)


def test_a_key_says_who_it_is():
    """The id is of name and key together, so that a key under another name is another."""
    text = verifier_key("example.com/log", PUBLIC)
    name, identifier, _ = text.split("+")
    assert name == "example.com/log"
    assert bytes.fromhex(identifier) == key_id(name, PUBLIC)
    assert key_id("other", PUBLIC) != key_id(name, PUBLIC)
    assert parse_verifier_key(text + "\n") == (name, PUBLIC)


def test_the_published_key_of_another_log_is_read():
    """The verifier key of the Go checksum database, as Go ships it."""
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    name, public = parse_verifier_key(text)
    assert name == "sum.golang.org"
    assert verifier_key(name, public) == text


@pytest.mark.parametrize(
    "text",
    [
        verifier_key("name", PUBLIC).replace("name", "other"),
        verifier_key("name", PUBLIC[:31]),
        "name+00000000+AAAA",
        "name",
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    """An id that is not the key's, a key of another size or kind."""
    with pytest.raises(MalformedNoteError):
        parse_verifier_key(text)


def test_a_file_of_notes_is_split_and_what_was_cut_off_left_out():
    """A writer that was killed leaves half a note; the next one begins after it."""
    notes = [
        note_of(checkpoint_text(CHECKPOINT), SIGNATURE),
        note_of(rollback_text(ROLLBACK), SIGNATURE),
        note_of(checkpoint_text(replace(CHECKPOINT, epoch=1)), SIGNATURE),
    ]
    content = "".join(f"{note}\n" for note in notes)
    assert notes_of(content) == notes
    assert notes_of("") == []
    for cut in range(len(notes[1]) + 1):
        assert notes_of(f"{notes[0]}\n{notes[1][:cut]}") == notes[:1]
        kept = notes_of(f"{notes[0]}\n{notes[1][:cut]}\n{notes[2]}\n")
        assert kept[0] == notes[0]
        assert kept[-1] == notes[2]
        assert kept[1:-1] in ([], notes[1:2])
