"""MLLP frames: found however the bytes are cut, and what stands outside of them is not lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.interop.hl7v2.mllp import Frame, Oversized, Stray, Unframer, framed

VT, FS = b"\x0b", b"\x1c"
LIMIT = 100


def pieces(*chunks: bytes) -> list[Frame | Stray]:
    """Feed chunks and give every piece that is whole."""
    unframer = Unframer(LIMIT)
    found: list[Frame | Stray] = []
    for chunk in chunks:
        unframer.feed(chunk)
        found += iter(unframer.take, None)
    return found


@pytest.mark.parametrize("end", [b"\r", b"", b"\n", b"\r\n", b"\r\r\n\n"])
def test_whatever_line_ends_follow_a_frame(end):
    """CR, nothing, LF: the next frame is found, and nothing is stray."""
    stream = VT + b"one" + FS + end + VT + b"two" + FS + end
    assert pieces(stream) == [Frame(b"one"), Frame(b"two")]


def test_an_empty_frame_is_a_frame():
    """What stood in it is for others to judge."""
    assert pieces(framed(b"")) == [Frame(b"")]


def test_what_stands_between_frames_is_told():
    """Noise before, between and after does not hide a frame."""
    stream = b"noise" + framed(b"one") + b"more" + FS + framed(b"two")
    assert pieces(stream) == [Stray(b"noise"), Frame(b"one"), Stray(b"more" + FS), Frame(b"two")]


def test_a_frame_that_is_begun_again_is_no_message():
    """A sender that starts anew has not finished: half a number must not become a result."""
    stream = VT + b"value 12" + framed(b"value 125")
    assert pieces(stream) == [Stray(VT + b"value 12"), Frame(b"value 125")]


def test_what_is_not_whole_can_be_asked_for():
    """The rest is there with its VT, for those who keep it."""
    unframer = Unframer(LIMIT)
    unframer.feed(framed(b"one") + VT + b"tw")
    assert (unframer.take(), unframer.take()) == (Frame(b"one"), None)
    assert (unframer.pending, unframer.rest) == (True, VT + b"tw")


def test_line_ends_alone_are_nothing():
    """A sender may keep its line alive with them for ever."""
    unframer = Unframer(LIMIT)
    for _ in range(LIMIT):
        unframer.feed(b"\r\n\r\n")
        assert unframer.take() is None
        assert not unframer.pending


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_frame_up_to_the_limit_is_taken(size):
    """The limit counts what stands in the frame."""
    assert pieces(framed(b"x" * size)) == [Frame(b"x" * size)]


@pytest.mark.parametrize(
    "stream", [framed(b"x" * (LIMIT + 1)), VT + b"x" * (LIMIT + 1), b"x" * (LIMIT + 1)]
)
def test_more_than_the_limit_is_refused(stream):
    """In a frame, whole or not, and outside of one."""
    with pytest.raises(Oversized):
        pieces(stream)


CONTENT = st.binary(max_size=30).map(lambda raw: raw.replace(VT, b"").replace(FS, b""))


@given(st.lists(CONTENT, max_size=5), st.data())
def test_frames_are_found_however_they_arrive(contents, data):
    """Cut anywhere, down to single bytes, the same frames come out in their order."""
    stream = b"".join(map(framed, contents))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert pieces(*chunks) == [Frame(content) for content in contents]
