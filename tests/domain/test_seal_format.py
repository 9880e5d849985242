"""The bytes of the seal: fixed examples, and nothing but the canonical writing is read."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import pytest

from app.domain.seal_format import (
    Header,
    MalformedHeaderError,
    SealedRow,
    commitment,
    header_text,
    leaf_of,
    moment_text,
    parse_header,
    shape_digest,
    shape_text,
)

IDS = [f"0190f8a2-0000-7000-8000-00000000000{number}" for number in range(4)]
ROWS = (
    SealedRow("change", IDS[0], 7, "a" * 64),
    SealedRow("change", IDS[0], 12, "b" * 64),
    SealedRow("operation", IDS[1], 0, "c" * 64),
)
HEADER = Header(
    actor_id=IDS[2],
    command="update_subject",
    operation_id=IDS[1],
    organisation="Hôpital \u201cA\u201d\n",
    recorded_at="2026-06-01T04:00:00.123456Z",
    role="study_coordinator",
    rows=ROWS,
    sequence=3,
    shape="d" * 64,
    study_id=IDS[3],
    transaction=815,
)
TEXT = (
    '{"actor_id":"0190f8a2-0000-7000-8000-000000000002","command":"update_subject","format":1,'
    '"operation_id":"0190f8a2-0000-7000-8000-000000000001",'
    '"organisation":"Hôpital “A”\\n",'
    '"recorded_at":"2026-06-01T04:00:00.123456Z","role":"study_coordinator","rows":['
    f'["change","{IDS[0]}",7,"{"a" * 64}"],["change","{IDS[0]}",12,"{"b" * 64}"],'
    f'["operation","{IDS[1]}",0,"{"c" * 64}"]],"sequence":3,"shape":"{"d" * 64}",'
    '"study_id":"0190f8a2-0000-7000-8000-000000000003","transaction":815}'
)


def test_a_header_is_these_bytes():
    """Sorted keys, no white space, text as it is; the rows in their order."""
    assert header_text(HEADER) == TEXT
    assert header_text(replace(HEADER, rows=ROWS[::-1])) == TEXT
    assert parse_header(TEXT) == HEADER


def test_a_header_without_an_actor_is_read():
    """An operator acts under no grant."""
    header = replace(HEADER, actor_id=None)
    assert parse_header(header_text(header)) == header


def test_the_leaf_and_the_commitment_are_apart():
    """The first byte keeps a leaf, a node and a commitment from standing for one another."""
    assert leaf_of(TEXT) == sha256(b"\x00" + TEXT.encode()).digest()
    salt = bytes(32)
    assert commitment(salt, '{"a": "é"}') == sha256(b"\x02" + salt + b'{"a": "\xc3\xa9"}').digest()


def test_an_instant_is_written_in_utc():
    """With six decimals, whatever zone it came in."""
    beijing = timezone(timedelta(hours=8))
    moment = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=beijing)
    assert moment_text(moment) == "2026-06-01T04:00:00.000005Z"


def test_a_shape_does_not_depend_on_the_order_it_was_found_in():
    """Tables and columns are sorted before they are digested."""
    text = '{"a":["x","y"],"b":["z"]}'
    assert shape_text({"b": ["z"], "a": ["y", "x"]}) == text
    assert shape_digest({"b": ["z"], "a": ["y", "x"]}) == sha256(text.encode()).hexdigest()


def changed(**values):
    """The header's text with some values replaced, written canonically otherwise."""
    content = json.loads(TEXT) | values
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def row(**values):
    """The header's text with the first row's parts replaced."""
    first = ROWS[0]._replace(**values)
    return changed(rows=[list(first), *map(list, ROWS[1:])])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        TEXT + " ",
        TEXT.replace(",", ", ", 1),
        TEXT.replace('{"actor_id"', '{"actor_id":null,"actor_id"'),
        TEXT.replace("é", "\\u00e9").replace("ô", "\\u00f4"),
        changed(more="more"),
        changed(format=2),
        changed(format=True),
        changed(format="1"),
        changed(sequence=0),
        changed(sequence=True),
        changed(sequence="1"),
        changed(rows=[]),
        changed(rows={}),
        changed(rows=[["operation", IDS[1], 0]]),
        changed(rows=["row1"]),
        changed(rows=[list(each) for each in ROWS[::-1]]),
        row(table=1),
        row(record_id=IDS[0].upper()),
        row(record_id=1),
        row(record_id="x"),
        row(number="7"),
        row(number=True),
        row(number=-1),
        row(commit="a" * 63),
        row(commit="A" * 64),
        changed(transaction=None),
        changed(transaction=1.5),
        changed(role=None),
        changed(shape="d"),
        changed(recorded_at="2026-06-01T04:00:00Z"),
        changed(operation_id="1"),
        changed(study_id=None),
        changed(actor_id="somebody"),
        changed(actor_id=IDS[2].replace("-", "")),
    ],
)
def test_whatever_is_not_canonical_is_refused(text):
    """Another order, white space, escape, doubled key, type or form."""
    with pytest.raises(MalformedHeaderError):
        parse_header(text)
