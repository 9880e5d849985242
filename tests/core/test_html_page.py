"""The printable page: everything escaped, nothing from elsewhere, the style named by its hash."""

import base64
import hashlib
import re
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.html_page import CONTENT_SECURITY_POLICY, Table, page, words


class Word(StrEnum):
    """A vocabulary of one word."""

    IN_WINDOW = "in_window"


class Reading(HTMLParser):
    """What a browser sees: the elements, and the text of the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.in_cell = False

    def handle_starttag(self, tag, attrs):
        """Note an element; a cell begins with no text."""
        self.elements.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
        self.in_cell = tag == "td"

    def handle_endtag(self, tag):
        """Leave the cell."""
        self.in_cell = False

    def handle_data(self, data):
        """Add to the cell that is open."""
        if self.in_cell:
            self.cells[-1] += data


def read(text: str) -> Reading:
    """Parse a page."""
    reading = Reading()
    reading.feed(text)
    return reading


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        ("", "–"),
        ((), "–"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (Word.IN_WINDOW, "in window"),
        (date(2026, 6, 1), "2026-06-01"),
        (datetime(2026, 6, 1, 4, tzinfo=UTC), "2026-06-01 04:00:00 UTC"),
        (
            datetime(2026, 6, 1, 4, tzinfo=timezone(timedelta(hours=8))),
            "2026-05-31 20:00:00 UTC",
        ),
        ((Word.IN_WINDOW, None), "in window; –"),
    ],
)
def test_values_are_said_in_plain_words(value, said):
    """Nothing is a dash, a zero is a zero, a moment is in UTC."""
    assert words(value) == said


@given(text=st.text(alphabet=st.sampled_from("<>&\"'/ab!-script=;"), min_size=1, max_size=30))
def test_no_text_becomes_markup(text):
    """Whatever a title, heading, column or cell says is read back as that text, in that place."""
    plain = read(page("a", [Table("a", ("a",), (("a",),))]))
    reading = read(page(text, [Table(text, (text,), ((text,),))]))
    assert reading.elements == plain.elements
    assert reading.cells == [text]


def test_an_empty_table_says_so_and_pairs_have_no_head():
    """Absence is stated, and a list of pairs does without names of columns."""
    text = page("Title", [Table("Nothing", ("A",), ()), Table("Pairs", (), (("a", 1),))])
    assert "<p>None.</p>" in text
    assert text.count("<table>") == 1
    assert "<thead>" not in text
    assert read(text).cells == ["a", "1"]


def test_the_policy_allows_the_pages_own_style_and_nothing_else():
    """The hash in the header is that of the style element, so that a browser applies it."""
    (style,) = re.findall(r"<style>(.*?)</style>", page("a", ()), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "script-src" not in CONTENT_SECURITY_POLICY
