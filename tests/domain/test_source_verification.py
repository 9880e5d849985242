"""Source verification: all items or some, stale with every later change, counted exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.signing import VersionChange
from app.domain.source_verification import (
    SOURCE_ITEMS,
    Coverage,
    ItemState,
    Verification,
    check_items,
    cover,
    item_states,
    stale_items,
)
from app.models import Base

VERIFIED, STALE, UNVERIFIED = ItemState
ITEMS = ("product", "given_at", "units", "note")
SOME = st.frozensets(st.sampled_from(ITEMS))


def verified(version: int, *items: str) -> Verification:
    """Verify items of a version."""
    return Verification(version, frozenset(items))


def change(version: int, *fields: str) -> VersionChange:
    """Change fields, which leads to a version."""
    return VersionChange(version, frozenset(fields))


def test_every_item_is_a_column_of_its_record():
    """The table names records and fields that there are, and none twice."""
    for record_type, items in SOURCE_ITEMS.items():
        columns = Base.metadata.tables[record_type].columns
        assert all(item in columns for item in items), record_type
        assert len(items) == len(set(items))


def test_items_are_all_or_some_of_the_record():
    """None is all of them; a choice comes in the order of the table, once each."""
    assert check_items("transfusion", None) == ITEMS
    assert check_items("transfusion", ["units", "product", "units"]) == ("product", "units")


@pytest.mark.parametrize(
    ("record_type", "items", "code"),
    [
        ("cohort", None, "not_verifiable"),
        ("transfusion", ["colour"], "unknown_item"),
        ("transfusion", ["product", "version"], "unknown_item"),
    ],
)
def test_what_has_no_source_is_refused(record_type, items, code):
    """By a sentence that names what can be verified."""
    with pytest.raises(DomainError) as refusal:
        check_items(record_type, items)
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")


@pytest.mark.parametrize(("version", "stale"), [(1, {"units"}), (2, set()), (3, set())])
def test_a_change_makes_stale_what_was_verified_before_it(version, stale):
    """The change to version 2 touches a verification of version 1, none of version 2 on."""
    made = verified(version, "units", "product")
    assert stale_items(made, [change(2, "units", "note")]) == stale


def test_a_change_that_is_taken_back_is_a_change():
    """Verified in version 1, changed and changed back: it has to be looked at again."""
    found = item_states(ITEMS, [verified(1, "units")], [change(2, "units"), change(3, "units")])
    assert found["units"] is STALE


def test_a_later_verification_makes_up_for_a_stale_one():
    """Item by item: the one verified anew stands, the other stays stale."""
    made = [verified(1, "units", "note"), verified(2, "units")]
    found = item_states(ITEMS, made, [change(2, "units", "note")])
    assert found == {
        "product": UNVERIFIED,
        "given_at": UNVERIFIED,
        "units": VERIFIED,
        "note": STALE,
    }


@given(
    st.lists(st.tuples(st.integers(1, 4), SOME), max_size=4),
    st.lists(st.tuples(st.integers(2, 5), SOME), max_size=4),
)
def test_an_item_stands_exactly_when_some_verification_of_it_outlived_every_change(made, changes):
    """Held against a reading of each single item, change by change."""
    verifications = [Verification(*each) for each in made]
    found = item_states(ITEMS, verifications, [VersionChange(*each) for each in changes])
    for item in ITEMS:
        last = max((version for version, fields in changes if item in fields), default=0)
        versions = [version for version, items in made if item in items]
        expected = UNVERIFIED if not versions else STALE
        if any(version >= last for version in versions):
            expected = VERIFIED
        assert found[item] is expected


def test_coverage_counts_records_and_items():
    """A record counts as verified when all its items do; a stale item is none."""
    whole = dict.fromkeys(ITEMS, VERIFIED)
    found = cover([whole, whole | {"note": STALE}, dict.fromkeys(ITEMS, UNVERIFIED)])
    assert found == Coverage(
        records=3, records_verified=1, items=12, items_verified=7, items_stale=1
    )


def test_nothing_is_covered_where_nothing_is():
    """No record, no item, nothing verified."""
    assert cover([]) == Coverage(
        records=0, records_verified=0, items=0, items_verified=0, items_stale=0
    )
