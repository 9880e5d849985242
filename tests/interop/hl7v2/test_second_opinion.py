"""Another reader, python-hl7, sees the same fields in well-formed messages."""

import hl7
from hypothesis import given, settings
from hypothesis import strategies as st

from app.interop.hl7v2.notation import Notation
from app.interop.hl7v2.segments import split_message
from tests.interop.hl7v2.reads import results
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid

USUAL = Notation.of("|", "^~\\&", "utf-8")
PART = st.text(st.sampled_from("ab1.9<>=- 阴性μ"), max_size=4)
COMPONENT = st.lists(PART, min_size=1, max_size=2).map("&".join)
REPETITION = st.lists(COMPONENT, min_size=1, max_size=3).map("^".join)
FIELD = st.lists(REPETITION, min_size=1, max_size=2).map("~".join)
FIELDS = st.dictionaries(st.integers(2, 20), FIELD, max_size=8).map(lambda some: {1: "1"} | some)


def body(lines: list[dict[int, str]]) -> str:
    """Write a message with an OBX for each set of fields, and an end that nobody trims."""
    observed = (obx("", "", "", fields) for fields in lines)
    return message(msh(), pid(), obr(), *observed, "NTE|1||end").decode()


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(FIELDS, min_size=1, max_size=3))
def test_both_readers_see_the_same_fields(lines):
    """Every field, repetition, component and subcomponent of every OBX."""
    text = body(lines)
    ours = [each for each in split_message(text, USUAL).segments if each.name == "OBX"]
    theirs = hl7.parse(text).segments("OBX")
    assert len(ours) == len(theirs) == len(lines)
    for mine, other in zip(ours, theirs, strict=True):
        for number in range(1, 21):
            assert mine.raw(number) == (str(other[number]) if number < len(other) else "")


def components(repetition: object) -> tuple[str, ...]:
    """Give the components of one repetition, which is a plain text where there is only one."""
    parts = repetition if isinstance(repetition, hl7.Container) else [repetition]
    return tuple(map(str, parts))


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(FIELDS, min_size=1, max_size=3))
def test_both_readers_see_the_same_values(lines):
    """Repetitions and components of OBX-5, as results have them."""
    text = body(lines)
    for found, other in zip(results(text.encode()), hl7.parse(text).segments("OBX"), strict=True):
        repetitions = other[5] if len(other) > 5 and str(other[5]) else []
        assert list(found.values) == [components(each) for each in repetitions]


@given(text=st.text(st.sampled_from("ab|^~\\&é"), max_size=10))
@settings(max_examples=50, deadline=None)
def test_both_readers_escape_alike(text):
    """What one writes the other reads."""
    parsed = hl7.parse(body([{}]))
    assert parsed.unescape(USUAL.escaped(text)) == text
    assert USUAL.unescape(USUAL.escaped(text)) == text
