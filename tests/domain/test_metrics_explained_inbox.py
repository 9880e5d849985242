"""The items behind the numbers of the inbox, and that they are no more and no fewer."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.inbound import InboxKind, InboxReason
from app.domain.metrics_explained_inbox import explain_inbox
from app.domain.metrics_queries import WaitingItems, inbox_summary

TODAY = date(2026, 6, 1)
UNIT, CODE, UNREADABLE = (
    InboxReason.UNKNOWN_UNIT,
    InboxReason.UNMAPPED_CODE,
    InboxReason.UNREADABLE_MESSAGE,
)


def waiting(*reasons, kind=InboxKind.RESULT, results=1, days=0):
    """Make one open item with these reasons."""
    since = TODAY - timedelta(days=days)
    return WaitingItems(kind=kind, reasons=reasons, items=1, results=results, since=since)


def named(items, metric=""):
    """Show the items behind each number, by pointer."""
    found = explain_inbox(items, TODAY).beginning(metric)
    assert {number.contributions for number in found} <= {()}
    return {number.leaf.pointer: number.records for number in found}


def test_an_empty_inbox_rests_on_nothing():
    """No number, no item."""
    assert named({}) == {}


def test_items_stand_behind_what_they_are_counted_under():
    """Under the kind, under each reason, and the one that waits longest behind the age."""
    items = {
        "a": waiting(UNIT, days=3),
        "b": waiting(CODE, UNIT, days=1),
        "c": waiting(UNREADABLE, kind=InboxKind.MESSAGE, results=0, days=3),
    }
    assert named(items) == {
        "/inbox/items": ("a", "b", "c"),
        "/inbox/results": ("a", "b"),
        "/inbox/by_kind/message": ("c",),
        "/inbox/by_kind/result": ("a", "b"),
        "/inbox/by_reason/unknown_unit": ("a", "b"),
        "/inbox/by_reason/unmapped_code": ("b",),
        "/inbox/by_reason/unreadable_message": ("c",),
        "/inbox/oldest_days": ("a", "c"),
    }
    assert named(items, "/inbox/by_kind/m") == {"/inbox/by_kind/message": ("c",)}
    assert named(items, "/inbox/by_kind/task") == {}


def test_what_came_today_has_waited_for_no_days():
    """The item behind an age of 0 days is named like any other."""
    assert named({"a": waiting(UNIT)})["/inbox/oldest_days"] == ("a",)


ITEMS = st.builds(
    waiting,
    st.sampled_from([UNIT, CODE]),
    kind=st.sampled_from(list(InboxKind)),
    results=st.integers(0, 3),
    days=st.integers(0, 5),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ITEMS, max_size=6))
def test_counts_are_those_of_the_items_named(items):
    """Counted again, the named items alone make the number."""
    by_id = {str(place): item for place, item in enumerate(items)}
    for number in explain_inbox(by_id, TODAY).numbers:
        again = inbox_summary([by_id[each] for each in number.records], TODAY)
        _, _, member, *entry = number.leaf.pointer.split("/")
        value = getattr(again, member)
        assert number.leaf.value == (value[entry[0]] if entry else value)


def test_two_parts_of_an_answer_are_explained_as_one():
    """A number of either is found, and a pointer to neither is refused."""
    first = explain_inbox({"a": waiting(UNIT)}, TODAY)
    second = explain_inbox({"b": waiting(CODE)}, TODAY)
    both = first.beside(second)
    assert both.numbers == (*first.numbers, *second.numbers)
    assert both.places == first.places | second.places
    assert {**first.derived, **second.derived} == both.derived
