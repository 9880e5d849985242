"""Sent text made comparable: widths and signs folded, nothing that could change a meaning.

Compatibility folding (NFKC) would turn 1.5² into 1.52, so only full-width forms and a few signs
are folded here.
"""

from __future__ import annotations

_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_SIGNS = {
    "≤": "<=", "≦": "<=", "⩽": "<=",
    "≥": ">=", "≧": ">=", "⩾": ">=",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "〜": "~",
}  # fmt: skip
_FOLDED = str.maketrans({**_FULL_WIDTH, **_SIGNS})


def said(text: str) -> str:
    """Return a text without blanks around it; the null of HL7 (`""`) says nothing."""
    stripped = text.strip()
    return "" if stripped == '""' else stripped


def plain(text: str) -> str:
    """Return what a text says, with full-width forms, comparison signs and dashes in ASCII."""
    return said(text.translate(_FOLDED))


def word_key(text: str) -> str:
    """Return a word as it is compared: without case, blanks or a full stop at its end."""
    return "".join(plain(text).casefold().split()).rstrip(".。")
