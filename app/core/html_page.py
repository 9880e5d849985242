"""A printable page of tables that needs nothing from anywhere; whatever is put in is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from html import escape
from typing import Any

STYLE = (
    "body{font:11pt/1.4 sans-serif;color:#111;background:#fff;margin:2em auto;max-width:75em;"
    "padding:0 1em}"
    "h1{font-size:1.5em;margin-bottom:.2em}h2{font-size:1.15em;margin:1.6em 0 .4em}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #777;padding:.25em .5em;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#eee}thead{display:table-header-group}"
    "tr{break-inside:avoid}h2{break-after:avoid}"
    "@media print{@page{margin:15mm}body{margin:0;max-width:none;padding:0;font-size:9pt}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The browser shall load nothing and run nothing, even if something slipped through.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the names of the columns, none for a list of pairs, and rows of plain values."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def page(title: str, tables: Iterable[Table]) -> str:
    """Write a whole page: the title, then each table; one without rows says so."""
    body = "\n".join(_table(table) for table in tables)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def words(value: Any) -> str:
    """Say a value in plain words: moments in UTC, words of a vocabulary without underscores."""
    if isinstance(value, (tuple, list)):
        value = "; ".join(words(each) for each in value)
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, Enum):
        value = str(value.value).replace("_", " ")
    elif isinstance(value, datetime):
        value = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return _NOTHING if value is None or value == "" else str(value)


def _table(table: Table) -> str:
    heading = f"<h2>{escape(table.heading)}</h2>"
    if not table.rows:
        return f"{heading}\n<p>None.</p>"
    head = f"<thead>{_row('th', table.columns)}</thead>\n" if table.columns else ""
    rows = "\n".join(_row("td", row) for row in table.rows)
    return f"{heading}\n<table>\n{head}<tbody>\n{rows}\n</tbody>\n</table>"


def _row(tag: str, cells: Sequence[Any]) -> str:
    """Write a row: the only place where a value enters the page."""
    return "<tr>" + "".join(f"<{tag}>{escape(words(cell))}</{tag}>" for cell in cells) + "</tr>"
