"""The keyring: tokens that only the key's holder can make, and text that only it can open."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keyring import KEY_FILE, SECRET_BYTES, Keyring, UnreadableSecret, local_keyring

OURS, THEIRS = Keyring(b"o" * SECRET_BYTES), Keyring(b"t" * SECRET_BYTES)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def test_a_token_is_the_same_for_the_same_parts_only():
    """Other parts, another order or another key give another token."""
    token = OURS.token("patient", "site", "MRN-1")
    assert token == OURS.token("patient", "site", "MRN-1")
    others = [
        OURS.token("specimen", "site", "MRN-1"),
        OURS.token("site", "patient", "MRN-1"),
        OURS.token("patient", "siteMRN-1"),
        THEIRS.token("patient", "site", "MRN-1"),
    ]
    assert len({token, *others}) == 5


@given(first=st.lists(TEXTS, max_size=4), second=st.lists(TEXTS, max_size=4))
def test_no_two_lists_of_parts_share_a_token(first, second):
    """Parts cannot be shifted into one another."""
    assert (OURS.token(*first) == OURS.token(*second)) == (first == second)


@given(plain=st.binary(max_size=200))
def test_what_is_sealed_opens_again_and_hides_its_content(plain):
    """The bytes come back; two seals of one text differ, and neither holds it."""
    sealed = OURS.seal(plain, "row 1")
    assert OURS.open(sealed, "row 1") == plain
    assert sealed != OURS.seal(plain, "row 1")
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize(
    ("keyring", "place"), [(OURS, "row 2"), (THEIRS, "row 1")], ids=["other row", "other key"]
)
def test_a_seal_opens_with_its_key_in_its_place_only(keyring, place):
    """A row's secret copied to another row, or a database with another key, gives nothing."""
    sealed = OURS.seal(b"MRN-1", "row 1")
    with pytest.raises(UnreadableSecret):
        keyring.open(sealed, place)


def test_changed_bytes_do_not_open():
    """Each bit of a seal counts, and so does its length."""
    sealed = OURS.seal(b"MRN-1", "row 1")
    for i in range(len(sealed)):
        changed = bytearray(sealed)
        changed[i] ^= 1
        with pytest.raises(UnreadableSecret):
            OURS.open(bytes(changed), "row 1")
    for length in range(len(sealed)):
        with pytest.raises(UnreadableSecret):
            OURS.open(sealed[:length], "row 1")


@pytest.mark.parametrize("length", [0, SECRET_BYTES - 1, SECRET_BYTES + 1])
def test_a_secret_of_another_length_is_refused(length):
    """The key has 32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(bytes(length))


def test_a_data_directory_keeps_one_key(tmp_path):
    """It is made once, readable by its owner only, and the same at the next start."""
    folder = tmp_path / "new"
    token = local_keyring(folder).token("x")
    assert local_keyring(folder).token("x") == token
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert local_keyring(tmp_path / "other").token("x") != token


def test_two_first_starts_agree_on_one_key(tmp_path, monkeypatch):
    """Who loses the race takes the winner's key."""
    winner = local_keyring(tmp_path)
    there, seen = type(tmp_path).exists, []

    def not_yet(path) -> bool:
        seen.append(path)
        return len(seen) > 1 and there(path)

    monkeypatch.setattr(type(tmp_path), "exists", not_yet)
    assert local_keyring(tmp_path).token("x") == winner.token("x")
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
